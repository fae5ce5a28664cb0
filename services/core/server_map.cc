// A new segment map: which replicas this server holds from now on, and in which role.
#include <algorithm>

#include "services/core/server_steps.h"
#include "services/core/tree.h"

namespace ballast::server {
namespace {

bool well_formed(const MapUpdate& update) {
  const uint32_t microbatches = update.training.microbatches;
  if (microbatches == 0 || microbatches > kMaxMicrobatches ||
      (microbatches & (microbatches - 1)) != 0 || update.training.segment_elements == 0) {
    return false;
  }
  const Segments segments{update.identity.layout.elements, update.training.segment_elements};
  return check_layout(update.identity.layout).has_value() &&
         update.map.segments.size() == segments.count() && !update.map.servers.empty() &&
         update.map.consistent();
}

void drop_everything(Run& run) {
  ServerState& state = run.state;
  for (SegmentId segment = 0; segment < state.replicas.size(); ++segment) {
    Replica& replica = state.replicas[segment];
    answer_parked(run, segment, replica, DataStatus::kStale);
    release_step(run, replica);
  }
  state.replicas.clear();
  state.records.clear();
  state.checkpoint.reset();
  state.restore.reset();
  state.restoring = false;
  state.copies_in_flight = 0;
}

void configure(Run& run, const MapUpdate& update) {
  ServerState& state = run.state;
  drop_everything(run);
  state.configured = true;
  state.identity = update.identity;
  state.training = update.training;
  state.origin = update.origin;
  state.segments = {update.identity.layout.elements, update.training.segment_elements};
  state.replicas.resize(state.segments.count());
  if (update.restore) {
    state.restore = update.restore;
    state.records = {update.restore->last};
  }
  run.out.push_back(Configure{state.identity, state.training});
}

void leave_role(Run& run, SegmentId segment, Replica& replica) {
  answer_parked(run, segment, replica, DataStatus::kWrongServer);
  for (ReplicaPeer& peer : replica.peers) {
    forget_copy(run, peer);
  }
  replica.peers.clear();
  for (const BufferId buffer : replica.tree.clear()) {
    run.out.push_back(Release{buffer});
  }
}

// Gives up what the replica holds; its place may be taken by a new copy.
void empty(Run& run, SegmentId segment, Replica& replica) {
  const bool held = replica.filled || replica.parts_stored != 0;
  release_step(run, replica);
  replica = Replica{};
  if (held) {
    run.out.push_back(DropSegment{segment});
  }
}

ReplicaRole role_in(const Placement& placement, std::optional<ServerIndex> me) {
  const auto has = [&](const std::vector<ServerIndex>& servers) {
    return std::find(servers.begin(), servers.end(), *me) != servers.end();
  };
  if (!me) {
    return ReplicaRole::kNone;
  }
  if (placement.primary == *me) {
    return ReplicaRole::kPrimary;
  }
  if (has(placement.backups)) {
    return ReplicaRole::kBackup;
  }
  return has(placement.joining) ? ReplicaRole::kJoining : ReplicaRole::kNone;
}

// A joining peer that stays joining keeps the copy it has; everything else is told again.
std::vector<ReplicaPeer> make_peers(const ServerState& state, const Placement& placement,
                                    std::vector<ReplicaPeer>& old) {
  std::vector<ReplicaPeer> peers;
  const auto add = [&](ServerIndex index, bool joining) {
    ReplicaPeer peer{.id = state.map.servers[index].id, .joining = joining};
    for (ReplicaPeer& before : old) {
      if (before.id == peer.id && before.joining && joining) {
        peer = before;
        before.copying = false;  // moved, not forgotten
        peer.root_acked = false;
        peer.root_sent = {};
      }
    }
    peers.push_back(std::move(peer));
  };
  for (const ServerIndex backup : placement.backups) {
    add(backup, false);
  }
  for (const ServerIndex joining : placement.joining) {
    add(joining, true);
  }
  return peers;
}

void take_role(Run& run, SegmentId segment, Replica& replica, ReplicaRole role) {
  ServerState& state = run.state;
  const bool in_sync = role == ReplicaRole::kPrimary || role == ReplicaRole::kBackup;
  const ReplicaRole before = replica.role;
  if (before == ReplicaRole::kPrimary && role != ReplicaRole::kPrimary) {
    leave_role(run, segment, replica);
  }
  const bool starts_joining = role == ReplicaRole::kJoining && before != ReplicaRole::kJoining;
  if (role == ReplicaRole::kNone || starts_joining) {
    empty(run, segment, replica);
  }
  replica.role = role;
  if (in_sync) {
    replica.in_sync_under = state.map.version;
  }
  if (role != ReplicaRole::kPrimary) {
    return;
  }
  if (before != ReplicaRole::kPrimary) {
    replica.tree = SegmentTree(state.training.microbatches);
  }
  auto peers = make_peers(state, state.map.segments[segment], replica.peers);
  for (ReplicaPeer& old : replica.peers) {
    forget_copy(run, old);
  }
  replica.peers = std::move(peers);
  if (replica.root != 0) {
    for (ReplicaPeer& peer : replica.peers) {
      if (being_followed(replica, peer)) {
        send_root(run, segment, replica, peer);
      }
    }
  }
}

}  // namespace

void on_map_update(Run& run, const ProcessId& from, const MapUpdate& message) {
  ServerState& state = run.state;
  if (message.term != state.promised || from != state.coordinator ||
      message.map.version.term != message.term) {
    return;
  }
  if (message.map.version <= state.map.version && state.configured) {
    run.send(from, MapAck{state.promised, state.map.version});
    return;
  }
  if (!well_formed(message)) {
    run.out.push_back(FactRefused{from, "a segment map that does not fit its layout"});
    return;
  }
  if (!state.configured || message.origin != state.origin || message.identity != state.identity) {
    configure(run, message);
  }
  state.training = message.training;
  state.map = message.map;
  note_new_map(run);
  const auto me = state.map.index_of(state.self);
  for (SegmentId segment = 0; segment < state.replicas.size(); ++segment) {
    take_role(run, segment, state.replicas[segment], role_in(state.map.segments[segment], me));
  }
  run.send(from, MapAck{state.promised, state.map.version});
  for (SegmentId segment = 0; segment < state.replicas.size(); ++segment) {
    Replica& replica = state.replicas[segment];
    if (replica.summarised && replica.role != ReplicaRole::kJoining) {
      replica.prepared_sent = {};
      send_prepared(run, segment, replica);
    }
  }
  if (state.initialising()) {
    start_restore(run);
    send_initialised(run);
  }
  send_applied(run);
  start_copies(run);
}

}  // namespace ballast::server
