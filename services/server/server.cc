#include "services/server/server.h"

#include <algorithm>
#include <chrono>
#include <functional>
#include <memory>
#include <utility>

#include <fmt/format.h>

#include "services/core/coordinator_state.h"
#include "services/core/server_state.h"
#include "services/server/checkpoint_effects.h"

namespace ballast {
namespace {

constexpr TimeMs kTickMs = 20;
constexpr TimeMs kMetricsMs = 250;

template <typename... Ts>
struct Overloaded : Ts... {
  using Ts::operator()...;
};
template <typename... Ts>
Overloaded(Ts...) -> Overloaded<Ts...>;  // clang 14 does not deduce it

TimeMs now_us() {
  return std::chrono::duration_cast<std::chrono::microseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}
TimeMs now_ms() { return now_us() / 1000; }

double seconds_since(TimeMs start_us) { return static_cast<double>(now_us() - start_us) * 1e-6; }

// The segment whose size a message's payload must have; nullopt: it has no payload.
std::optional<SegmentId> payload_segment(const Message& message) {
  if (const auto* push = std::get_if<Push>(&message)) return push->segment;
  if (const auto* initial = std::get_if<PushInitial>(&message)) return initial->segment;
  if (const auto* root = std::get_if<Root>(&message)) return root->segment;
  if (const auto* copy = std::get_if<Copy>(&message)) return copy->segment;
  return std::nullopt;
}

int64_t primaries_of(const ServerState& state) {
  const auto self = state.map.index_of(state.self);
  return !self ? 0
               : std::count_if(
                     state.map.segments.begin(), state.map.segments.end(),
                     [&](const Placement& placement) { return placement.primary == *self; });
}

}  // namespace

Server::Server(ServerConfig config, std::unique_ptr<Transport> transport, Logger log)
    : config_(std::move(config)),
      transport_(std::move(transport)),
      log_(std::move(log)),
      server_(config_.self, config_.server),
      disk_([this] { transport_->wake(); }),
      requests_([this] { transport_->wake(); }),
      compute_([this] { transport_->wake(); }) {}

void Server::stop() {
  stopping_.store(true);
  transport_->wake();
}

void Server::run() {
  ready_.store(true);
  while (!stopping_.load()) {
    const TimeMs start_us = now_us();
    const TimeMs start_ms = start_us / 1000;
    last_turn_ms_.store(start_ms);
    busy_.begin(start_us);
    if (start_ms >= next_tick_ms_) {
      next_tick_ms_ = start_ms + kTickMs;
      inbox_.push_back({.event = Tick{}, .payload = {}, .arrived_us = start_us});
    }
    while (!inbox_.empty() && !stopping_.load()) {
      const Item item = std::move(inbox_.front());
      inbox_.pop_front();
      handle(item);
    }
    if (start_ms >= next_metrics_ms_) {
      next_metrics_ms_ = start_ms + kMetricsMs;
      metrics_.transport(transport_->counters());
      metrics_.store(store_);
      metrics_.term.Set(static_cast<double>(server_.state().promised));
      metrics_.primary_segments.Set(static_cast<double>(primaries_of(server_.state())));
    }
    const TimeMs end_us = now_us();
    busy_.end(end_us);
    metrics_.busy_seconds.Increment(busy_.take_seconds(end_us));
    const TimeMs patience_ms = std::max<TimeMs>(0, next_tick_ms_ - now_ms());
    for (TransportEvent& event : transport_->poll(patience_ms)) take(std::move(event));
    compute_.run_finished();
    disk_.run_finished();
    for (const auto& [to, answer] : requests_.take_answers()) transport_->send(to, answer);
    metrics_.inbox.Set(static_cast<double>(inbox_.size()));
  }
  ready_.store(false);
}

void Server::take(TransportEvent event) {
  std::visit(
      Overloaded{[&](Arrived& arrived) {
                   learn(arrived.envelope.message);
                   inbox_.push_back({.event = Received{std::move(arrived.envelope)},
                                     .payload = std::move(arrived.payload),
                                     .arrived_us = now_us()});
                 },
                 [&](PeerUp& up) {
                   log_.info("peer connected",
                             {{"peer", up.peer.from.name}, {"role", to_string(up.peer.role)}});
                   if (!up.peer.address.empty()) transport_->learn(up.peer.from, up.peer.address);
                 },
                 [&](PeerDown& down) {
                   log_.info("peer lost", {{"peer", down.peer.name}, {"reason", down.reason}});
                   // Whoever took us out of the job says so when it is called again.
                   if (members_.contains(down.peer)) {
                     const ServerState& state = server_.state();
                     transport_->send(down.peer, MapAck{state.promised, state.map.version});
                   }
                   inbox_.push_back(
                       {.event = PeerLost{down.peer}, .payload = {}, .arrived_us = now_us()});
                 },
                 [&](PeerRefused& refused) {
                   log_.warning("peer refused",
                                {{"address", refused.address}, {"reason", refused.reason}});
                   if (refused.expelled) {
                     expelled_ = true;
                     stop();
                   }
                 },
                 [&](CertificateNews& news) {
                   log_certificate(log_, news);
                   if (news.ends_ms > 0) {
                     metrics_.certificate_ends.Set(static_cast<double>(news.ends_ms) / 1000);
                   }
                 }},
      event);
}

// Messages tell where servers listen.
void Server::learn(const Message& message) {
  const auto learn_all = [&](const std::vector<Member>& members) {
    for (const Member& member : members) {
      if (!member.address.empty() && member.id != config_.self) {
        transport_->learn(member.id, member.address);
      }
    }
  };
  if (const auto* appoint = std::get_if<Appoint>(&message)) learn_all(appoint->members.members);
  if (const auto* changed = std::get_if<MembersChanged>(&message))
    learn_all(changed->members.members);
  if (const auto* update = std::get_if<MapUpdate>(&message)) learn_all(update->map.servers);
}

// Who coordinates knows the members, everybody else those of the map.
void Server::expel_removed() {
  std::set<ProcessId> members;
  if (coordinator_ && !coordinator_->state().retired) {
    for (const auto& [id, server] : coordinator_->state().servers) members.insert(id);
  } else {
    for (const Member& server : server_.state().map.servers) members.insert(server.id);
  }
  for (const ProcessId& id : members_) {
    if (members.contains(id) || id == config_.self) continue;
    log_.info("member", {{"peer", id.name}, {"change", "expelled"}});
    transport_->expel(id);
  }
  members_ = std::move(members);
}

bool Server::payload_fits(const Message& message, const ReceivedPayload& payload) const {
  const std::optional<SegmentId> segment = payload_segment(message);
  if (!segment) return payload.pieces.empty();
  const std::optional<uint32_t> elements = server_.payload_elements(*segment);
  // Before it is configured the machine answers without touching the payload.
  return !elements ? !server_.state().configured
                   : payload.bytes() == size_t{*elements} * sizeof(float);
}

void Server::handle(const Item& item) {
  const TimeMs now = now_ms();
  const auto* received = std::get_if<Received>(&item.event);
  if (received != nullptr) {
    const Message& message = received->envelope.message;
    if (!payload_fits(message, item.payload)) {
      metrics_.refused_facts.Increment();
      log_.warning("payload of another size than the segment",
                   {{"peer", received->envelope.from.name},
                    {"message", message_name(message)},
                    {"bytes", item.payload.bytes()}});
      return;
    }
    if (std::holds_alternative<Appoint>(message)) return on_appoint(received->envelope);
    if (is_checkpoint_request(message)) return on_request(received->envelope);
  }
  if (coordinator_) perform(coordinator_->step(item.event, now), item);
  perform(server_.step(item.event, now), item);
  if (received != nullptr && (std::holds_alternative<MembersChanged>(received->envelope.message) ||
                              std::holds_alternative<MapUpdate>(received->envelope.message))) {
    expel_removed();
  }
}

void Server::on_appoint(const Envelope& envelope) {
  const Appoint& appoint = std::get<Appoint>(envelope.message);
  if (!server_.accept_appointment(appoint)) {
    log_.info("appointment known or refused",
              {{"term", appoint.term}, {"promised", server_.state().promised}});
    if (coordinator_) perform(coordinator_->step(Received{envelope}, now_ms()), {});
    expel_removed();
    return;
  }
  log_.info("appointed coordinator",
            {{"term", appoint.term}, {"members", appoint.members.members.size()}});
  metrics_.coordinator.Set(1);
  coordinator_.emplace(config_.self, envelope.from, appoint, config_.coordinator);
  perform(coordinator_->start(now_ms()), {});
  expel_removed();
}

// Whoever asks in a term that is over will hear of it, and ask in the one in force.
void Server::on_request(const Envelope& envelope) {
  const ServerState& state = server_.state();
  const auto taken = requests_.take(
      envelope,
      {state.promised, state.configured ? state.training.checkpoint_path : std::string()});
  if (taken) return;
  metrics_.refused_facts.Increment();
  log_.warning("a request is not taken",
               {{"message", message_name(envelope.message)}, {"error", taken.error()}});
}

// What one replica of the whole model takes; this server holds its share of it.
void Server::log_plan(const Configure& effect) const {
  const OptimizerInfo& info = optimizer_info(effect.training.optimizer.kind);
  const uint64_t elements = effect.identity.layout.elements;
  log_.info("memory plan", {{"optimizer", info.name},
                            {"bytes_per_parameter", info.bytes_per_parameter()},
                            {"replica_bytes", elements * info.bytes_per_parameter()},
                            {"tree_node_bytes", elements * sizeof(float)}});
}

void Server::push_event(Event event) {
  inbox_.push_back({.event = std::move(event), .payload = {}, .arrived_us = now_us()});
}

// Values that the optimizer has in hand are sent when it is done with them.
void Server::send(const Send& effect) {
  std::optional<SegmentId> segment;
  if (const auto* from = std::get_if<FromParameters>(&effect.payload)) segment = from->segment;
  if (const auto* from = std::get_if<FromState>(&effect.payload)) segment = from->segment;
  const auto busy = segment ? applying_.find(*segment) : applying_.end();
  if (busy != applying_.end()) {
    busy->second.push_back(effect);
  } else {
    transmit(effect);
  }
}

void Server::transmit(const Send& effect) {
  if (effect.to == config_.self) {
    push_event(Received{{config_.self, config_.self, effect.message}});
  } else {
    transport_->send(effect.to, effect.message, store_.payload(effect.payload));
  }
}

void Server::compute(std::function<void()> work, std::function<void()> then) {
  compute_.submit(
      [this, work = std::move(work)] {
        const BusyTime::Work busy(busy_);
        work();
      },
      std::move(then));
}

void Server::apply(const Apply& effect) {
  finish_segment(effect.segment);
  std::function<void()> task = store_.apply(effect);
  if (!task) return;
  applying_[effect.segment];
  compute(
      [this, task = std::move(task)] {
        const TimeMs start_us = now_us();
        task();
        metrics_.apply_seconds.Observe(seconds_since(start_us));
      },
      [this, effect] {
        applied(effect);
        const auto done = applying_.extract(effect.segment);
        for (const Send& waiting : done.mapped()) transmit(waiting);
      });
}

void Server::applied(const Apply& effect) {
  if (config_.flip_at_step != effect.record.step) return;
  config_.flip_at_step.reset();
  store_.flip_bit(effect.segment);
  log_.warning("a bit was flipped", {{"segment", effect.segment}, {"step", effect.record.step}});
}

void Server::summarise(const Summarise& effect) {
  auto answer = std::make_shared<Summarised>(
      Summarised{.segment = effect.segment, .step = effect.step, .buffer = effect.buffer});
  compute(
      [answer, task = store_.summarise(effect.buffer),
       checksum = effect.checksum ? store_.checksum(effect.segment) : nullptr] {
        const Summary summary = task();
        answer->sum_squares = summary.sum_squares;
        answer->finite = summary.finite;
        if (checksum) answer->checksum = checksum();
      },
      [this, answer] { push_event(*answer); });
}

// The values are captured now; the optimizer may still be at work on them, so the writing begins
// after all that it has in hand.
void Server::save_part(const SaveCheckpointPart& effect) {
  auto part = std::make_shared<CapturedPart>(
      capture_part(effect, config_.job_uid, config_.self.name, store_));
  compute_.submit([] {},
                  [this, part] {
                    on_disk<CheckpointWrittenLocally>(
                        [part] { return CheckpointWrittenLocally{write_part(*part)}; });
                  });
}

void Server::open(const OpenCheckpoint& effect) {
  auto opened = std::make_shared<OpenedCheckpoint>();
  disk_.submit([opened, effect] { *opened = open_checkpoint(effect); },
               [this, opened] {
                 opened_ = opened->checkpoint;
                 push_event(opened->event);
               });
}

void Server::restore(const RestoreSegments& effect) {
  compute_.finish_all();
  if (opened_ != nullptr) restore_segments(effect, *opened_, store_);
  opened_.reset();
}

void Server::finish_segment(SegmentId segment) {
  if (applying_.contains(segment)) compute_.finish_all();
}

void Server::record_fact(const FactCommitted& fact) {
  const Record& record = fact.record;
  metrics_.steps.Increment();
  if (!record.apply) metrics_.skipped_steps.Increment();
  metrics_.tokens.Increment(static_cast<double>(record.training.tokens));
  metrics_.step.Set(static_cast<double>(record.step + 1));
  if (record.training.tokens > 0) {
    metrics_.loss.Set(record.training.loss / static_cast<double>(record.training.tokens));
  }
  if (record.evaluation && record.evaluation->tokens > 0) {
    metrics_.validation_loss.Set(record.evaluation->loss /
                                 static_cast<double>(record.evaluation->tokens));
  }
  metrics_.learning_rate.Set(static_cast<double>(record.learning_rate));
  metrics_.gradient_norm.Set(record.gradient_norm);
  if (coordinator_) {
    metrics_.target_steps.Set(static_cast<double>(coordinator_->state().training().steps));
  }
}

void Server::perform(const Effects& effects, const Item& item) {
  for (const Effect& effect : effects) {
    std::visit(
        Overloaded{
            [&](const Send& e) {
              send(e);
              if (std::holds_alternative<PushAck>(e.message)) {
                metrics_.push_seconds.Observe(seconds_since(item.arrived_us));
              } else if (std::holds_alternative<PullReply>(e.message)) {
                metrics_.pull_seconds.Observe(seconds_since(item.arrived_us));
              } else if (const auto* progress = std::get_if<Progress>(&e.message)) {
                metrics_.degraded.Set(progress->degraded ? 1 : 0);
              }
            },
            [&](const Configure& e) {
              compute_.finish_all();
              store_.configure(e.identity, e.training);
              log_plan(e);
            },
            [&](const StorePayload& e) { store_.store_payload(e.buffer, e.segment, item.payload); },
            [&](const AddPayload& e) { store_.add_payload(e.buffer, item.payload); },
            [&](const AddBuffer& e) { store_.add_buffer(e.into, e.from); },
            [&](const Release& e) { store_.release(e.buffer); },
            [&](const Summarise& e) { summarise(e); },
            [&](const InitialiseSegment& e) {
              finish_segment(e.segment);
              store_.initialise(e.segment, item.payload);
            },
            [&](const Apply& e) { apply(e); },
            [&](const StoreCopyPart& e) {
              finish_segment(e.segment);
              store_.store_copy_part(e.segment, e.part, item.payload);
            },
            [&](const DropSegment& e) {
              finish_segment(e.segment);
              store_.drop(e.segment);
            },
            [&](const OpenCheckpoint& e) { open(e); },
            [&](const RestoreSegments& e) { restore(e); },
            [&](const SaveCheckpointPart& e) { save_part(e); },
            [&](const SaveManifest& e) {
              on_disk<ManifestWritten>(
                  [e, uid = config_.job_uid] { return save_manifest(e, uid); });
            },
            [&](const ReadManifest& e) {
              on_disk<ManifestRead>([e] { return read_manifest_for(e); });
            },
            [&](const FactCommitted& e) { record_fact(e); },
            [&](const FactPhase& e) {
              log_.info("phase", {{"phase", static_cast<int>(e.phase)}, {"reason", e.reason}});
            },
            [&](const FactRefused& e) {
              metrics_.refused_facts.Increment();
              log_.warning("refused", {{"peer", e.from.name}, {"what", e.what}});
            },
            [&](const FactMember& e) {
              log_.info("member", {{"peer", e.id.name}, {"change", e.change}});
            },
            // Effects of a worker never come from these machines.
            [](const BeginWork&) {}, [](const AcceptParameters&) {}, [](const Discard&) {},
            [](const MakeInitial&) {}, [](const WorkerEnd&) {}},
        effect);
  }
}

}  // namespace ballast
