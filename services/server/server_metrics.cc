#include "services/server/server_metrics.h"

#include <string>

namespace ballast {
namespace {

prometheus::Counter& counter(prometheus::Registry& registry, const std::string& name,
                             const std::string& help, const prometheus::Labels& labels = {}) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(registry).Add(labels);
}

prometheus::Gauge& gauge(prometheus::Registry& registry, const std::string& name,
                         const std::string& help) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(registry).Add({});
}

prometheus::Histogram& histogram(prometheus::Registry& registry, const std::string& name,
                                 const std::string& help) {
  return prometheus::BuildHistogram().Name(name).Help(help).Register(registry).Add(
      {}, prometheus::Histogram::BucketBoundaries{0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1,
                                                  0.3, 1, 3, 10});
}

void raise_to(prometheus::Counter& counter, uint64_t total) {
  const double behind = static_cast<double>(total) - counter.Value();
  if (behind > 0) counter.Increment(behind);
}

}  // namespace

ServerMetrics::ServerMetrics()
    : registry_(std::make_shared<prometheus::Registry>()),
      steps(counter(*registry_, "ballast_steps_total",
                    "Steps that this process committed as coordinator.")),
      skipped_steps(
          counter(*registry_, "ballast_skipped_steps_total",
                  "Committed steps that changed nothing because a gradient was not finite.")),
      tokens(counter(*registry_, "ballast_tokens_total", "Tokens of the committed steps.")),
      step(gauge(*registry_, "ballast_step",
                 "Steps committed in all, as the coordinator counts them.")),
      target_steps(gauge(*registry_, "ballast_target_steps", "Steps that the job is to have.")),
      loss(gauge(*registry_, "ballast_training_loss",
                 "Mean loss of the last committed step, in nats.")),
      validation_loss(gauge(*registry_, "ballast_validation_loss",
                            "Mean loss of the last evaluation, in nats; 0 before the first.")),
      learning_rate(
          gauge(*registry_, "ballast_learning_rate", "Learning rate of the last committed step.")),
      gradient_norm(gauge(*registry_, "ballast_gradient_norm",
                          "Global norm of the last committed step's gradient, before clipping.")),
      term(gauge(*registry_, "ballast_term", "The highest term this process has promised.")),
      coordinator(
          gauge(*registry_, "ballast_coordinator", "1 where this process coordinates the job.")),
      degraded(gauge(*registry_, "ballast_degraded",
                     "1 while a segment or the last commit has fewer replicas than it should, as "
                     "the coordinator "
                     "knows it.")),
      segments(gauge(*registry_, "ballast_segments", "Segments this process holds.")),
      primary_segments(gauge(*registry_, "ballast_primary_segments",
                             "Segments that this process is primary of.")),
      buffers(gauge(*registry_, "ballast_gradient_buffers",
                    "Gradient buffers: waiting tree nodes and roots.")),
      store_bytes(
          gauge(*registry_, "ballast_store_bytes", "Memory reserved for segments and buffers.")),
      inbox(gauge(*registry_, "ballast_inbox_events", "Events that wait for the event loop.")),
      certificate_ends(gauge(*registry_, "ballast_certificate_end_timestamp_seconds",
                             "When the certificate of this process ends; 0 where it has none.")),
      busy_seconds(
          counter(*registry_, "ballast_busy_seconds_total",
                  "Time in which the event loop or the optimizer had work; its rate is the load.")),
      refused_facts(counter(*registry_, "ballast_refused_requests_total",
                            "Messages that the server or the coordinator refused.")),
      push_seconds(histogram(*registry_, "ballast_push_handling_seconds",
                             "Time from a push's arrival until its answer is handed over.")),
      pull_seconds(histogram(*registry_, "ballast_pull_handling_seconds",
                             "Time from a pull's arrival until its answer is handed over.")),
      apply_seconds(
          histogram(*registry_, "ballast_apply_seconds", "Time of the optimizer for one segment.")),
      bytes_in_(counter(*registry_, "ballast_transport_received_bytes_total",
                        "Bytes of messages received.")),
      bytes_out_(
          counter(*registry_, "ballast_transport_sent_bytes_total", "Bytes of messages sent.")),
      messages_in_(
          counter(*registry_, "ballast_transport_received_messages_total", "Messages received.")),
      messages_out_(counter(*registry_, "ballast_transport_sent_messages_total", "Messages sent.")),
      refused_peers_(counter(*registry_, "ballast_transport_refused_peers_total",
                             "Sessions that were refused at their Hello.")),
      refused_messages_(
          counter(*registry_, "ballast_transport_refused_messages_total",
                  "Malformed messages, and messages their sender's role may not send.")),
      misdirected_(counter(*registry_, "ballast_transport_misdirected_messages_total",
                           "Messages for another incarnation.")),
      dropped_(counter(*registry_, "ballast_transport_dropped_messages_total",
                       "Messages not sent, for want of a session or of room in its queue.")),
      queued_bytes_(
          gauge(*registry_, "ballast_transport_queued_bytes", "Bytes that wait to be sent.")),
      sessions_(gauge(*registry_, "ballast_transport_sessions", "Peers with a session.")) {}

void ServerMetrics::transport(const TransportCounters& counters) {
  raise_to(bytes_in_, counters.bytes_in);
  raise_to(bytes_out_, counters.bytes_out);
  raise_to(messages_in_, counters.messages_in);
  raise_to(messages_out_, counters.messages_out);
  raise_to(refused_peers_, counters.refused_peers);
  raise_to(refused_messages_, counters.refused_messages);
  raise_to(misdirected_, counters.misdirected);
  raise_to(dropped_, counters.dropped_sends);
  queued_bytes_.Set(static_cast<double>(counters.queued_bytes));
  sessions_.Set(static_cast<double>(counters.sessions));
}

void ServerMetrics::store(const TensorStore& store) {
  segments.Set(static_cast<double>(store.held_segments()));
  buffers.Set(static_cast<double>(store.buffers()));
  store_bytes.Set(static_cast<double>(store.reserved_bytes()));
}

}  // namespace ballast
