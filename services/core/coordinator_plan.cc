// What is wished of the job while it runs: it is taken between two steps, and segments move for it
// between two steps. A server that leaves gives its replicas away first; then it is told to status.
#include <algorithm>

#include <fmt/format.h>

#include "services/core/coordinator_steps.h"
#include "services/core/shares.h"

namespace ballast::coordinator {
namespace {

// After the last step, or suspended: a new wish may have more steps made.
bool rests(const CoordinatorState& state) {
  return state.phase == JobPhase::kFinalEvaluation || state.phase == JobPhase::kCheckpointing ||
         state.phase == JobPhase::kSuspended;
}

}  // namespace

// Replicas in sync that the map did not have before: their servers have to hear of it.
void unsettle(CoordinatorState& state, const SegmentMap& before) {
  for (SegmentId segment = 0; segment < state.map.segments.size(); ++segment) {
    const auto look = [&](ServerIndex index) {
      const ProcessId& id = state.map.servers[index].id;
      const auto server = state.servers.find(id);
      const bool known = segment < before.segments.size() && before.in_sync(segment, id);
      if (!known && server != state.servers.end()) {
        server->second.settled = state.map.version;
      }
    };
    const Placement& placement = state.map.segments[segment];
    look(placement.primary);
    std::for_each(placement.backups.begin(), placement.backups.end(), look);
  }
}

namespace {

bool holds_anything(const CoordinatorState& state, const ProcessId& server) {
  const auto index = state.map.index_of(server);
  return index &&
         std::any_of(state.map.segments.begin(), state.map.segments.end(),
                     [&](const Placement& placement) {
                       const auto is = [&](ServerIndex at) { return at == *index; };
                       return is(placement.primary) ||
                              std::any_of(placement.backups.begin(), placement.backups.end(), is) ||
                              std::any_of(placement.joining.begin(), placement.joining.end(), is);
                     });
}

bool still_writes(const CoordinatorState& state, const ServerInfo& server) {
  return state.writing && !state.writing->manifest_asked && !server.part &&
         state.writing->writers.contains(server.member.id);
}

// Everybody else holds what only it might have held: the map without it, and the records.
bool dispensable(const CoordinatorState& state, const ServerInfo& leaver) {
  return !holds_anything(state, leaver.member.id) && !still_writes(state, leaver) &&
         std::all_of(state.servers.begin(), state.servers.end(), [&](const auto& entry) {
           const ServerInfo& server = entry.second;
           return server.member.id == leaver.member.id ||
                  (server.sealed && server.map == state.map.version &&
                   server.applied >= state.leaving_since);
         });
}

}  // namespace

void on_plan_changed(Run& run, const PlanChanged& message) {
  CoordinatorState& state = run.state;
  if (message.term > state.term()) {
    retire(run);
    return;
  }
  if (message.term != state.term() || message.plan <= state.plan ||
      (state.next_plan && message.plan <= state.next_plan->plan)) {
    return;
  }
  state.next_plan = message;
  if (!rests(state)) {
    return;  // the next step takes it
  }
  take_plan(run);
  if (!state.suspend && state.step < state.training().steps) {
    enter(run, JobPhase::kTraining);
    begin_step(run);
  } else {
    send_progress(run);  // it rests under this plan, too
  }
}

void take_plan(Run& run) {
  CoordinatorState& state = run.state;
  if (!state.next_plan) {
    return;
  }
  const PlanChanged plan = std::move(*state.next_plan);
  state.next_plan.reset();
  state.plan = plan.plan;
  state.leaving = {plan.leaving.begin(), plan.leaving.end()};
  state.leaving_since = state.step + 1;
  state.suspend = plan.suspend;
  if (state.suspend) {
    state.checkpoint_failure.clear();  // the disk may have space by now
  }
  state.worker_shares = plan.worker_shares;
  state.server_shares = plan.server_shares;
  state.arranged = false;
  TrainingSettings& training = state.appoint.training;
  training.steps = std::max(training.steps, plan.training.steps);
  training.checkpoint_every = plan.training.checkpoint_every;
  training.checkpoint_every_ms = plan.training.checkpoint_every_ms;
  training.job_config = plan.training.job_config;
}

bool settled(const ServerInfo& server) { return server.map >= server.settled; }

Arrangement arrangement(const CoordinatorState& state) {
  return {
      .replication = state.training().replication,
      .weight = [&state](const ProcessId& id) { return amount_of(state.server_shares, id.name); },
      .leaving = [&state](const ProcessId& id) { return state.leaving.contains(id); },
      .settled =
          [&state](const ProcessId& id) {
            const auto server = state.servers.find(id);
            return server != state.servers.end() && settled(server->second);
          }};
}

// What has caught up is admitted; what is not needed any more is dropped by a later map, when the
// new replicas know that they are in sync. So no single loss finds fewer replicas than were asked
// for.
void move_segments(Run& run) {
  CoordinatorState& state = run.state;
  SegmentMap map = state.map;
  std::set<ProcessId> admitted;  // who cannot know yet
  for (SegmentId segment = 0; segment < state.segments.size(); ++segment) {
    for (const CaughtUpReplica& replica : state.segments[segment].caught_up) {
      // It holds the root of the step that was just committed: it follows like a backup.
      if (replica.version + 1 == state.step && admit(map, segment, replica.server)) {
        run.out.push_back(FactMember{replica.server, fmt::format("backup of segment {}", segment)});
        admitted.insert(replica.server);
      }
    }
    state.segments[segment].caught_up.clear();
  }
  if (state.arranged && admitted.empty()) {
    return;
  }
  Arrangement wish = arrangement(state);
  wish.settled = [&, before = wish.settled](const ProcessId& id) {
    return before(id) && !admitted.contains(id);
  };
  map = rearranged(std::move(map), wish);
  state.arranged = map == state.map;
  if (!state.arranged) {
    publish_map(run, std::move(map));
  }
}

void ask_for_leavers(Run& run) {
  CoordinatorState& state = run.state;
  if (state.phase != JobPhase::kTraining && state.phase != JobPhase::kFinalEvaluation) {
    return;
  }
  for (const ProcessId& id : state.leaving) {
    const auto server = state.servers.find(id);
    if (server != state.servers.end() && id != state.self && !server->second.suspected &&
        run.due(server->second.ask_sent_ms) && dispensable(state, server->second)) {
      ask_remove(run, server->second, "it has given its segments away", true);
    }
  }
}

// A replica that does not know yet that it is in sync cannot take over.
bool degraded(const CoordinatorState& state) {
  if (state.map.segments.empty()) return true;  // nobody is known to hold anything
  // What was found may be a commit whose other holders are gone; of the last commit, too, enough
  // have to know, or one more loss takes it.
  if (state.adopted) return true;
  const auto knowing = static_cast<size_t>(
      std::count_if(state.servers.begin(), state.servers.end(), [&](const auto& entry) {
        return std::max(entry.second.applied, entry.second.held) >= state.step;
      }));
  if (state.last && knowing < holders_needed(state)) return true;
  std::vector<bool> able;
  for (const Member& member : state.map.servers) {
    const auto server = state.servers.find(member.id);
    able.push_back(server != state.servers.end() && settled(server->second));
  }
  return std::any_of(state.map.segments.begin(), state.map.segments.end(),
                     [&](const Placement& placement) {
                       uint32_t replicas = able[placement.primary] ? 1 : 0;
                       for (const ServerIndex backup : placement.backups) {
                         replicas += able[backup] ? 1 : 0;
                       }
                       return replicas < state.training().replication;
                     });
}

}  // namespace ballast::coordinator
