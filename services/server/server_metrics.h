// What a ballast-ps exposes beside the process metrics; names and meanings in docs/metrics.md.
// Thread rule: prometheus-cpp's metrics may be changed and read on any thread.
#pragma once

#include <memory>

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include "services/server/tensor_store.h"
#include "services/transport/transport.h"

namespace ballast {

class ServerMetrics {
 public:
  ServerMetrics();
  std::shared_ptr<prometheus::Registry> registry() const { return registry_; }

  void transport(const TransportCounters& counters);  // sets the totals
  void store(const TensorStore& store);

 private:
  std::shared_ptr<prometheus::Registry> registry_;

 public:
  prometheus::Counter& steps;  // committed, by the coordinator of this process
  prometheus::Counter& skipped_steps;
  prometheus::Counter& tokens;
  prometheus::Gauge& step;
  prometheus::Gauge& target_steps;
  prometheus::Gauge& loss;
  prometheus::Gauge& validation_loss;
  prometheus::Gauge& learning_rate;
  prometheus::Gauge& gradient_norm;
  prometheus::Gauge& term;
  prometheus::Gauge& coordinator;  // 1: this process coordinates
  prometheus::Gauge& degraded;
  prometheus::Gauge& segments;
  prometheus::Gauge& primary_segments;
  prometheus::Gauge& buffers;
  prometheus::Gauge& store_bytes;
  prometheus::Gauge& inbox;
  prometheus::Gauge& certificate_ends;
  prometheus::Counter& busy_seconds;  // the loop or the optimizer had work: the load
  prometheus::Counter& refused_facts;
  prometheus::Histogram& push_seconds;  // arrival until the answer is handed over
  prometheus::Histogram& pull_seconds;
  prometheus::Histogram& apply_seconds;

 private:
  prometheus::Counter& bytes_in_;
  prometheus::Counter& bytes_out_;
  prometheus::Counter& messages_in_;
  prometheus::Counter& messages_out_;
  prometheus::Counter& refused_peers_;
  prometheus::Counter& refused_messages_;
  prometheus::Counter& misdirected_;
  prometheus::Counter& dropped_;
  prometheus::Gauge& queued_bytes_;
  prometheus::Gauge& sessions_;
};

}  // namespace ballast
