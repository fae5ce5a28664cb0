#include "services/worker/worker_metrics.h"

#include <algorithm>
#include <string>

namespace ballast {
namespace {

prometheus::Counter& counter(prometheus::Registry& registry, const std::string& name,
                             const std::string& help) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(registry).Add({});
}

prometheus::Gauge& gauge(prometheus::Registry& registry, const std::string& name,
                         const std::string& help) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(registry).Add({});
}

prometheus::Histogram& histogram(prometheus::Registry& registry, const std::string& name,
                                 const std::string& help) {
  return prometheus::BuildHistogram().Name(name).Help(help).Register(registry).Add(
      {}, prometheus::Histogram::BucketBoundaries{0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1,
                                                  0.3, 1, 3, 10, 30});
}

}  // namespace

WorkerMetrics::WorkerMetrics(Logger log)
    : log_(std::move(log)),
      registry_(std::make_shared<prometheus::Registry>()),
      joined(gauge(*registry_, "ballast_worker_joined", "1 while this worker belongs to the job.")),
      step(gauge(*registry_, "ballast_worker_step", "The step of the work in hand.")),
      assigned_microbatches(gauge(*registry_, "ballast_worker_assigned_microbatches",
                                  "Microbatches of the step in hand that this worker was given.")),
      works(counter(*registry_, "ballast_worker_works_total",
                    "Times this worker was given work; mostly once a step.")),
      microbatches(counter(*registry_, "ballast_worker_microbatches_total",
                           "Microbatches whose gradient was computed and handed over.")),
      abandoned_microbatches(
          counter(*registry_, "ballast_worker_abandoned_microbatches_total",
                  "Microbatches that were given up because their step was over.")),
      tokens(counter(*registry_, "ballast_worker_tokens_total",
                     "Tokens whose gradient was computed.")),
      evaluation_tokens(counter(*registry_, "ballast_worker_evaluation_tokens_total",
                                "Tokens whose loss alone was computed.")),
      seconds_(prometheus::BuildCounter()
                   .Name("ballast_worker_time_seconds_total")
                   .Help("Time of the training loop by what it did.")
                   .Register(*registry_)),
      compute_seconds_(seconds_.Add({{"part", "compute"}})),
      push_seconds_(seconds_.Add({{"part", "push"}})),
      pull_seconds_(seconds_.Add({{"part", "pull"}})),
      wait_seconds_(seconds_.Add({{"part", "wait"}})),
      pushed_bytes_(counter(*registry_, "ballast_worker_pushed_bytes_total",
                            "Bytes of gradients that servers acknowledged.")),
      pulled_bytes_(counter(*registry_, "ballast_worker_pulled_bytes_total",
                            "Bytes of parameters received.")),
      push_latency_(histogram(*registry_, "ballast_worker_push_seconds",
                              "From sending a piece until it is acknowledged.")),
      pull_latency_(histogram(*registry_, "ballast_worker_pull_seconds",
                              "From asking for a piece until it has arrived.")),
      step_latency_(histogram(*registry_, "ballast_worker_step_seconds",
                              "From one work to the next, waiting included.")),
      plan_bytes_(prometheus::BuildGauge()
                      .Name("ballast_worker_planned_bytes")
                      .Help("Memory planned at start, by what it holds.")
                      .Register(*registry_)),
      text_bytes_(gauge(*registry_, "ballast_worker_text_bytes",
                        "Text that this worker tokenizes; 0 where others did, or have done.")),
      tokenized_text_bytes_(gauge(*registry_, "ballast_worker_tokenized_text_bytes",
                                  "How much of that text is tokenized.")),
      certificate_ends_(gauge(*registry_, "ballast_certificate_end_timestamp_seconds",
                              "When the certificate of this process ends; 0 where it has none.")),
      device_memory_bytes_(gauge(*registry_, "ballast_worker_device_memory_bytes",
                                 "Memory of the GPU that is taken.")),
      device_memory_limit_bytes_(gauge(*registry_, "ballast_worker_device_memory_limit_bytes",
                                       "Memory of the GPU; 0 where the CPU computes.")),
      device_peak_(gauge(*registry_, "ballast_worker_device_peak_flop_per_second",
                         "What the GPU's data sheet promises of dense matrix products in the job's "
                         "precision; 0 where it is not known.")),
      device_busy_seconds_(counter(*registry_, "ballast_worker_device_busy_seconds_total",
                                   "Time in which passes were under way on the GPU.")),
      device_copy_seconds_(counter(*registry_, "ballast_worker_device_copy_seconds_total",
                                   "Time in which gradients left the GPU, beside passes too.")),
      device_flop_(counter(*registry_, "ballast_worker_device_flop_total",
                           "Floating-point operations of the passes on the GPU: 6N + 6LCT a "
                           "token.")) {}

void WorkerMetrics::pushed(double seconds, uint64_t bytes) {
  push_latency_.Observe(seconds);
  pushed_bytes_.Increment(static_cast<double>(bytes));
}

void WorkerMetrics::pulled(double seconds, uint64_t bytes) {
  pull_latency_.Observe(seconds);
  pulled_bytes_.Increment(static_cast<double>(bytes));
}

void WorkerMetrics::fact(std::string_view message, std::string_view detail) {
  log_.info("protocol", {{"what", message}, {"detail", detail}});
}

void WorkerMetrics::certificate(const CertificateNews& news) {
  log_certificate(log_, news);
  if (news.ends_ms > 0) certificate_ends_.Set(static_cast<double>(news.ends_ms) / 1000);
}

void WorkerMetrics::tokenized(uint64_t bytes, uint64_t of_bytes) {
  text_bytes_.Set(static_cast<double>(of_bytes));
  tokenized_text_bytes_.Set(static_cast<double>(bytes));
}

void WorkerMetrics::memory(const ClientPlan& client, const MemoryBytes& engine) {
  const struct {
    const char* part;
    uint64_t bytes;
  } rows[] = {{"parameters", client.parameters},
              {"gradient", client.gradient},
              {"partial_sums", client.partial_sums},
              {"activations", engine.activations},
              {"logits", engine.logits}};
  for (const auto& row : rows) {
    plan_bytes_.Add({{"holds", row.part}}).Set(static_cast<double>(row.bytes));
  }
}

void WorkerMetrics::spent(double seconds, const ClientStatistics& now) {
  const double waiting = now.seconds_waiting - before_.seconds_waiting;
  const double pulling = now.seconds_pulling - before_.seconds_pulling;
  const double pushing = now.seconds_pushing - before_.seconds_pushing;
  before_ = now;
  wait_seconds_.Increment(std::max(waiting, 0.0));
  pull_seconds_.Increment(std::max(pulling, 0.0));
  push_seconds_.Increment(std::max(pushing, 0.0));
  compute_seconds_.Increment(std::max(seconds - waiting - pulling - pushing, 0.0));
}

void WorkerMetrics::device(const DeviceStatistics& now) {
  const auto advance = [](prometheus::Counter& counter, double to) {
    counter.Increment(std::max(to - counter.Value(), 0.0));
  };
  device_memory_bytes_.Set(static_cast<double>(now.memory_bytes));
  device_memory_limit_bytes_.Set(static_cast<double>(now.memory_limit_bytes));
  device_peak_.Set(now.peak_flop_per_second);
  advance(device_busy_seconds_, now.busy_seconds);
  advance(device_copy_seconds_, now.copy_seconds);
  advance(device_flop_, now.flop);
}

void WorkerMetrics::loop_turn(double seconds) { step_latency_.Observe(seconds); }

}  // namespace ballast
