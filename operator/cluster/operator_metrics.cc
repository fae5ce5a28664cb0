#include "operator/cluster/operator_metrics.h"

#include <utility>
#include <vector>

namespace ballast::cluster {
namespace {

using prometheus::Labels;

const Labels kController = {{"controller", "trainingjob"}};
const Labels kQueue = {{"controller", "trainingjob"}, {"name", "trainingjob"}};
const prometheus::Histogram::BucketBoundaries kSeconds = {0.001, 0.003, 0.01, 0.03, 0.1, 0.3,
                                                          1,     3,     10,   30,   100};

prometheus::Family<prometheus::Counter>& counters(prometheus::Registry& registry,
                                                  const std::string& name,
                                                  const std::string& help) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(registry);
}

prometheus::Gauge& gauge(prometheus::Registry& registry, const std::string& name,
                         const std::string& help, const Labels& labels) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(registry).Add(labels);
}

prometheus::Family<prometheus::Histogram>& histograms(prometheus::Registry& registry,
                                                      const std::string& name,
                                                      const std::string& help) {
  return prometheus::BuildHistogram().Name(name).Help(help).Register(registry);
}

std::map<TurnResult, prometheus::Counter*> turn_counters(prometheus::Registry& registry) {
  auto& family =
      counters(registry, "controller_runtime_reconcile_total", "Turns of jobs, by how they ended.");
  const auto of = [&](const char* result) {
    return &family.Add({{"controller", "trainingjob"}, {"result", result}});
  };
  return {{TurnResult::kSuccess, of("success")},
          {TurnResult::kRequeueAfter, of("requeue_after")},
          {TurnResult::kError, of("error")}};
}

// Collects when it is asked; a registry would have to be told of each change.
class CountedGauge : public prometheus::Collectable {
 public:
  explicit CountedGauge(CountsByLabel counts) : counts_(std::move(counts)) {}

  std::vector<prometheus::MetricFamily> Collect() const override {
    prometheus::MetricFamily family{counts_.name, counts_.help, prometheus::MetricType::Gauge, {}};
    for (const auto& [value, number] : counts_.count()) {
      prometheus::ClientMetric metric;
      metric.label = {{counts_.label, value}};
      metric.gauge.value = static_cast<double>(number);
      family.metric.push_back(std::move(metric));
    }
    return {std::move(family)};
  }

 private:
  const CountsByLabel counts_;
};

}  // namespace

OperatorMetrics::OperatorMetrics(std::string host)
    : host_(std::move(host)),
      registry_(std::make_shared<prometheus::Registry>()),
      requests_(counters(*registry_, "rest_client_requests_total",
                         "Requests to the API server, by status code.")),
      request_seconds_(histograms(*registry_, "rest_client_request_duration_seconds",
                                  "Time until the API server has answered.")),
      watch_interruptions_(counters(*registry_, "ballast_watch_interruptions_total",
                                    "Times that following a kind of objects broke off.")),
      turns_(turn_counters(*registry_)),
      turn_errors(counters(*registry_, "controller_runtime_reconcile_errors_total",
                           "Turns of jobs that failed.")
                      .Add(kController)),
      turn_seconds(histograms(*registry_, "controller_runtime_reconcile_time_seconds",
                              "Time of a job's turn.")
                       .Add(kController, kSeconds)),
      active_workers(gauge(*registry_, "controller_runtime_active_workers",
                           "Threads that look after a job now.", kController)),
      max_workers(gauge(*registry_, "controller_runtime_max_concurrent_reconciles",
                        "Threads that may look after jobs.", kController)),
      queue_depth(gauge(*registry_, "workqueue_depth", "Jobs that wait for their turn.", kQueue)),
      queue_adds(counters(*registry_, "workqueue_adds_total", "Times that a job began to wait.")
                     .Add(kQueue)),
      queue_retries(counters(*registry_, "workqueue_retries_total",
                             "Times that a job waits to be tried again after a failure.")
                        .Add(kQueue)),
      queue_seconds(histograms(*registry_, "workqueue_queue_duration_seconds",
                               "Time that a job waits for its turn.")
                        .Add(kQueue, kSeconds)),
      work_seconds(histograms(*registry_, "workqueue_work_duration_seconds",
                              "Time that a thread is busy with a job.")
                       .Add(kQueue, kSeconds)),
      leads(gauge(*registry_, "leader_election_master_status",
                  "1 while this process is the leader.", {{"name", "ballast-operator"}})) {}

void OperatorMetrics::request(const std::string& method, int status,
                              std::optional<double> seconds) {
  // As client-go writes the absence of an answer.
  const std::string code = status == 0 ? "<error>" : std::to_string(status);
  requests_.Add({{"code", code}, {"method", method}, {"host", host_}}).Increment();
  if (seconds)
    request_seconds_.Add({{"verb", method}, {"host", host_}}, kSeconds).Observe(*seconds);
}

void OperatorMetrics::turn(TurnResult result, double seconds) {
  turns_.at(result)->Increment();
  if (result == TurnResult::kError) turn_errors.Increment();
  turn_seconds.Observe(seconds);
}

void OperatorMetrics::watch_interrupted(const std::string& kind) {
  watch_interruptions_.Add({{"kind", kind}}).Increment();
}

std::shared_ptr<prometheus::Collectable> counted_gauge(CountsByLabel counts) {
  return std::make_shared<CountedGauge>(std::move(counts));
}

}  // namespace ballast::cluster
