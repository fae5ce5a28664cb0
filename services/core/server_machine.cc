#include "services/core/server_machine.h"

#include "services/core/server_state.h"
#include "services/core/server_steps.h"

namespace ballast {
namespace server {
namespace {

void tick_replica(Run& run, SegmentId segment, Replica& replica) {
  const bool in_sync =
      replica.role == ReplicaRole::kPrimary || replica.role == ReplicaRole::kBackup;
  if (in_sync && replica.summarised && due(run, replica.prepared_sent)) {
    send_prepared(run, segment, replica);
  }
  if (replica.role == ReplicaRole::kJoining && replica.filled &&
      run.due(replica.caught_up_sent_ms)) {
    send_caught_up(run, segment, replica);
  }
  if (replica.role != ReplicaRole::kPrimary) {
    return;
  }
  for (ReplicaPeer& peer : replica.peers) {
    if (replica.root != 0 && being_followed(replica, peer) && !peer.root_acked &&
        due(run, peer.id, peer.root_sent)) {
      send_root(run, segment, replica, peer);
    }
    const bool initialising = replica.filled && replica.version == 0 && run.state.records.empty();
    if (initialising && !peer.joining && !peer.initial_acked &&
        due(run, peer.id, peer.initial_sent)) {
      send_initial(run, segment, peer);
    }
    if (peer.copying && due(run, peer.id, peer.copy_sent)) {
      copy_again(run, segment, replica, peer);
    }
  }
}

struct Dispatch {
  Run& run;
  const ProcessId& from;
  void operator()(const Seal& m) { on_seal(run, from, m); }
  void operator()(const MapUpdate& m) { on_map_update(run, from, m); }
  void operator()(const OfferRecord& m) { on_offer_record(run, from, m); }
  void operator()(const Commit& m) { on_commit(run, from, m); }
  void operator()(const WriteCheckpoint& m) { on_write_checkpoint(run, from, m); }
  void operator()(const PlanChanged& m) { run.state.plan = std::max(run.state.plan, m.plan); }
  void operator()(const Join&) { redirect(run, from); }
  void operator()(const WorkerHeartbeat&) { redirect(run, from); }
  void operator()(const Push& m) { on_push(run, from, m); }
  void operator()(const Pull& m) { on_pull(run, from, m); }
  void operator()(const PushInitial& m) { on_push_initial(run, from, m); }
  void operator()(const PushInitialAck& m) { on_push_initial_ack(run, from, m); }
  void operator()(const Root& m) { on_root(run, from, m); }
  void operator()(const RootAck& m) { on_root_ack(run, from, m); }
  void operator()(const Copy& m) { on_copy(run, from, m); }
  void operator()(const CopyAck& m) { on_copy_ack(run, from, m); }
  // Everything else is for a coordinator, a worker or the operator.
  template <typename T>
  void operator()(const T&) {}
};

void on_message(Run& run, const ProcessId& from, const Message& message) {
  std::visit(Dispatch{run, from}, message);
}

}  // namespace

void on_tick(Run& run) {
  ServerState& state = run.state;
  if (!state.active()) {
    return;
  }
  for (SegmentId segment = 0; segment < state.replicas.size(); ++segment) {
    if (state.replicas[segment].role != ReplicaRole::kNone) {
      tick_replica(run, segment, state.replicas[segment]);
    }
  }
  start_copies(run);
  if (run.due(state.heartbeat_sent_ms)) {
    start_restore(run);
    if (state.initialising()) {
      send_initialised(run);
    }
    send_applied(run);
  }
}

}  // namespace server

ServerMachine::ServerMachine(ProcessId self, ServerOptions options)
    : state_(std::make_unique<ServerState>()) {
  state_->self = std::move(self);
  state_->options = options;
}

ServerMachine::~ServerMachine() = default;
ServerMachine::ServerMachine(ServerMachine&&) noexcept = default;
ServerMachine& ServerMachine::operator=(ServerMachine&&) noexcept = default;

Effects ServerMachine::step(const Event& event, TimeMs now) {
  Effects out;
  server::Run run{*state_, now, out};
  if (const auto* received = std::get_if<Received>(&event)) {
    server::on_message(run, received->envelope.from, received->envelope.message);
  } else if (const auto* summarised = std::get_if<Summarised>(&event)) {
    server::on_summarised(run, *summarised);
  } else if (std::holds_alternative<Tick>(event)) {
    server::on_tick(run);
  } else if (const auto* lost = std::get_if<PeerLost>(&event)) {
    server::note_lost(run, lost->peer);
  } else if (const auto* written = std::get_if<CheckpointWrittenLocally>(&event)) {
    server::on_checkpoint_written(run, written->result);
  } else if (const auto* opened = std::get_if<CheckpointOpened>(&event)) {
    server::on_checkpoint_opened(run, *opened);
  }
  return out;
}

bool ServerMachine::accept_appointment(const Appoint& appoint) {
  ServerState& state = *state_;
  if (appoint.term <= state.promised || appoint.members.number < state.members ||
      appoint.plan < state.plan) {
    return false;
  }
  state.promised = appoint.term;
  state.coordinator = state.self;
  state.members = appoint.members.number;
  state.plan = appoint.plan;
  return true;
}

const ServerState& ServerMachine::state() const { return *state_; }

std::optional<uint32_t> ServerMachine::payload_elements(SegmentId segment) const {
  if (!state_->configured || segment >= state_->segments.count()) {
    return std::nullopt;
  }
  return state_->segments.size(segment);
}

}  // namespace ballast
