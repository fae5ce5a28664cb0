#include "tests/bench_transport/data_plane.h"

#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <thread>

#include "common/check.h"
#include "common/random_id.h"
#include "services/server/compute_thread.h"
#include "services/server/tensor_store.h"
#include "services/transport/grpc_transport.h"

namespace ballast::bench {
namespace {

constexpr uint32_t kCredits = 8;

Hello hello(const std::string& name, Role role) {
  return {.from = {.name = name, .incarnation = random_id()},
          .protocol = kProtocolVersion,
          .build = "bench",
          .job_uid = "bench",
          .role = role,
          .process_id = ::getpid(),
          .address = {},
          .session = 0};
}

JobIdentity identity_of(const Shape& shape) {
  JobIdentity identity;
  identity.layout = make_layout({{.name = "all",
                                  .shape = {shape.elements},
                                  .group = ParameterGroup::kDecay,
                                  .offset = 0,
                                  .elements = 0}})
                        .value();
  return identity;
}

ReceivedPayload zeros(uint32_t elements) {
  auto owner = std::make_shared<std::vector<float>>(elements);
  return {.pieces = {std::as_bytes(std::span(*owner))}, .owner = owner};
}

// Answers one worker.
class BenchServer {
 public:
  BenchServer(std::unique_ptr<Transport> transport, const Shape& shape)
      : shape_(shape), transport_(std::move(transport)), compute_([this] { transport_->wake(); }) {
    TrainingSettings training;
    training.segment_elements = shape.segment_elements;
    store_.configure(identity_of(shape), training);
    for (SegmentId segment = 0; segment < store_.segments().count(); ++segment) {
      store_.initialise(segment, zeros(store_.segments().size(segment)));
    }
  }
  void run() {
    for (;;) {
      for (const TransportEvent& event : transport_->poll(100)) {
        if (const auto* arrived = std::get_if<Arrived>(&event)) handle(*arrived);
      }
      compute_.run_finished();
    }
  }

 private:
  void handle(const Arrived& arrived) {
    const ProcessId& from = arrived.envelope.from;
    if (const auto* push = std::get_if<Push>(&arrived.envelope.message)) {
      store_.release(push->segment + 1);
      store_.store_payload(push->segment + 1, push->segment, arrived.payload);
      transport_->send(from, PushAck{.term = 1,
                                     .step = push->step,
                                     .node = 1,
                                     .segment = push->segment,
                                     .status = DataStatus::kOk,
                                     .map = {},
                                     .version = 0});
    }
    if (const auto* pull = std::get_if<Pull>(&arrived.envelope.message)) {
      if (shape_.optimizer && version_ < pull->version) apply_all(pull->version);
      const auto busy = applying_.find(pull->segment);
      if (busy != applying_.end()) {
        busy->second.emplace_back(from, *pull);
      } else {
        answer(from, *pull);
      }
    }
  }
  void answer(const ProcessId& to, const Pull& pull) {
    transport_->send(to,
                     PullReply{.term = 1,
                               .segment = pull.segment,
                               .version = pull.version,
                               .status = DataStatus::kOk,
                               .map = {},
                               .now = 0},
                     store_.payload(FromParameters{pull.segment}));
  }
  // As the commit of a step: every segment, in ascending order.
  void apply_all(Step version) {
    version_ = version;
    Record record;
    record.scale = 1e-3f;
    record.learning_rate = 1e-3f;
    record.bias_correction1 = 0.5f;
    record.bias_correction2 = 0.5f;
    for (SegmentId segment = 0; segment < store_.segments().count(); ++segment) {
      applying_[segment];
      compute_.submit(store_.apply({.segment = segment, .root = segment + 1, .record = record}),
                      [this, segment] {
                        const auto done = applying_.extract(segment);
                        for (const auto& [to, pull] : done.mapped()) {
                          answer(to, pull);
                        }
                      });
    }
  }

  Shape shape_;
  std::unique_ptr<Transport> transport_;
  TensorStore store_;
  Step version_ = 0;
  std::map<SegmentId, std::vector<std::pair<ProcessId, Pull>>> applying_;
  ComputeThread compute_;
};

double seconds(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

void serve_data_plane(const std::string& listen, const Security& security, const Shape& shape) {
  auto transport = make_grpc_transport({.self = hello("ps-0", Role::kServer),
                                        .listen = listen,
                                        .advertise = {},
                                        .security = security,
                                        .limits = {}});
  CHECK(transport.has_value());
  const std::string address = (*transport)->address();
  BenchServer server(std::move(*transport), shape);
  std::printf("%s\n", address.c_str());
  std::fflush(stdout);
  const std::jthread ends_with_parent([] {
    char byte;
    while (::read(0, &byte, 1) > 0) {
    }
    std::_Exit(0);
  });
  server.run();
}

DataPlaneClient::DataPlaneClient(const std::string& address, const Security& security,
                                 const Shape& shape)
    : shape_(shape),
      gradient_(std::make_shared<std::vector<float>>(shape.elements, 0.5f)),
      arena_(shape.elements) {
  transport_ = make_grpc_transport({.self = hello("worker-0", Role::kWorker),
                                    .listen = {},
                                    .advertise = {},
                                    .security = security,
                                    .limits = {}})
                   .value();
  transport_->connect(address);
  while (server_.name.empty()) {
    for (const TransportEvent& event : transport_->poll(100)) {
      if (const auto* up = std::get_if<PeerUp>(&event)) server_ = up->peer.from;
    }
  }
}

double DataPlaneClient::push_seconds() {
  const Segments segments{shape_.elements, shape_.segment_elements};
  const auto start = std::chrono::steady_clock::now();
  SegmentId sent = 0;
  SegmentId acknowledged = 0;
  while (acknowledged < segments.count()) {
    for (; sent < segments.count() && sent - acknowledged < kCredits; ++sent) {
      transport_->send(
          server_,
          Push{.term = 1,
               .origin = 1,
               .map = {},
               .step = step_,
               .node = 1,
               .segment = sent,
               .sum = {}},
          {.values = std::span(*gradient_).subspan(segments.begin(sent), segments.size(sent)),
           .owner = gradient_});
    }
    for (const TransportEvent& event : transport_->poll(1000)) {
      if (const auto* arrived = std::get_if<Arrived>(&event)) {
        acknowledged += std::holds_alternative<PushAck>(arrived->envelope.message) ? 1 : 0;
      }
    }
  }
  return seconds(start);
}

double DataPlaneClient::pull_seconds() {
  const Segments segments{shape_.elements, shape_.segment_elements};
  const auto start = std::chrono::steady_clock::now();
  ++step_;
  SegmentId asked = 0;
  SegmentId received = 0;
  while (received < segments.count()) {
    for (; asked < segments.count() && asked - received < kCredits; ++asked) {
      transport_->send(server_,
                       Pull{.term = 1, .origin = 1, .map = {}, .version = step_, .segment = asked});
    }
    for (const TransportEvent& event : transport_->poll(1000)) {
      const auto* arrived = std::get_if<Arrived>(&event);
      if (arrived == nullptr) continue;
      const auto& reply = std::get<PullReply>(arrived->envelope.message);
      copy_payload(
          std::span(arena_).subspan(segments.begin(reply.segment), segments.size(reply.segment)),
          arrived->payload, copy_kind(shape_.elements));
      ++received;
    }
  }
  return seconds(start);
}

}  // namespace ballast::bench
