#include "operator/core/conditions.h"

#include "operator/core/advance.h"
#include "operator/core/decide.h"

namespace ballast::decide {
namespace {

using api::ConditionType;

// The first wanted process that is not ready.
std::string missing_process(const Draft& draft) {
  const auto& spec = draft.observed.job.spec;
  for (const auto& [role, count] : {std::pair(Role::kServer, spec.servers.replicas),
                                    std::pair(Role::kWorker, spec.workers.replicas)}) {
    for (int64_t index = 0; index < count; ++index) {
      const Process* process = draft.processes.find(role, index);
      if (process == nullptr || process->state != ProcessState::kReady)
        return process_name(role, index);
    }
  }
  return "";
}

// A report counts when its coordinator knew the members of now.
void tell_degraded(Draft& draft, const CoordinatorReport& report) {
  if (!report.degraded || report.members_number != draft.next.members_number ||
      has_outcome(draft.next) ||
      *report.degraded == is_true(draft.next, ConditionType::kDegraded)) {
    return;
  }
  draft.set(ConditionType::kDegraded, *report.degraded,
            *report.degraded ? "ReplicasMissing" : "AllReplicas",
            *report.degraded ? "some segments have fewer replicas than spec.servers.replication"
                             : "every segment has all its replicas");
}

}  // namespace

void tell_readiness(Draft& draft) {
  if (has_outcome(draft.next)) {
    if (is_true(draft.next, ConditionType::kReady))
      draft.set(ConditionType::kReady, false, "Ended", "the job has an outcome");
    return;
  }
  const std::string missing = missing_process(draft);
  const bool ready = missing.empty() && !draft.next.coordinator.empty();
  const api::Condition* now = find_condition(draft.next, ConditionType::kReady);
  const std::string message = ready ? "every process is ready" : "waits for " + missing;
  if (now != nullptr && now->status == ready && now->message == message) return;
  draft.set(ConditionType::kReady, ready, ready ? "AllReady" : "Waiting", message);
}

void tell_progress(Draft& draft) {
  if (!draft.report_counts()) return;
  const CoordinatorReport& report = *draft.observed.report;
  tell_degraded(draft, report);
  // Until it has a map, a new coordinator does not know at which step the job stands.
  if (!report.degraded && report.phase == CoordinatorPhase::kWorking) return;
  auto& progress = draft.next.progress;
  const bool news = report.step != progress.step || report.checkpoint != progress.last_checkpoint;
  const bool due =
      has_outcome(draft.next) || draft.observed.now_ms - progress.at_ms >= kProgressEveryMs;
  if (news && due) progress = {report.step, report.loss, report.checkpoint, draft.observed.now_ms};
}

}  // namespace ballast::decide
