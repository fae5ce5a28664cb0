// What ballast-operator exposes beside the process metrics: names of controller-runtime and
// client-go where the meaning is theirs, so that their dashboards and alerts work here; all in
// docs/metrics.md. Any thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include <prometheus/collectable.h>
#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

namespace ballast::cluster {

// How a turn of a job ended, in controller-runtime's words.
enum class TurnResult { kSuccess, kRequeueAfter, kError };

class OperatorMetrics {
 public:
  // `host`: of the one API server; the label has no other value.
  explicit OperatorMetrics(std::string host);
  std::shared_ptr<prometheus::Registry> registry() const { return registry_; }

  // A request to the API server; status 0: there was no answer. A stream has no time.
  void request(const std::string& method, int status, std::optional<double> seconds);
  void turn(TurnResult result, double seconds);
  void watch_interrupted(const std::string& kind);

 private:
  const std::string host_;
  const std::shared_ptr<prometheus::Registry> registry_;
  prometheus::Family<prometheus::Counter>& requests_;
  prometheus::Family<prometheus::Histogram>& request_seconds_;
  prometheus::Family<prometheus::Counter>& watch_interruptions_;
  std::map<TurnResult, prometheus::Counter*> turns_;  // constant

 public:
  prometheus::Counter& turn_errors;
  prometheus::Histogram& turn_seconds;
  prometheus::Gauge& active_workers;
  prometheus::Gauge& max_workers;
  prometheus::Gauge& queue_depth;
  prometheus::Counter& queue_adds;
  prometheus::Counter& queue_retries;
  prometheus::Histogram& queue_seconds;  // from being added until the work begins
  prometheus::Histogram& work_seconds;
  prometheus::Gauge& leads;
};

// Gauges whose values are counted when somebody reads them: one for each value of one label.
struct CountsByLabel {
  std::string name;
  std::string help;
  std::string label;
  std::function<std::map<std::string, int64_t>()> count;
};
std::shared_ptr<prometheus::Collectable> counted_gauge(CountsByLabel counts);

}  // namespace ballast::cluster
