// Servers that come and go, and the segment map that follows from it. A member is removed by status
// before anything is committed without it: here it is only asked for.
#include <algorithm>

#include <fmt/format.h>

#include "services/core/arrangement.h"
#include "services/core/coordinator_steps.h"
#include "services/core/placement.h"

namespace ballast::coordinator {
namespace {

// Those that stay, if there are any: initial values need not move.
std::vector<Member> staying(const CoordinatorState& state, std::vector<Member> members) {
  const auto leaves = [&](const Member& member) { return state.leaving.contains(member.id); };
  if (!std::all_of(members.begin(), members.end(), leaves)) {
    std::erase_if(members, leaves);
  }
  return members;
}

std::vector<Member> sealed_members(const CoordinatorState& state) {
  std::vector<Member> members;
  for (const auto& [id, server] : state.servers) {
    if (server.sealed) {
      members.push_back(server.member);
    }
  }
  return members;
}

void heard_of_map(CoordinatorState& state, ServerInfo& server, const MapVersion& version) {
  if (version > server.map) {
    server.map = version;
    state.arranged = false;
  }
}

bool has_map(const CoordinatorState& state) { return !state.map.segments.empty(); }

// Preferred: replicas that have said that they hold the root.
Preference root_holders(const CoordinatorState& state) {
  return [&state](SegmentId segment, const ProcessId& server) {
    return (state.segments[segment].prepared & replica_bit(state, segment, server)) != 0;
  };
}

void map_without(Run& run) {
  CoordinatorState& state = run.state;
  const auto members = sealed_members(state);
  if (members.empty()) {
    return;
  }
  if (state.phase == JobPhase::kInitialising && !state.origin_complete) {
    // Initial values can be made again: the segments are spread anew over who is left.
    SegmentMap map = first_map(state, static_cast<uint32_t>(state.map.segments.size()));
    map.version.number = state.map.version.number;
    publish_map(run, std::move(map));
    return;
  }
  std::vector<SegmentId> lost;
  SegmentMap map = restrict_to(state.map, members, root_holders(state), lost);
  if (!lost.empty()) {
    lose_job(run, fmt::format("all replicas of {} segments are lost, the first is segment {}",
                              lost.size(), lost.front()));
    return;
  }
  add_joining(map, arrangement(state));
  publish_map(run, std::move(map));
}

}  // namespace

void ask_remove(Run& run, ServerInfo& server, std::string reason, bool left) {
  server.ask_sent_ms = run.now;
  run.send(run.state.operator_id,
           AskRemove{run.state.term(), run.state.members_number, server.member.id,
                     std::move(reason), left, run.state.plan});
}

SegmentMap first_map(const CoordinatorState& state, uint32_t segment_count) {
  return place_segments(state.term(), staying(state, sealed_members(state)), segment_count,
                        state.training().replication, state.server_shares);
}

namespace {

// Nothing is committed any more in this term. A suspended job may go on.
bool is_over(JobPhase phase) {
  return phase == JobPhase::kDone || phase == JobPhase::kFailed || phase == JobPhase::kLost;
}

}  // namespace

void on_members_changed(Run& run, const MembersChanged& message) {
  CoordinatorState& state = run.state;
  if (message.term > state.term()) {
    retire(run);
    return;
  }
  if (message.term != state.term() || message.members.number <= state.members_number) {
    return;
  }
  state.members_number = message.members.number;
  if (message.members.find(state.self) == nullptr) {
    retire(run);
    return;
  }
  bool removed_from_map = false;
  for (auto it = state.servers.begin(); it != state.servers.end();) {
    if (message.members.find(it->first) != nullptr) {
      ++it;
      continue;
    }
    removed_from_map |= has_map(state) && state.map.index_of(it->first).has_value();
    run.out.push_back(FactMember{it->first, "removed"});
    state.reports.erase(it->first);
    it = state.servers.erase(it);
  }
  for (const Member& member : message.members.members) {
    if (!state.servers.contains(member.id)) {
      ServerInfo& server = state.servers[member.id];
      server.member = member;
      server.heard_ms = run.now;
      send_seal(run, server);
    }
  }
  if (state.phase == JobPhase::kSealing) {
    act_when_sealed(run);
  } else if (removed_from_map && !is_over(state.phase)) {
    map_without(run);
    commit_when_held(run);
    abandon_checkpoint_without(run);
  }
}

void on_server_lost(Run& run, ServerInfo& server) {
  if (server.member.id == run.state.self) {
    return;
  }
  server.suspected = true;
  ask_remove(run, server, "its connection was lost");
}

void take_in(Run& run) {
  CoordinatorState& state = run.state;
  const bool running = state.phase == JobPhase::kTraining ||
                       state.phase == JobPhase::kFinalEvaluation ||
                       (state.phase == JobPhase::kInitialising && state.origin_complete);
  if (!running || !has_map(state)) {
    return;
  }
  const auto members = sealed_members(state);
  if (members.size() == state.map.servers.size()) {
    return;
  }
  std::vector<SegmentId> lost;
  SegmentMap map = restrict_to(state.map, members, root_holders(state), lost);
  if (lost.empty()) {
    add_joining(map, arrangement(state));
    publish_map(run, std::move(map));
  }
}

// A new version of the map. Prepared counts under the map in force alone, so it is counted anew.
void publish_map(Run& run, SegmentMap map) {
  CoordinatorState& state = run.state;
  const bool first = !has_map(state);
  map.version = {state.term(), first ? 1 : state.map.version.number + 1};
  std::swap(state.map, map);
  unsettle(state, first ? SegmentMap{} : map);
  state.arranged = false;
  const auto count = static_cast<uint32_t>(state.map.segments.size());
  state.segments.resize(count);
  for (SegmentProgress& segment : state.segments) {
    segment.prepared = 0;
    segment.initialised = 0;
    std::erase_if(segment.caught_up, [&](const CaughtUpReplica& replica) {
      return !state.map.index_of(replica.server);
    });
  }
  state.unprepared = count;
  state.uninitialised = count;
  for (auto& [id, server] : state.servers) {
    if (server.sealed) {
      send_map(run, server);
    }
  }
  for (auto& [id, worker] : state.workers) {
    send_map(run, id, worker);
  }
  if (state.phase == JobPhase::kInitialising && !state.origin_complete) {
    assign_initialisation(run);
  } else if (!state.pending) {
    assign_orphans(run);
  }
}

void send_map(Run& run, ServerInfo& server) {
  const CoordinatorState& state = run.state;
  server.map_sent_ms = run.now;
  run.send(server.member.id, MapUpdate{state.term(), state.origin, state.map, *state.identity,
                                       state.training(), state.restore});
}

void send_map(Run& run, const ProcessId& worker, WorkerInfo& info) {
  const CoordinatorState& state = run.state;
  info.map_sent_ms = run.now;
  run.send(worker, MapUpdate{state.term(), state.origin, state.map, {}, state.training()});
}

void on_map_ack(Run& run, const ProcessId& from, const MapAck& message) {
  const auto server = run.state.servers.find(from);
  if (message.term == run.state.term() && server != run.state.servers.end()) {
    heard_of_map(run.state, server->second, message.map);
  }
}

void on_applied(Run& run, const ProcessId& from, const Applied& message) {
  const auto server = run.state.servers.find(from);
  if (message.term == run.state.term() && server != run.state.servers.end()) {
    heard_of_map(run.state, server->second, message.map);
    if (message.map == run.state.map.version) {
      server->second.applied = message.version;
    }
  }
}

void on_caught_up(Run& run, const ProcessId& from, const CaughtUp& message) {
  CoordinatorState& state = run.state;
  if (message.term != state.term() || message.segment >= state.segments.size() ||
      message.map > state.map.version || !message.has_root || message.version != state.step) {
    return;
  }
  auto& known = state.segments[message.segment].caught_up;
  const bool there = std::any_of(known.begin(), known.end(), [&](const CaughtUpReplica& replica) {
    return replica.server == from;
  });
  if (!there) {
    known.push_back({from, message.version});
  }
}

void tick_servers(Run& run) {
  CoordinatorState& state = run.state;
  for (auto& [id, server] : state.servers) {
    if (!server.sealed) {
      if (run.due(server.seal_sent_ms)) {
        send_seal(run, server);
      }
    } else if (has_map(state)) {
      if (server.map < state.map.version && run.due(server.map_sent_ms)) {
        send_map(run, server);
      }
      // What a restore begins with was committed by nobody.
      const bool committed = state.last && !(state.restore && *state.last == state.restore->last);
      if (committed && server.applied < state.step && run.due(server.commit_sent_ms)) {
        server.commit_sent_ms = run.now;
        run.send(id, Commit{state.term(), *state.last});
      }
    }
    const bool silent = run.now - server.heard_ms >= state.options.server_silence_ms;
    // Without a map a sealed server has nothing to say.
    const bool expected = !server.sealed || has_map(state);
    if (id != state.self && expected && (silent || server.suspected) &&
        run.due(server.ask_sent_ms)) {
      ask_remove(run, server, silent ? "it has not answered" : "its connection was lost");
    }
  }
  ask_for_leavers(run);
  if (state.pending) {
    offer_record(run);
  }
  const bool asks_origin = state.phase == JobPhase::kInitialising && state.uninitialised == 0 &&
                           has_map(state) && !state.origin_complete;
  if (asks_origin && run.due(state.origin_asked_ms)) {
    begin_training_when_initialised(run);
  }
}

}  // namespace ballast::coordinator
