// After the last step: the evaluation of the last version, the checkpoint, the end. And the ends
// that come early.
#include <algorithm>
#include <numeric>

#include <fmt/format.h>

#include "services/core/coordinator_steps.h"
#include "services/core/placement.h"
#include "services/core/tree.h"

namespace ballast::coordinator {
namespace {

constexpr uint32_t kCheckpointAttempts = 3;
constexpr TimeMs kSuspendAgainMs = 5000;  // where the checkpoint could not be written

void dismiss_workers(Run& run, bool failed, const std::string& reason) {
  for (const auto& [id, worker] : run.state.workers) {
    run.send(id, Finish{run.state.term(), failed, reason});
  }
}

std::vector<SegmentId> segments_of(const CoordinatorState& state, const ProcessId& server) {
  std::vector<SegmentId> segments;
  for (SegmentId segment = 0; segment < state.map.segments.size(); ++segment) {
    if (state.map.primary(segment) == server) {
      segments.push_back(segment);
    }
  }
  return segments;
}

void order_part(Run& run, ServerInfo& server) {
  const CheckpointUnderWay& writing = *run.state.writing;
  const auto segments = writing.writers.find(server.member.id);
  if (segments == writing.writers.end()) {
    return;
  }
  server.checkpoint_sent_ms = run.now;
  run.send(server.member.id, WriteCheckpoint{.term = run.state.term(),
                                             .version = writing.version,
                                             .attempt = writing.attempt,
                                             .directory = writing.directory,
                                             .segments = segments->second});
}

// Of the version that all segments have now: the order reaches each server before the next record.
void start_checkpoint(Run& run) {
  CoordinatorState& state = run.state;
  auto& [version, attempt] = state.attempts;
  attempt = version == state.step ? attempt + 1 : 1;
  version = state.step;
  state.checkpoint_begun_ms = run.now;
  state.writing = CheckpointUnderWay{
      .version = version,
      .attempt = attempt,
      .directory = fmt::format("{}/step-{}-term-{}-attempt-{}", state.training().checkpoint_path,
                               version, state.term(), attempt),
      .last = state.last,
      .writers = {},
      .manifest_asked = false};
  for (auto& [id, server] : state.servers) {
    server.part.reset();
    auto segments = segments_of(state, id);
    if (!segments.empty()) {
      state.writing->writers.emplace(id, std::move(segments));
      order_part(run, server);
    }
  }
}

void ask_manifest_when_written(Run& run) {
  CoordinatorState& state = run.state;
  CheckpointUnderWay& writing = *state.writing;
  std::vector<CheckpointPart> parts;
  for (const auto& [id, segments] : writing.writers) {
    const auto server = state.servers.find(id);
    if (server == state.servers.end() || !server->second.part) {
      return;
    }
    parts.push_back(*server->second.part);
  }
  std::sort(parts.begin(), parts.end(), [](const CheckpointPart& a, const CheckpointPart& b) {
    return a.first_segment < b.first_segment;
  });
  writing.manifest_asked = true;
  run.out.push_back(SaveManifest{.version = writing.version,
                                 .term = state.term(),
                                 .origin = state.origin,
                                 .attempt = writing.attempt,
                                 .directory = writing.directory,
                                 .identity = *state.identity,
                                 .training = state.training(),
                                 .last = writing.last,
                                 .parts = std::move(parts)});
}

bool suspending(const CoordinatorState& state) {
  return state.suspend && state.step < state.training().steps;
}

// The last one is tried again at once, others between the next two steps. Training never stops for
// one that cannot be written; a job that cannot write its last one has failed; one that cannot be
// suspended waits for a better disk or another wish.
void try_checkpoint_again(Run& run, const std::string& error) {
  CoordinatorState& state = run.state;
  const Step version = state.writing->version;
  state.writing.reset();
  ++state.checkpoint_failures;
  const bool last = state.phase == JobPhase::kCheckpointing;
  if (state.checkpoint_failures < kCheckpointAttempts) {
    if (last) {
      start_checkpoint(run);
    } else {
      state.checkpoint_wanted = true;
    }
    return;
  }
  state.checkpoint_failure = error;
  if (last && suspending(state)) {
    state.checkpoint_failures = 0;
    state.checkpoint_failed_ms = run.now;
    send_progress(run);
  } else if (last) {
    fail_job(run,
             fmt::format("the checkpoint of version {} could not be written: {}", version, error));
  } else {
    send_progress(run);  // it is given up until the next is due
  }
}

void finish(Run& run) {
  if (suspending(run.state)) {
    enter(run, JobPhase::kSuspended);
    return;
  }
  enter(run, JobPhase::kDone);
  dismiss_workers(run, false, "the job is done");
}

}  // namespace

void begin_final_evaluation(Run& run) {
  CoordinatorState& state = run.state;
  enter(run, JobPhase::kFinalEvaluation);
  const uint32_t batches = state.training().evaluation_batches;
  state.evaluations.assign(batches, std::nullopt);
  state.evaluations_missing = batches;
  state.orphan_evaluations.resize(batches);
  std::iota(state.orphan_evaluations.begin(), state.orphan_evaluations.end(), 0u);
  assign_all(run);  // without batches too: nobody keeps the microbatches of the last step
  if (batches == 0) {
    begin_checkpoint(run);
  }
}

void finish_evaluation(Run& run) {
  CoordinatorState& state = run.state;
  std::vector<LossSum> parts;
  for (const auto& part : state.evaluations) {
    parts.push_back(part.value_or(LossSum{}));
  }
  state.latest_evaluation = sum_in_tree(std::move(parts));
  state.evaluation_version = state.step;
  begin_checkpoint(run);
}

void begin_checkpoint(Run& run) {
  CoordinatorState& state = run.state;
  if (state.training().checkpoint_path.empty()) {
    finish(run);
    return;
  }
  enter(run, JobPhase::kCheckpointing);
  state.checkpoint_wanted = false;
  state.checkpoint_failures = 0;
  start_checkpoint(run);  // whatever was being written is not needed any more
}

// Where no step was made since a checkpoint or the beginning, there is nothing to write.
void suspend(Run& run) {
  const CoordinatorState& state = run.state;
  const Step begun_at = state.restore ? state.restore->version : 0;
  if (state.step == begun_at) {
    enter(run, JobPhase::kSuspended);
  } else {
    begin_checkpoint(run);
  }
}

void begin_checkpoint_when_due(Run& run) {
  CoordinatorState& state = run.state;
  const TrainingSettings& training = state.training();
  if (state.checkpoint_begun_ms == 0) {
    state.checkpoint_begun_ms = run.now;
  }
  const bool time = training.checkpoint_every_ms > 0 && !training.checkpoint_path.empty() &&
                    state.step > 0 &&
                    run.now - state.checkpoint_begun_ms >= training.checkpoint_every_ms;
  if ((time || checkpoint_due(training, state.step)) &&
      !(state.restore && state.restore->version == state.step)) {
    state.checkpoint_wanted = true;
    state.checkpoint_failures = 0;
  }
  if (state.checkpoint_wanted && !state.writing) {
    state.checkpoint_wanted = false;
    start_checkpoint(run);
  }
}

void abandon_checkpoint_without(Run& run) {
  CoordinatorState& state = run.state;
  if (!state.writing || state.writing->manifest_asked) {
    return;
  }
  for (const auto& [id, segments] : state.writing->writers) {
    if (!state.servers.contains(id)) {
      state.checkpoint_failures = 0;
      try_checkpoint_again(run, fmt::format("{} was lost while it wrote", id.name));
      state.checkpoint_failures = 0;  // no fault of the disk
      return;
    }
  }
}

void on_checkpoint_written(Run& run, const ProcessId& from, const CheckpointWritten& message) {
  CoordinatorState& state = run.state;
  const auto server = state.servers.find(from);
  if (!state.writing || message.term != state.term() || message.version != state.writing->version ||
      message.attempt != state.writing->attempt || server == state.servers.end() ||
      server->second.part || state.writing->manifest_asked) {
    return;
  }
  if (!message.part) {
    try_checkpoint_again(run, fmt::format("{}: {}", from.name, message.error));
    return;
  }
  server->second.part = message.part;
  ask_manifest_when_written(run);
}

void on_manifest_written(Run& run, const ManifestWritten& event) {
  CoordinatorState& state = run.state;
  if (!state.writing || !state.writing->manifest_asked ||
      event.directory != state.writing->directory) {
    return;
  }
  if (!event.error.empty()) {
    try_checkpoint_again(run, event.error);
    return;
  }
  state.checkpoint = event.directory;
  state.checkpoint_failure.clear();
  state.writing.reset();
  if (state.phase == JobPhase::kCheckpointing) {
    finish(run);
  } else {
    send_progress(run);
  }
}

void tick_checkpoint(Run& run) {
  CoordinatorState& state = run.state;
  if (state.phase == JobPhase::kCheckpointing && !state.writing &&
      run.now - state.checkpoint_failed_ms >= kSuspendAgainMs) {
    start_checkpoint(run);
    return;
  }
  if (!state.writing || state.writing->manifest_asked) {
    return;
  }
  for (auto& [id, server] : state.servers) {
    if (!server.part && run.due(server.checkpoint_sent_ms)) {
      order_part(run, server);
    }
  }
}

void enter(Run& run, JobPhase phase) {
  run.state.phase = phase;
  run.out.push_back(FactPhase{phase, run.state.failure});
  send_progress(run);
}

void fail_job(Run& run, std::string reason) {
  run.state.failure = std::move(reason);
  run.state.pending.reset();
  enter(run, JobPhase::kFailed);
  dismiss_workers(run, true, run.state.failure);
}

void lose_job(Run& run, std::string reason) {
  run.state.failure = std::move(reason);
  run.state.pending.reset();
  run.state.writing.reset();
  enter(run, JobPhase::kLost);
}

void retire(Run& run) {
  run.state.retired = true;
  run.out.push_back(FactPhase{JobPhase::kFailed, "another coordinator was appointed"});
}

// Workers need not find out by silence.
void hand_over(Run& run, const Seal& newer) {
  for (const auto& [id, worker] : run.state.workers) {
    run.send(id, Redirect{newer.term, newer.coordinator});
  }
  retire(run);
}

void send_progress(Run& run) {
  CoordinatorState& state = run.state;
  state.progress_sent_ms = run.now;
  const bool needs_workers = state.phase == JobPhase::kInitialising ||
                             state.phase == JobPhase::kTraining ||
                             state.phase == JobPhase::kFinalEvaluation;
  Progress progress;
  progress.term = state.term();
  progress.number = ++state.progress_number;
  progress.phase =
      needs_workers && state.workers.empty() ? JobPhase::kWaitingForWorkers : state.phase;
  progress.step = state.step;
  progress.last = state.last;
  progress.evaluation = state.latest_evaluation;
  progress.evaluation_version = state.evaluation_version;
  progress.workers = static_cast<uint32_t>(state.workers.size());
  progress.skipped = state.skipped;
  progress.degraded = degraded(state);
  progress.members = state.members_number;
  progress.checkpoint = state.checkpoint;
  progress.failure = state.failure;
  progress.checkpoint_failure = state.checkpoint_failure;
  progress.plan = state.plan;
  run.send(state.operator_id, std::move(progress));
}

}  // namespace ballast::coordinator
