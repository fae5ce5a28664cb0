// What a worker sends and fetches: contributions to primaries, parameters from them, initial
// values, evaluation sums. Limited by credits; sent again until answered.
#include <algorithm>

#include "services/core/worker_steps.h"

namespace ballast::worker {
namespace {

ServerQueue* queue_of(WorkerState& state, SegmentId segment) {
  if (segment >= state.map.segments.size()) {
    return nullptr;
  }
  return &state.queues[state.map.segments[segment].primary];
}

// The queue of the server `id`, if it is in the map.
ServerQueue* queue_of(WorkerState& state, const ProcessId& id) {
  const auto index = state.map.index_of(id);
  return index ? &state.queues[*index] : nullptr;
}

void enqueue(WorkerState& state, SegmentId segment, uint32_t index) {
  Contribution& contribution = state.segments[segment].contributions[index];
  ServerQueue* queue = queue_of(state, segment);
  if (queue != nullptr && !contribution.queued && contribution.delivery == Delivery::kWaiting) {
    contribution.queued = true;
    queue->pushes.emplace_back(segment, index);
  }
}

void send_push(Run& run, ServerQueue& queue, SegmentId segment, Contribution& contribution) {
  WorkerState& state = run.state;
  contribution.queued = false;
  contribution.delivery = Delivery::kInFlight;
  contribution.to = state.map.primary(segment);
  contribution.sent_ms = run.now;
  ++queue.pushes_in_flight;
  run.send(contribution.to,
           Push{.term = state.term,
                .origin = state.origin,
                .map = state.map.version,
                .step = state.step,
                .node = contribution.node,
                .segment = segment,
                .sum = contribution.sum},
           FromContribution{state.step, contribution.node, segment});
}

void send_pull(Run& run, ServerQueue& queue, SegmentId segment, SegmentWork& work) {
  WorkerState& state = run.state;
  work.pull = Delivery::kInFlight;
  work.pull_from = state.map.primary(segment);
  work.pull_sent_ms = run.now;
  ++queue.pulls_in_flight;
  run.send(work.pull_from, Pull{.term = state.term,
                                .origin = state.origin,
                                .map = state.map.version,
                                .version = state.step,
                                .segment = segment,
                                .precision = state.options.precision});
}

void pump_pulls(Run& run, ServerQueue& queue) {
  WorkerState& state = run.state;
  while (queue.next_pull < queue.pulls.size() &&
         queue.pulls_in_flight < state.options.credits_per_server) {
    const SegmentId segment = queue.pulls[queue.next_pull++];
    SegmentWork& work = state.segments[segment];
    if (!work.pulled && work.pull == Delivery::kWaiting) {
      send_pull(run, queue, segment, work);
    }
  }
}

void pump_pushes(Run& run, ServerQueue& queue) {
  WorkerState& state = run.state;
  while (!queue.pushes.empty() && queue.pushes_in_flight < state.options.credits_per_server) {
    const auto [segment, index] = queue.pushes.front();
    queue.pushes.pop_front();
    Contribution& contribution = state.segments[segment].contributions[index];
    if (contribution.delivery == Delivery::kWaiting) {
      send_push(run, queue, segment, contribution);
    }
  }
}

void pump_initial(Run& run) {
  WorkerState& state = run.state;
  for (const SegmentId segment : state.initialise) {
    SegmentWork& work = state.segments[segment];
    const ProcessId& primary = state.map.primary(segment);
    const bool elsewhere = work.initial_to != primary;
    const bool again = work.initial == Delivery::kWaiting || elsewhere ||
                       (work.initial == Delivery::kInFlight && run.due(work.initial_sent_ms));
    if (!work.initial_ready || !again) {
      continue;
    }
    work.initial = Delivery::kInFlight;
    work.initial_to = primary;
    work.initial_sent_ms = run.now;
    run.send(primary, PushInitial{state.term, state.origin, state.map.version, segment},
             FromInitial{segment});
  }
}

}  // namespace

void forget_step(Run& run) {
  WorkerState& state = run.state;
  for (SegmentWork& segment : state.segments) {
    segment.contributions.clear();
    segment.pulled = false;
    segment.pull = Delivery::kWaiting;
  }
  for (ServerQueue& queue : state.queues) {
    queue.pushes.clear();
    queue.retry.clear();
    queue.next_pull = 0;
    queue.pushes_in_flight = 0;
    queue.pulls_in_flight = 0;
  }
  std::fill(state.begun.begin(), state.begun.end(), false);
  state.evaluating.clear();
  state.evaluations.clear();
  state.wants_parameters = false;
}

// What was delivered to a replica that is primary no more, or under a lower term, is pushed again:
// the new primary holds the root or nothing, and what it holds already it drops.
void rebuild_queues(Run& run) {
  WorkerState& state = run.state;
  state.queues.assign(state.map.servers.size(), {});
  for (SegmentId segment = 0; segment < state.segments.size(); ++segment) {
    SegmentWork& work = state.segments[segment];
    queue_of(state, segment)->pulls.push_back(segment);
    if (!work.pulled) {
      work.pull = Delivery::kWaiting;
    }
    // A map in between that never arrived may have had its primary drop what it held.
    const bool holds = work.initial == Delivery::kDone && work.initial_under >= state.map.version;
    if (!holds) {
      work.initial = Delivery::kWaiting;
    }
    const ProcessId& primary = state.map.primary(segment);
    for (uint32_t index = 0; index < work.contributions.size(); ++index) {
      Contribution& contribution = work.contributions[index];
      const bool there = contribution.delivery == Delivery::kDone && contribution.to == primary &&
                         contribution.term == state.term;
      contribution.queued = false;
      if (!there) {
        contribution.delivery = Delivery::kWaiting;
        enqueue(state, segment, index);
      }
    }
  }
}

void pump(Run& run) {
  WorkerState& state = run.state;
  if (!state.map_known() || !state.assigned) {
    return;
  }
  pump_initial(run);
  for (ServerQueue& queue : state.queues) {
    if (state.wants_parameters) {
      pump_pulls(run, queue);
    }
    pump_pushes(run, queue);
  }
}

void on_contribution(Run& run, const ContributionReady& event) {
  WorkerState& state = run.state;
  if (event.step != state.step || event.segment >= state.segments.size()) {
    return;
  }
  auto& contributions = state.segments[event.segment].contributions;
  const bool known = std::any_of(contributions.begin(), contributions.end(),
                                 [&](const Contribution& c) { return c.node == event.node; });
  if (known) {
    return;
  }
  contributions.push_back({.node = event.node,
                           .sum = event.sum,
                           .delivery = Delivery::kWaiting,
                           .queued = false,
                           .to = {}});
  enqueue(state, event.segment, static_cast<uint32_t>(contributions.size() - 1));
  ServerQueue* queue = queue_of(state, event.segment);
  if (queue != nullptr && state.map_known() && state.assigned) {
    pump_pushes(run, *queue);
  }
}

void on_initial(Run& run, const InitialReady& event) {
  if (event.segment < run.state.segments.size()) {
    run.state.segments[event.segment].initial_ready = true;
    pump(run);
  }
}

void on_evaluation(Run& run, const EvaluationReady& event) {
  WorkerState& state = run.state;
  if (event.version != state.step) {
    return;
  }
  state.evaluations[event.index] = event.sum;
  if (state.joined) {
    run.send(state.coordinator,
             EvaluationDone{state.term, state.origin, event.version, event.index, event.sum});
  }
}

void send_evaluations(Run& run) {
  WorkerState& state = run.state;
  state.evaluations_sent_ms = run.now;
  for (const auto& [index, sum] : state.evaluations) {
    run.send(state.coordinator, EvaluationDone{state.term, state.origin, state.step, index, sum});
  }
}

void on_push_ack(Run& run, const ProcessId& from, const PushAck& ack) {
  WorkerState& state = run.state;
  heard_of_term(run, ack.term);
  if (ack.step != state.step || ack.segment >= state.segments.size()) {
    return;
  }
  auto& contributions = state.segments[ack.segment].contributions;
  for (uint32_t index = 0; index < contributions.size(); ++index) {
    Contribution& contribution = contributions[index];
    if (contribution.node != ack.node || contribution.to != from ||
        contribution.delivery != Delivery::kInFlight || ack.term != state.term) {
      continue;
    }
    ServerQueue* queue = queue_of(state, from);
    if (queue != nullptr && queue->pushes_in_flight > 0) {
      --queue->pushes_in_flight;
    }
    if (ack.status == DataStatus::kOk || ack.status == DataStatus::kGone) {
      contribution.delivery = Delivery::kDone;
      contribution.term = state.term;
    } else {
      contribution.delivery = Delivery::kWaiting;
      if (queue != nullptr) {
        queue->retry.emplace_back(ack.segment, index);
      }
    }
    if (queue != nullptr && state.map_known()) {
      pump_pushes(run, *queue);
    }
    return;
  }
}

void on_initial_ack(Run& run, const ProcessId& from, const PushInitialAck& ack) {
  WorkerState& state = run.state;
  heard_of_term(run, ack.term);
  if (ack.origin != state.origin || ack.term != state.term ||
      ack.segment >= state.segments.size()) {
    return;
  }
  SegmentWork& work = state.segments[ack.segment];
  if (work.initial == Delivery::kInFlight && work.initial_to == from &&
      ack.status == DataStatus::kOk && ack.map >= state.map.version) {
    work.initial = Delivery::kDone;
    work.initial_under = ack.map;
  }
}

void on_pull_reply(Run& run, const ProcessId& from, const PullReply& reply) {
  WorkerState& state = run.state;
  heard_of_term(run, reply.term);
  if (reply.version != state.step || reply.term != state.term ||
      reply.segment >= state.segments.size()) {
    return;
  }
  SegmentWork& work = state.segments[reply.segment];
  if (work.pull != Delivery::kInFlight || work.pull_from != from) {
    return;
  }
  ServerQueue* queue = queue_of(state, from);
  if (queue != nullptr && queue->pulls_in_flight > 0) {
    --queue->pulls_in_flight;
  }
  if (reply.status == DataStatus::kOk) {
    work.pull = Delivery::kDone;
    work.pulled = true;
    run.out.push_back(AcceptParameters{reply.segment, reply.version});
  } else {
    // Not yet, or another map: the next tick asks again. Gone: a newer assignment is under way.
    work.pull = Delivery::kWaiting;
  }
  if (queue != nullptr && state.map_known()) {
    pump_pulls(run, *queue);
  }
}

void tick_data(Run& run) {
  WorkerState& state = run.state;
  if (state.ended || !state.map_known() || !state.assigned) {
    return;
  }
  for (ServerQueue& queue : state.queues) {
    for (const auto& [segment, index] : queue.retry) {
      if (index < state.segments[segment].contributions.size()) {
        enqueue(state, segment, index);
      }
    }
    queue.retry.clear();
    queue.next_pull = 0;  // what is still waiting is asked for again
  }
  for (SegmentId segment = 0; segment < state.segments.size(); ++segment) {
    SegmentWork& work = state.segments[segment];
    ServerQueue& queue = *queue_of(state, segment);
    if (work.pull == Delivery::kInFlight && run.due(work.pull_sent_ms)) {
      work.pull = Delivery::kWaiting;
      queue.pulls_in_flight -= queue.pulls_in_flight > 0 ? 1 : 0;
    }
    for (uint32_t index = 0; index < work.contributions.size(); ++index) {
      Contribution& contribution = work.contributions[index];
      if (contribution.delivery == Delivery::kInFlight && run.due(contribution.sent_ms)) {
        contribution.delivery = Delivery::kWaiting;
        queue.pushes_in_flight -= queue.pushes_in_flight > 0 ? 1 : 0;
        enqueue(state, segment, index);
      }
    }
  }
  if (state.joined && !state.evaluations.empty() && run.due(state.evaluations_sent_ms)) {
    send_evaluations(run);
  }
  pump(run);
}

}  // namespace ballast::worker
