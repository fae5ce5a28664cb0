// What a ballast-worker exposes beside the process metrics; names and meanings in docs/metrics.md.
// It also listens to the client's transfers. Thread rule: prometheus-cpp's metrics may be changed
// and read on any thread; loop_turn() by one.
#pragma once

#include <memory>
#include <string_view>

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include "common/log.h"
#include "services/client/client.h"
#include "services/engine/model.h"

namespace ballast {

class WorkerMetrics : public ClientObserver {
 public:
  explicit WorkerMetrics(Logger log);
  std::shared_ptr<prometheus::Registry> registry() const { return registry_; }

  void pushed(double seconds, uint64_t bytes) override;
  void pulled(double seconds, uint64_t bytes) override;
  void fact(std::string_view message, std::string_view detail) override;
  void certificate(const CertificateNews& news) override;

  // Of the text, while this worker tokenizes it.
  void tokenized(uint64_t bytes, uint64_t of_bytes);
  void memory(const ClientPlan& client, const MemoryBytes& engine);
  // The training loop went on for `seconds`; what the client did not spend was computing. Told with
  // each microbatch, so that the two can be compared at any moment, however long a step takes.
  void spent(double seconds, const ClientStatistics& statistics);
  void loop_turn(double seconds);  // a whole step
  // What a device holds, and has done since the start.
  void device(const DeviceStatistics& now);

 private:
  Logger log_;
  std::shared_ptr<prometheus::Registry> registry_;

 public:
  prometheus::Gauge& joined;
  prometheus::Gauge& step;
  prometheus::Gauge& assigned_microbatches;
  prometheus::Counter& works;
  prometheus::Counter& microbatches;
  prometheus::Counter& abandoned_microbatches;
  prometheus::Counter& tokens;
  prometheus::Counter& evaluation_tokens;

 private:
  prometheus::Family<prometheus::Counter>& seconds_;
  prometheus::Counter& compute_seconds_;
  prometheus::Counter& push_seconds_;
  prometheus::Counter& pull_seconds_;
  prometheus::Counter& wait_seconds_;
  prometheus::Counter& pushed_bytes_;
  prometheus::Counter& pulled_bytes_;
  prometheus::Histogram& push_latency_;
  prometheus::Histogram& pull_latency_;
  prometheus::Histogram& step_latency_;
  prometheus::Family<prometheus::Gauge>& plan_bytes_;
  prometheus::Gauge& text_bytes_;
  prometheus::Gauge& tokenized_text_bytes_;
  prometheus::Gauge& certificate_ends_;
  prometheus::Gauge& device_memory_bytes_;
  prometheus::Gauge& device_memory_limit_bytes_;
  prometheus::Gauge& device_peak_;
  prometheus::Counter& device_busy_seconds_;
  prometheus::Counter& device_copy_seconds_;
  prometheus::Counter& device_flop_;
  ClientStatistics before_;
};

}  // namespace ballast
