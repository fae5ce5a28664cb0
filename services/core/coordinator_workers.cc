// Workers: who they are, and which microbatches each is to compute. What a lost one held goes to
// the others at once.
#include <algorithm>

#include <fmt/format.h>

#include "services/core/coordinator_steps.h"
#include "services/core/shares.h"
#include "services/core/tree_layout.h"

namespace ballast::coordinator {
namespace {

// A reason to refuse, or nothing.
std::optional<JoinRefused> judge(const CoordinatorState& state, const JobIdentity& identity) {
  const auto valid = check_layout(identity.layout);
  if (!valid) {
    return JoinRefused{RefusalCode::kOtherLayout, valid.error().message};
  }
  if (layout_hash(identity.layout) != identity.layout_hash) {
    return JoinRefused{RefusalCode::kOtherLayout, "the layout does not have the hash it names"};
  }
  if (!state.identity) {
    return std::nullopt;
  }
  if (identity.layout != state.identity->layout) {
    return JoinRefused{RefusalCode::kOtherLayout,
                       fmt::format("layout {:016x}, the job has {:016x}", identity.layout_hash,
                                   state.identity->layout_hash)};
  }
  if (identity.data_fingerprint != state.identity->data_fingerprint) {
    return JoinRefused{RefusalCode::kOtherData,
                       fmt::format("data fingerprint '{}', the job has '{}'",
                                   identity.data_fingerprint, state.identity->data_fingerprint)};
  }
  if (state.training().reproducible &&
      identity.numerics_fingerprint != state.identity->numerics_fingerprint) {
    return JoinRefused{
        RefusalCode::kOtherNumerics,
        fmt::format("numerics fingerprint '{}', the job has '{}'", identity.numerics_fingerprint,
                    state.identity->numerics_fingerprint)};
  }
  return std::nullopt;
}

void send_assignment(Run& run, const ProcessId& id, WorkerInfo& worker) {
  const CoordinatorState& state = run.state;
  worker.assignment_sent_ms = run.now;
  run.send(id, Assignment{.term = state.term(),
                          .origin = state.origin,
                          .step = state.step,
                          .number = worker.number,
                          .map = state.map.version,
                          .microbatches = worker.microbatches,
                          .evaluations = worker.evaluations,
                          .initialise = worker.initialise});
}

void renew_assignment(Run& run, const ProcessId& id, WorkerInfo& worker) {
  std::sort(worker.microbatches.begin(), worker.microbatches.end());
  std::sort(worker.evaluations.begin(), worker.evaluations.end());
  worker.number = ++run.state.number;
  send_assignment(run, id, worker);
}

std::vector<WorkerInfo*> staying(CoordinatorState& state) {
  std::vector<WorkerInfo*> workers;
  for (auto& [id, worker] : state.workers) {
    if (!worker.leaving) {
      workers.push_back(&worker);
    }
  }
  return workers;
}

// Who can end the step under way: where nobody stays, those that leave after it.
std::vector<WorkerInfo*> able(CoordinatorState& state) {
  std::vector<WorkerInfo*> workers = staying(state);
  if (workers.empty()) {
    for (auto& [id, worker] : state.workers) {
      workers.push_back(&worker);
    }
  }
  return workers;
}

// Contiguous parts whose sizes differ by at most one; part i of `parts`.
template <typename T>
std::vector<T> share(const std::vector<T>& all, size_t i, size_t parts) {
  return {all.begin() + static_cast<std::ptrdiff_t>(all.size() * i / parts),
          all.begin() + static_cast<std::ptrdiff_t>(all.size() * (i + 1) / parts)};
}

// All of a new step: as the plan says, in whole subtrees as far as possible; without a plan, alike.
void share_out(CoordinatorState& state, const std::vector<WorkerInfo*>& workers) {
  if (state.worker_shares.empty()) {
    for (size_t i = 0; i < workers.size(); ++i) {
      workers[i]->microbatches = share(state.orphans, i, workers.size());
      workers[i]->evaluations = share(state.orphan_evaluations, i, workers.size());
    }
    return;
  }
  std::vector<std::string> names;
  for (const auto& [id, worker] : state.workers) {
    if (!worker.leaving) {
      names.push_back(id.name);
    }
  }
  const auto owners = lay_out(apportion(state.orphans.size(), state.worker_shares, names), {});
  for (size_t i = 0; i < owners.size(); ++i) {
    workers[owners[i]]->microbatches.push_back(state.orphans[i]);
  }
  auto next = state.orphan_evaluations.begin();
  const auto counts = apportion(state.orphan_evaluations.size(), state.worker_shares, names);
  for (size_t i = 0; i < workers.size(); ++i) {
    workers[i]->evaluations.assign(next, next + counts[i]);
    next += counts[i];
  }
}

template <typename T>
void append(std::vector<T>& to, const std::vector<T>& from) {
  to.insert(to.end(), from.begin(), from.end());
}

void accept(Run& run, const ProcessId& id) {
  CoordinatorState& state = run.state;
  const bool known = state.workers.contains(id);
  WorkerInfo& worker = state.workers[id];
  worker.heard_ms = run.now;
  run.send(id, JoinAccepted{state.term(), state.origin});
  if (!known) {
    run.out.push_back(FactMember{id, "joined"});
  }
  if (state.map.segments.empty()) {
    return;  // the first worker: the map comes next
  }
  send_map(run, id, worker);
  if (known) {
    send_assignment(run, id, worker);
  } else if (state.phase == JobPhase::kInitialising) {
    assign_initialisation(run);
  } else {
    renew_assignment(run, id, worker);
    assign_orphans(run);
  }
}

// Another incarnation of this worker has joined and was heard of since: no late message of a dead
// one.
bool namesake_lives(const CoordinatorState& state, const ProcessId& id) {
  return std::any_of(state.workers.begin(), state.workers.end(), [&](const auto& entry) {
    return entry.first.name == id.name && entry.first != id && entry.second.proven;
  });
}

// A new incarnation under an old name reports the old one lost.
void replace_namesakes(Run& run, const ProcessId& id) {
  std::vector<ProcessId> lost;
  for (const auto& [other, worker] : run.state.workers) {
    if (other.name == id.name && other.incarnation != id.incarnation) {
      lost.push_back(other);
    }
  }
  run.state.replaced.erase(id);
  for (const ProcessId& other : lost) {
    run.state.replaced.insert(other);
    lose_worker(run, other, "it was started again");
  }
}

void dismiss(Run& run, const ProcessId& id, bool failed, const std::string& reason) {
  run.send(id, Finish{run.state.term(), failed, reason});
}

}  // namespace

void on_join(Run& run, const ProcessId& from, const Join& message) {
  CoordinatorState& state = run.state;
  if (state.replaced.contains(from) && namesake_lives(state, from)) {
    return;  // an earlier life; if it is the later one after all, its namesake falls silent
  }
  if (state.phase == JobPhase::kLost) {
    return;  // whoever is appointed next answers
  }
  if (state.phase == JobPhase::kFailed) {
    dismiss(run, from, true, state.failure);
    run.send(from, JoinRefused{RefusalCode::kFinished, state.failure});
    return;
  }
  if (state.phase == JobPhase::kDone) {
    run.send(from, JoinRefused{RefusalCode::kFinished, "the job is done"});
    return;
  }
  if (state.phase == JobPhase::kSealing) {
    constexpr size_t kMaxWaiting = 4096;
    if (state.waiting.size() < kMaxWaiting) {
      state.waiting[from] = message;
    }
    return;
  }
  if (const auto refusal = judge(state, message.identity)) {
    run.send(from, *refusal);
    return;
  }
  replace_namesakes(run, from);
  if (!state.identity) {
    state.identity = message.identity;
  }
  accept(run, from);
  if (state.phase == JobPhase::kWaitingForWorkers) {
    begin_initialisation(run);
  }
}

void answer_waiting(Run& run) {
  const auto waiting = std::move(run.state.waiting);
  run.state.waiting.clear();
  for (const auto& [id, join] : waiting) {
    on_join(run, id, join);
  }
}

void on_heartbeat(Run& run, const ProcessId& from, const WorkerHeartbeat& message) {
  CoordinatorState& state = run.state;
  if (state.phase == JobPhase::kDone || state.phase == JobPhase::kFailed) {
    dismiss(run, from, state.phase == JobPhase::kFailed, state.failure);
    return;
  }
  const auto found = state.workers.find(from);
  if (found == state.workers.end()) {
    if (message.leaving) {
      dismiss(run, from, false, "left");
    } else if (state.phase != JobPhase::kSealing) {
      run.send(from, Redirect{state.term(), self_of(state)});
    }
    return;
  }
  WorkerInfo& worker = found->second;
  worker.heard_ms = run.now;
  worker.proven = true;
  worker.leaving |= message.leaving;
  const bool idle =
      worker.microbatches.empty() && worker.evaluations.empty() && worker.initialise.empty();
  // What a job begins with anybody can make: no step will end to let it go.
  if (worker.leaving && (idle || state.phase == JobPhase::kInitialising)) {
    dismiss(run, from, false, "left");
    lose_worker(run, from, "it has left");
    return;
  }
  run.send(from, JoinAccepted{state.term(), state.origin});
  if (state.map.segments.empty()) {
    return;
  }
  if (message.map < state.map.version && run.due(worker.map_sent_ms)) {
    send_map(run, from, worker);
  }
  const bool current =
      message.term == state.term() && message.step == state.step && message.number == worker.number;
  if (!current && run.due(worker.assignment_sent_ms)) {
    send_assignment(run, from, worker);
  }
}

void lose_worker(Run& run, const ProcessId& worker, const std::string& why) {
  CoordinatorState& state = run.state;
  const auto found = state.workers.find(worker);
  if (found == state.workers.end()) {
    return;
  }
  const auto lost = state.workers.extract(found);  // with its key, which the argument may be
  run.out.push_back(FactMember{lost.key(), why});
  append(state.orphans, lost.mapped().microbatches);
  append(state.orphan_evaluations, lost.mapped().evaluations);
  if (state.phase == JobPhase::kInitialising) {
    assign_initialisation(run);
  } else {
    assign_orphans(run);
  }
}

void assign_all(Run& run) {
  CoordinatorState& state = run.state;
  std::vector<ProcessId> left;
  for (auto& [id, worker] : state.workers) {
    worker.microbatches.clear();
    worker.evaluations.clear();
    worker.initialise.clear();
    if (worker.leaving) {
      left.push_back(id);
    }
  }
  for (const ProcessId& id : left) {
    dismiss(run, id, false, "left");
    state.workers.erase(id);
    run.out.push_back(FactMember{id, "it has left"});
  }
  const auto workers = staying(state);
  if (!workers.empty()) {
    share_out(state, workers);
    state.orphans.clear();
    state.orphan_evaluations.clear();
  }
  for (auto& [id, worker] : state.workers) {
    renew_assignment(run, id, worker);
  }
}

void assign_orphans(Run& run) {
  CoordinatorState& state = run.state;
  const bool training = state.phase == JobPhase::kTraining && !state.pending;
  if (!training && state.phase != JobPhase::kFinalEvaluation) {
    return;
  }
  std::erase_if(state.orphan_evaluations,
                [&](uint32_t index) { return state.evaluations[index].has_value(); });
  // Where every segment is prepared, nobody needs these microbatches any more.
  const bool needed = training && state.unprepared > 0 && !state.orphans.empty();
  const auto workers = able(state);
  if ((!needed && state.orphan_evaluations.empty()) || workers.empty()) {
    return;
  }
  std::sort(state.orphans.begin(), state.orphans.end());
  std::sort(state.orphan_evaluations.begin(), state.orphan_evaluations.end());
  for (size_t i = 0; i < workers.size(); ++i) {
    if (needed) {
      append(workers[i]->microbatches, share(state.orphans, i, workers.size()));
    }
    append(workers[i]->evaluations, share(state.orphan_evaluations, i, workers.size()));
  }
  if (needed) {
    state.orphans.clear();
  }
  state.orphan_evaluations.clear();
  for (auto& [id, worker] : state.workers) {
    if (std::find(workers.begin(), workers.end(), &worker) != workers.end()) {
      renew_assignment(run, id, worker);
    }
  }
}

void assign_initialisation(Run& run) {
  CoordinatorState& state = run.state;
  const auto workers = staying(state);
  if (workers.empty() || state.origin_complete || state.restore) {
    return;
  }
  std::vector<SegmentId> open;
  for (SegmentId segment = 0; segment < state.segments.size(); ++segment) {
    if (state.segments[segment].initialised != all_replica_bits(state, segment)) {
      open.push_back(segment);
    }
  }
  for (size_t i = 0; i < workers.size(); ++i) {
    workers[i]->initialise = share(open, i, workers.size());
  }
  for (auto& [id, worker] : state.workers) {
    renew_assignment(run, id, worker);
  }
}

void tick_workers(Run& run) {
  std::vector<ProcessId> silent;
  for (const auto& [id, worker] : run.state.workers) {
    if (run.now - worker.heard_ms >= run.state.options.worker_silence_ms) {
      silent.push_back(id);
    }
  }
  for (const ProcessId& id : silent) {
    lose_worker(run, id, "it has not been heard of");
  }
}

}  // namespace ballast::coordinator
