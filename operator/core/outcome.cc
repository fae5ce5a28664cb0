#include "operator/core/outcome.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "operator/core/advance.h"
#include "operator/core/checkpoint_list.h"
#include "operator/core/decide.h"
#include "operator/core/membership.h"
#include "operator/core/policy_wish.h"

namespace ballast::decide {
namespace {

using api::ConditionType;

// What was trained is in a checkpoint, or cannot get there.
bool may_suspend(const Draft& draft) {
  const Observed& observed = draft.observed;
  if (draft.next.origin == 0) return true;
  // One that rests by an earlier plan may have been told to go on by one between, and what could
  // not be written then may be written now.
  const bool reported =
      draft.report_counts() && observed.report->plan_number == draft.next.plan_number;
  if (reported && observed.report->phase == CoordinatorPhase::kSuspended) return true;
  return observed.stop_requested &&
         (observed.now_ms - observed.stop_requested_ms >= kStopPatienceMs ||
          (reported && !observed.report->checkpoint_failure.empty()));
}

// All that ran has ended, and it is known which checkpoint is whole, or will be when servers run.
bool may_resume(const Draft& draft) {
  const auto& processes = draft.processes.all();
  const auto& checkpoints = draft.next.checkpoints;
  return !draft.observed.job.spec.suspend && !draft.observed.stop_requested &&
         std::all_of(processes.begin(), processes.end(),
                     [](const Process* one) { return one->state == ProcessState::kExited; }) &&
         (draft.observed.checkpoints_by_servers ||
          std::none_of(checkpoints.begin(), checkpoints.end(), is_unread));
}

void tell_scaling(Draft& draft, const api::TrainingJobStatus& before) {
  std::string what;
  for (const auto& [role, from, to] :
       {std::tuple("servers", before.planned_servers, draft.next.planned_servers),
        std::tuple("workers", before.planned_workers, draft.next.planned_workers)}) {
    if (from == to) continue;
    what += (what.empty() ? "" : ", ") + std::string(role) + ": " + std::to_string(from) + " to " +
            std::to_string(to);
  }
  if (!what.empty()) draft.set(ConditionType::kScaling, true, "ReplicasChanged", what);
}

void resume(Draft& draft) {
  draft.set(ConditionType::kSuspended, false, "Resumed", "the processes of the job may run");
  draft.next.start_ms = std::max<TimeMs>(1, draft.observed.now_ms);
  draft.next.progress.at_ms = 0;  // the time without processes is no time of training
  draft.next.members.clear();
  draft.next.removed.clear();
  draft.next.members_number += 1;
  go_back(draft);
}

}  // namespace

void number_plan(Draft& draft) {
  const auto& spec = draft.observed.job.spec;
  api::TrainingJobStatus planned = draft.next;
  take_wish(draft.observed, planned);
  planned.planned_servers = wanted_servers(spec, planned);
  planned.planned_workers = wanted_workers(spec, planned);
  take_replacements(draft.observed, planned);
  take_memory(draft.observed, planned);
  planned.planned_steps = spec.training.steps;
  planned.planned_checkpoint_steps = spec.checkpoint.every_steps;
  planned.planned_checkpoint_seconds = spec.checkpoint.every_seconds;
  planned.planned_suspend = spec.suspend || draft.observed.stop_requested;
  if (planned == draft.next) return;
  planned.plan_number += 1;
  const api::TrainingJobStatus before = std::exchange(draft.next, std::move(planned));
  if (is_true(before, ConditionType::kCreated) && !has_outcome(before)) tell_scaling(draft, before);
}

void judge_outcome(Draft& draft) {
  const Observed& observed = draft.observed;
  const int64_t deadline_seconds = observed.job.spec.active_deadline_seconds;
  if (draft.report_counts() && observed.report->phase == CoordinatorPhase::kDone) {
    return draft.set(ConditionType::kSucceeded, true, "Trained", "all steps are committed");
  }
  if (draft.report_counts() && observed.report->phase == CoordinatorPhase::kFailed) {
    return draft.fail("TrainingFailed", observed.report->failure);
  }
  if (is_true(draft.next, ConditionType::kSuspended)) {
    if (may_resume(draft)) resume(draft);
    return;
  }
  if (deadline_seconds > 0 && observed.now_ms - draft.next.start_ms >= deadline_seconds * 1000) {
    return draft.fail("DeadlineExceeded", "spec.activeDeadlineSeconds, which is " +
                                              std::to_string(deadline_seconds) + ", has passed");
  }
  if (draft.next.planned_suspend && may_suspend(draft)) {
    draft.set(ConditionType::kSuspended, true,
              observed.stop_requested ? "StopRequested" : "SuspendedBySpec",
              "the processes of the job are stopped");
  }
}

}  // namespace ballast::decide
