#include "operator/local/control_events.h"

#include <algorithm>

#include "ballast/v1/control.pb.h"

namespace ballast::local {
namespace {

double mean(const v1::LossSum& sum) {
  return sum.tokens() == 0 ? 0 : sum.loss() / static_cast<double>(sum.tokens());
}

std::string phase_name(v1::JobPhase phase) {
  switch (phase) {
    case v1::JOB_SEALING:
      return "sealing";
    case v1::JOB_WAITING_FOR_WORKERS:
      return "waiting for workers";
    case v1::JOB_INITIALISING:
      return "initialising";
    case v1::JOB_TRAINING:
      return "training";
    case v1::JOB_FINAL_EVALUATION:
      return "final evaluation";
    case v1::JOB_CHECKPOINTING:
      return "writing the checkpoint";
    case v1::JOB_DONE:
      return "done";
    case v1::JOB_FAILED:
      return "failed";
    case v1::JOB_SUSPENDED:
      return "suspended";
    case v1::JOB_LOST:
      return "segments lost";
    default:
      return "unknown";
  }
}

// Before that a coordinator has no map to judge by.
bool knows_segments(v1::JobPhase phase) {
  return phase == v1::JOB_TRAINING || phase == v1::JOB_FINAL_EVALUATION ||
         phase == v1::JOB_CHECKPOINTING || phase == v1::JOB_WAITING_FOR_WORKERS;
}

Progress progress_of(const v1::Progress& from) {
  Progress to;
  to.report.term = from.term();
  to.report.phase = from.phase() == v1::JOB_DONE        ? decide::CoordinatorPhase::kDone
                    : from.phase() == v1::JOB_FAILED    ? decide::CoordinatorPhase::kFailed
                    : from.phase() == v1::JOB_LOST      ? decide::CoordinatorPhase::kLost
                    : from.phase() == v1::JOB_SUSPENDED ? decide::CoordinatorPhase::kSuspended
                                                        : decide::CoordinatorPhase::kWorking;
  to.report.step = static_cast<int64_t>(from.step());
  to.report.checkpoint = from.checkpoint();
  if (knows_segments(from.phase())) to.report.degraded = from.degraded();
  to.report.members_number = from.members();
  to.report.plan_number = from.plan();
  to.report.failure = from.failure();
  to.report.checkpoint_failure = from.checkpoint_failure();
  to.phase = phase_name(from.phase());
  to.training = from.phase() == v1::JOB_TRAINING;
  if (from.has_last()) {
    to.report.loss = mean(from.last().training());
    to.learning_rate = static_cast<double>(from.last().learning_rate());
    to.gradient_norm = from.last().gradient_norm();
    to.report.step_tokens = from.last().training().tokens();
  }
  if (from.has_evaluation() && from.evaluation().tokens() > 0)
    to.evaluation_loss = mean(from.evaluation());
  to.evaluation_version = from.evaluation_version();
  to.workers = from.workers();
  to.skipped = from.skipped();
  to.checkpoint_failure = from.checkpoint_failure();
  return to;
}

// Lists beyond that are cut; servers send shorter ones.
constexpr int kMostListed = 4'096;

std::vector<std::string> texts_of(const google::protobuf::RepeatedPtrField<std::string>& from) {
  const int count = std::min(from.size(), kMostListed);
  return {from.begin(), from.begin() + count};
}

CheckpointsFound found_of(const v1::CheckpointsFound& from) {
  CheckpointsFound to;
  to.path = from.path();
  to.found.error = from.error();
  to.found.newest = from.newest();
  to.found.complete = texts_of(from.complete());
  for (int i = 0; i < std::min(from.damaged_size(), kMostListed); ++i) {
    to.found.damaged.push_back({from.damaged(i).directory(), from.damaged(i).error()});
  }
  to.found.incomplete = texts_of(from.incomplete());
  to.found.highest_term = from.highest_term();
  return to;
}

}  // namespace

std::optional<ControlEvent> event_of(const v1::Frame& frame) {
  switch (frame.body_case()) {
    case v1::Frame::kProgress:
      return progress_of(frame.progress());
    case v1::Frame::kAskOrigin:
      return decide::OriginRequest{frame.ask_origin().term(), frame.ask_origin().origin()};
    case v1::Frame::kAskRemove: {
      const v1::AskRemove& ask = frame.ask_remove();
      return decide::RemoveRequest{ask.term(),   ask.member().name(), ask.member().incarnation(),
                                   ask.reason(), ask.left(),          ask.plan()};
    }
    case v1::Frame::kCheckpointVerified: {
      const v1::CheckpointVerified& answer = frame.checkpoint_verified();
      return CheckpointRead{{answer.directory(), answer.error()}, texts_of(answer.abandoned())};
    }
    case v1::Frame::kCheckpointDeleted:
      return CheckpointGone{frame.checkpoint_deleted().directory(),
                            frame.checkpoint_deleted().error()};
    case v1::Frame::kCheckpointsFound:
      return found_of(frame.checkpoints_found());
    default:
      return std::nullopt;
  }
}

}  // namespace ballast::local
