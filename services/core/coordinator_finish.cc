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
  CoordinatorState& state = run.state;
  auto segments = segments_of(state, server.member.id);
  if (segments.empty()) {
    return;
  }
  server.checkpoint_sent_ms = run.now;
  run.send(server.member.id, WriteCheckpoint{.term = state.term(),
                                             .version = state.step,
                                             .attempt = state.checkpoint_attempt,
                                             .directory = state.checkpoint_directory,
                                             .segments = std::move(segments)});
}

void ask_manifest_when_written(Run& run) {
  CoordinatorState& state = run.state;
  std::vector<CheckpointPart> parts;
  for (const auto& [id, server] : state.servers) {
    if (server.part) {
      parts.push_back(*server.part);
    } else if (!segments_of(state, id).empty()) {
      return;
    }
  }
  std::sort(parts.begin(), parts.end(), [](const CheckpointPart& a, const CheckpointPart& b) {
    return a.first_segment < b.first_segment;
  });
  state.manifest_asked = true;
  run.out.push_back(SaveManifest{.version = state.step,
                                 .term = state.term(),
                                 .origin = state.origin,
                                 .attempt = state.checkpoint_attempt,
                                 .directory = state.checkpoint_directory,
                                 .identity = *state.identity,
                                 .training = state.training(),
                                 .last = state.last,
                                 .parts = std::move(parts)});
}

void try_checkpoint_again(Run& run, const std::string& error) {
  if (run.state.checkpoint_attempt >= kCheckpointAttempts) {
    fail_job(run, fmt::format("the checkpoint of version {} could not be written: {}",
                              run.state.step, error));
  } else {
    begin_checkpoint(run);
  }
}

void finish(Run& run) {
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
  if (state.phase != JobPhase::kCheckpointing) {
    enter(run, JobPhase::kCheckpointing);
  }
  ++state.checkpoint_attempt;
  state.manifest_asked = false;
  state.checkpoint_directory =
      fmt::format("{}/step-{}-term-{}-attempt-{}", state.training().checkpoint_path, state.step,
                  state.term(), state.checkpoint_attempt);
  for (auto& [id, server] : state.servers) {
    server.part.reset();
    order_part(run, server);
  }
}

void on_checkpoint_written(Run& run, const ProcessId& from, const CheckpointWritten& message) {
  CoordinatorState& state = run.state;
  const auto server = state.servers.find(from);
  if (state.phase != JobPhase::kCheckpointing || message.term != state.term() ||
      message.version != state.step || message.attempt != state.checkpoint_attempt ||
      server == state.servers.end() || server->second.part) {
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
  if (state.phase != JobPhase::kCheckpointing || !state.manifest_asked ||
      event.directory != state.checkpoint_directory) {
    return;
  }
  if (!event.error.empty()) {
    try_checkpoint_again(run, event.error);
    return;
  }
  state.checkpoint = event.directory;
  finish(run);
}

void tick_checkpoint(Run& run) {
  CoordinatorState& state = run.state;
  if (state.phase != JobPhase::kCheckpointing || state.manifest_asked) {
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

void retire(Run& run) {
  run.state.retired = true;
  run.out.push_back(FactPhase{JobPhase::kFailed, "another coordinator was appointed"});
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
  // A replica that does not know yet that it is in sync cannot take over.
  progress.degraded =
      short_of_replicas(state.map, state.training().replication) ||
      std::any_of(state.servers.begin(), state.servers.end(),
                  [&](const auto& entry) { return entry.second.map < state.map.version; });
  progress.members = state.members_number;
  progress.checkpoint = state.checkpoint;
  progress.failure = state.failure;
  run.send(state.operator_id, std::move(progress));
}

}  // namespace ballast::coordinator
