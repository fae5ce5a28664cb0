// How a worker finds the coordinator, follows it, and notices that it is gone.
#include <algorithm>

#include "services/core/tree.h"
#include "services/core/worker_steps.h"

namespace ballast::worker {
namespace {

constexpr TimeMs kFirstJoinWaitMs = 50;
constexpr TimeMs kCoordinatorSilenceMs = 3000;  // it answers each heartbeat

void end(Run& run, WorkerEnd how) {
  run.state.ended = true;
  run.out.push_back(std::move(how));
}

void send_join(Run& run) {
  WorkerState& state = run.state;
  state.join_sent_ms = run.now;
  ProcessId to;
  if (state.hint) {
    to = *state.hint;
    state.hint.reset();
  } else if (!state.servers.empty()) {
    to = state.servers[state.next_server++ % state.servers.size()].id;
  } else {
    return;
  }
  to.incarnation = 0;  // whoever lives under that name now
  run.send(to, Join{state.identity, state.build});
}

// Those of the map, and those known before: a name may be down and come back.
void learn_servers(WorkerState& state, const std::vector<Member>& servers) {
  for (const Member& server : servers) {
    const auto known =
        std::find_if(state.servers.begin(), state.servers.end(),
                     [&](const Member& member) { return member.id.name == server.id.name; });
    if (known == state.servers.end()) {
      state.servers.push_back(server);
    } else {
      *known = server;
    }
  }
}

void send_heartbeat(Run& run) {
  WorkerState& state = run.state;
  state.heartbeat_sent_ms = run.now;
  run.send(state.coordinator,
           WorkerHeartbeat{state.term, state.step, state.number, state.map.version, state.leaving});
}

// Every message of a coordinator goes through here. False: it is of a lower term.
bool follow(Run& run, const ProcessId& from, Term term, Origin origin) {
  WorkerState& state = run.state;
  if (term < state.term || term == 0) {
    return false;
  }
  if (term > state.term) {
    if (origin != state.origin) {
      forget_step(run);
      for (SegmentWork& segment : state.segments) {
        segment.initial = Delivery::kWaiting;
        segment.initial_asked = false;
        segment.initial_ready = false;
      }
      state.step = 0;
      state.origin = origin;
      run.out.push_back(Discard{.step = 0, .all = true});
    }
    state.term = term;
    state.assigned = false;
    state.number = 0;
    state.needed_map = {};
    state.initialise.clear();
  }
  state.coordinator = from;
  state.joined = true;
  state.heard_ms = run.now;
  state.join_wait_ms = kFirstJoinWaitMs;
  return true;
}

void begin_work(Run& run, const Assignment& message) {
  WorkerState& state = run.state;
  BeginWork work{.step = state.step, .nodes = {}, .evaluations = {}};
  std::vector<Microbatch> fresh;
  for (const Microbatch microbatch : message.microbatches) {
    if (microbatch < state.microbatches && !state.begun[microbatch]) {
      state.begun[microbatch] = true;
      fresh.push_back(microbatch);
    }
  }
  for (const uint32_t index : message.evaluations) {
    if (state.evaluating.insert(index).second) {
      work.evaluations.push_back(index);
    }
  }
  work.nodes = cover(fresh, state.microbatches);
  if (!work.nodes.empty() || !work.evaluations.empty()) {
    state.wants_parameters = true;
    run.out.push_back(std::move(work));
  }
}

void make_initial(Run& run) {
  WorkerState& state = run.state;
  MakeInitial make;
  for (const SegmentId segment : state.initialise) {
    if (!state.segments[segment].initial_asked) {
      state.segments[segment].initial_asked = true;
      make.segments.push_back(segment);
    }
  }
  if (!make.segments.empty()) {
    run.out.push_back(std::move(make));
  }
}

}  // namespace

void start(Run& run) {
  run.state.heard_ms = run.now;
  run.state.join_wait_ms = kFirstJoinWaitMs;
  send_join(run);
}

void lose_coordinator(Run& run) {
  run.state.joined = false;
  run.state.join_wait_ms = kFirstJoinWaitMs;
  run.state.hint.reset();
  send_join(run);
}

void heard_of_term(Run& run, Term term) {
  if (term > run.state.term && run.state.joined) {
    lose_coordinator(run);
  }
}

void on_join_accepted(Run& run, const ProcessId& from, const JoinAccepted& message) {
  const bool first = !run.state.joined || message.term > run.state.term;
  if (follow(run, from, message.term, message.origin) && first) {
    send_heartbeat(run);
  }
}

void on_join_refused(Run& run, const JoinRefused& message) {
  const bool finished = message.code == RefusalCode::kFinished;
  end(run, WorkerEnd{.failed = !finished, .refused = !finished, .reason = message.reason});
}

void on_redirect(Run& run, const Redirect& message) {
  WorkerState& state = run.state;
  // At the term that is followed it comes from the coordinator itself: it does not know this
  // worker.
  if (message.term < state.term || !message.coordinator) {
    return;
  }
  if (state.joined) {
    state.joined = false;
    state.join_wait_ms = kFirstJoinWaitMs;
    state.join_sent_ms = 0;
  } else if (message.term == state.term && message.coordinator->id == state.coordinator) {
    return;  // whom it has just lost: whoever says so has not heard of another yet
  }
  state.hint = message.coordinator->id;
  if (state.join_sent_ms == 0 || run.now - state.join_sent_ms >= kFirstJoinWaitMs / 2) {
    send_join(run);
  }
}

void on_map(Run& run, const ProcessId& from, const MapUpdate& message) {
  WorkerState& state = run.state;
  if (message.map.version.term != message.term ||
      message.map.segments.size() != state.segments.size() || !message.map.consistent() ||
      !follow(run, from, message.term, message.origin)) {
    return;
  }
  if (message.map.version <= state.map.version) {
    return;
  }
  state.map = message.map;
  learn_servers(state, message.map.servers);
  rebuild_queues(run);
  pump(run);
}

void on_assignment(Run& run, const ProcessId& from, const Assignment& message) {
  WorkerState& state = run.state;
  if (!follow(run, from, message.term, message.origin)) {
    return;
  }
  if (state.assigned && (message.step < state.step ||
                         (message.step == state.step && message.number <= state.number))) {
    return;
  }
  if (message.step != state.step) {
    forget_step(run);
    run.out.push_back(Discard{.step = message.step, .all = false});
  }
  state.assigned = true;
  state.step = message.step;
  state.number = message.number;
  state.needed_map = message.map;
  state.initialise.clear();
  for (const SegmentId segment : message.initialise) {
    if (segment < state.segments.size()) {
      state.initialise.push_back(segment);
    }
  }
  make_initial(run);
  begin_work(run, message);
  send_evaluations(run);
  pump(run);
  send_heartbeat(run);
}

void on_finish(Run& run, const ProcessId& from, const Finish& message) {
  if (run.state.term != 0 && message.term >= run.state.term && !from.name.empty()) {
    end(run, WorkerEnd{.failed = message.failed, .refused = false, .reason = message.reason});
  }
}

void on_leave(Run& run) {
  run.state.leaving = true;
  if (run.state.joined) {
    send_heartbeat(run);
  } else if (run.state.term == 0) {
    end(run, WorkerEnd{.failed = false, .refused = false, .reason = "left before it joined"});
  }
}

void on_servers_found(Run& run, const ServersFound& event) {
  std::erase_if(run.state.servers, [](const Member& server) { return server.id.incarnation == 0; });
  learn_servers(run.state, event.servers);
}

void tick_join(Run& run) {
  WorkerState& state = run.state;
  if (run.now - state.heard_ms >= state.options.give_up_after_ms) {
    end(run, WorkerEnd{.failed = true, .refused = false, .reason = "no coordinator was heard of"});
    return;
  }
  if (state.joined) {
    if (run.now - state.heard_ms >= kCoordinatorSilenceMs) {
      lose_coordinator(run);
    } else if (run.now - state.heartbeat_sent_ms >= state.options.heartbeat_ms) {
      send_heartbeat(run);
    }
  } else if (run.now - state.join_sent_ms >= state.join_wait_ms) {
    const bool all_asked = state.servers.empty() || state.next_server % state.servers.size() == 0;
    if (all_asked) {
      state.join_wait_ms = std::min(2 * state.join_wait_ms, state.options.resend_after_ms);
    }
    send_join(run);
  }
}

}  // namespace ballast::worker
