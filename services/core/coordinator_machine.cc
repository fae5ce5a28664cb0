#include "services/core/coordinator_machine.h"

#include <algorithm>

#include "services/core/coordinator_state.h"
#include "services/core/coordinator_steps.h"

namespace ballast {
namespace coordinator {
namespace {

struct Dispatch {
  Run& run;
  const ProcessId& from;
  void operator()(const Sealed& m) { on_sealed(run, from, m); }
  void operator()(const SealRefused& m) { on_seal_refused(run, m); }
  void operator()(const Seal& m) {
    if (m.term > run.state.term()) {
      hand_over(run, m);
    }
  }
  // Said again over a new session: what has changed meanwhile was told to nobody.
  void operator()(const Appoint& m) {
    retire_below(m.term);
    if (m.term != run.state.term()) return;
    on_members_changed(run, {m.term, m.members});
    on_plan_changed(
        run, {m.term, m.plan, m.leaving, m.suspend, m.training, m.worker_shares, m.server_shares});
  }
  void operator()(const MembersChanged& m) { on_members_changed(run, m); }
  void operator()(const OriginComplete& m) { on_origin_complete(run, m); }
  void operator()(const PlanChanged& m) { on_plan_changed(run, m); }
  void operator()(const MapAck& m) { on_map_ack(run, from, m); }
  void operator()(const InitialisedReport& m) { on_initialised(run, from, m); }
  void operator()(const Prepared& m) { on_prepared(run, from, m); }
  void operator()(const RecordHeld& m) { on_record_held(run, from, m); }
  void operator()(const Applied& m) { on_applied(run, from, m); }
  void operator()(const CaughtUp& m) { on_caught_up(run, from, m); }
  void operator()(const CheckpointWritten& m) { on_checkpoint_written(run, from, m); }
  void operator()(const Join& m) { on_join(run, from, m); }
  void operator()(const WorkerHeartbeat& m) { on_heartbeat(run, from, m); }
  void operator()(const EvaluationDone& m) { on_evaluation(run, m); }
  // Everything else is for a server, a worker or the operator.
  template <typename T>
  void operator()(const T&) {}

  void retire_below(Term term) {
    if (term > run.state.term()) {
      retire(run);
    }
  }
};

void on_received(Run& run, const Envelope& envelope) {
  const auto server = run.state.servers.find(envelope.from);
  if (server != run.state.servers.end()) {
    server->second.heard_ms = run.now;
    server->second.suspected = false;
  }
  std::visit(Dispatch{run, envelope.from}, envelope.message);
}

void on_peer_lost(Run& run, const ProcessId& peer) {
  const auto server = run.state.servers.find(peer);
  if (server != run.state.servers.end()) {
    on_server_lost(run, server->second);
  } else if (run.state.workers.contains(peer)) {
    lose_worker(run, peer, "its connection was lost");
  }
}

void on_tick(Run& run) {
  tick_servers(run);
  tick_workers(run);
  tick_checkpoint(run);
  if (run.now - run.state.progress_sent_ms >= run.state.options.progress_every_ms) {
    send_progress(run);
  }
}

}  // namespace
}  // namespace coordinator

CoordinatorMachine::CoordinatorMachine(ProcessId self, ProcessId operator_id, Appoint appoint,
                                       CoordinatorOptions options)
    : state_(std::make_unique<CoordinatorState>()) {
  CoordinatorState& state = *state_;
  state.self = std::move(self);
  state.operator_id = std::move(operator_id);
  state.appoint = std::move(appoint);
  state.options = options;
  state.members_number = state.appoint.members.number;
  state.plan = state.appoint.plan;
  state.leaving = {state.appoint.leaving.begin(), state.appoint.leaving.end()};
  state.suspend = state.appoint.suspend;
  state.worker_shares = state.appoint.worker_shares;
  state.server_shares = state.appoint.server_shares;
  for (const Member& member : state.appoint.members.members) {
    state.servers[member.id].member = member;
  }
}

CoordinatorMachine::~CoordinatorMachine() = default;
CoordinatorMachine::CoordinatorMachine(CoordinatorMachine&&) noexcept = default;
CoordinatorMachine& CoordinatorMachine::operator=(CoordinatorMachine&&) noexcept = default;

Effects CoordinatorMachine::start(TimeMs now) {
  Effects out;
  coordinator::Run run{*state_, now, out};
  for (auto& [id, server] : state_->servers) {
    server.heard_ms = now;
    coordinator::send_seal(run, server);
  }
  coordinator::send_progress(run);
  return out;
}

Effects CoordinatorMachine::step(const Event& event, TimeMs now) {
  Effects out;
  coordinator::Run run{*state_, now, out};
  if (state_->retired) {
    return out;
  }
  if (const auto* received = std::get_if<Received>(&event)) {
    coordinator::on_received(run, received->envelope);
  } else if (std::holds_alternative<Tick>(event)) {
    coordinator::on_tick(run);
  } else if (const auto* lost = std::get_if<PeerLost>(&event)) {
    coordinator::on_peer_lost(run, lost->peer);
  } else if (const auto* manifest = std::get_if<ManifestWritten>(&event)) {
    coordinator::on_manifest_written(run, *manifest);
  } else if (const auto* read = std::get_if<ManifestRead>(&event)) {
    coordinator::on_manifest_read(run, *read);
  }
  return out;
}

const CoordinatorState& CoordinatorMachine::state() const { return *state_; }

}  // namespace ballast
