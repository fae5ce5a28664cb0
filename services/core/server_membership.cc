// The promise to a coordinator, what a server reports when it gives it, and where it sends workers.
#include "services/core/server_steps.h"

namespace ballast::server {
namespace {

Sealed report(const ServerState& state) {
  Sealed sealed{
      .term = state.promised, .identity = {}, .replicas = {}, .records = state.records, .map = {}};
  if (!state.configured) {
    return sealed;
  }
  sealed.identity = state.identity;
  sealed.map = state.map;
  for (SegmentId segment = 0; segment < state.replicas.size(); ++segment) {
    const Replica& replica = state.replicas[segment];
    // A joining one too: a map that it has not seen yet may have admitted it.
    if (replica.role != ReplicaRole::kNone && replica.filled) {
      sealed.replicas.push_back({.segment = segment,
                                 .in_sync_under = replica.in_sync_under,
                                 .origin = state.origin,
                                 .version = replica.version,
                                 .has_root = replica.root != 0,
                                 .was_primary = replica.role == ReplicaRole::kPrimary});
    }
  }
  return sealed;
}

}  // namespace

void on_seal(Run& run, const ProcessId& from, const Seal& message) {
  ServerState& state = run.state;
  const bool repeated =
      message.term == state.promised && message.coordinator.id == state.coordinator;
  const bool newer = message.term > state.promised && message.members >= state.members;
  if (!repeated && !newer) {
    run.send(from, SealRefused{state.promised});
    return;
  }
  if (newer) {
    state.promised = message.term;
    state.coordinator = message.coordinator.id;
    state.coordinator_address = message.coordinator.address;
    state.members = message.members;
  }
  if (!state.active()) {
    // Workers of the lower term find the new coordinator through these answers.
    for (SegmentId segment = 0; segment < state.replicas.size(); ++segment) {
      answer_parked(run, segment, state.replicas[segment], DataStatus::kStale);
    }
  }
  run.send(from, report(state));
}

void redirect(Run& run, const ProcessId& worker) {
  const ServerState& state = run.state;
  if (state.promised != 0 && state.coordinator == state.self) {
    return;  // the coordinator of this process answers
  }
  Redirect answer{.term = state.promised, .coordinator = {}};
  if (state.promised != 0) {
    answer.coordinator = Member{state.coordinator, state.coordinator_address, ""};
  }
  run.send(worker, answer);
}

}  // namespace ballast::server
