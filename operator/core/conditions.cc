#include "operator/core/conditions.h"

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "operator/core/advance.h"
#include "operator/core/decide.h"

namespace ballast::decide {
namespace {

using api::ConditionType;

constexpr TimeMs kShortestRateMs = 1'000;

// What hinders a process, for people.
struct Hindrance {
  std::string process;
  Trouble trouble;
};

template <typename Visit>  // visit(role, index)
void each_wanted(const Draft& draft, Visit visit) {
  for (int64_t i = 0; i < draft.next.planned_servers; ++i) visit(Role::kServer, i);
  for (int64_t i = 0; i < draft.next.planned_workers; ++i) visit(Role::kWorker, i);
}

// Tells the first of them; or goes on telling the one that was told, while it lasts: a condition
// that changes with each attempt would be a write with each attempt.
void tell_hindrance(Draft& draft, ConditionType type, const std::vector<Hindrance>& all) {
  const api::Condition* told = find_condition(draft.next, type);
  for (const Hindrance& one : all) {
    if (told != nullptr && !told->status && told->reason == one.trouble.reason &&
        told->message.starts_with(one.process + ": ")) {
      return;
    }
  }
  const Hindrance& first = all.front();
  draft.set(type, false, first.trouble.reason, first.process + ": " + first.trouble.message);
}

bool has_surplus(const Draft& draft) {
  const auto& processes = draft.processes.all();
  return std::any_of(processes.begin(), processes.end(), [&](const Process* process) {
    const bool server = process->role == Role::kServer;
    return process->state != ProcessState::kExited &&
           process->index >= (server ? draft.next.planned_servers : draft.next.planned_workers);
  });
}

void tell_running(Draft& draft) {
  bool ready = !draft.next.coordinator.empty();
  std::vector<Hindrance> hindered;
  each_wanted(draft, [&](Role role, int64_t index) {
    const Process* process = draft.processes.find(role, index);
    if (process != nullptr && process->state == ProcessState::kReady) return;
    ready = false;
    if (process == nullptr || !process->hindered || process->trouble.reason.empty()) return;
    hindered.push_back({process_name(role, index), process->trouble});
  });
  const api::Condition* told = find_condition(draft.next, ConditionType::kRunning);
  if (ready) {
    if (told == nullptr || !told->status)
      draft.set(ConditionType::kRunning, true, "AllReady", "every process is ready");
  } else if (!hindered.empty()) {
    tell_hindrance(draft, ConditionType::kRunning, hindered);
  } else if (told == nullptr || told->status || told->reason != "Waiting") {
    draft.set(ConditionType::kRunning, false, "Waiting", "not every process is ready");
  }
}

// What was begun with a loss or a new number has come to its end.
void tell_settled(Draft& draft) {
  if (!is_true(draft.next, ConditionType::kRunning)) return;
  if (is_true(draft.next, ConditionType::kRestarting))
    draft.set(ConditionType::kRestarting, false, "AllReady", "every process is ready");
  const auto members = static_cast<int64_t>(draft.next.members.size());
  if (is_true(draft.next, ConditionType::kScaling) && !has_surplus(draft) &&
      members == draft.next.planned_servers) {
    draft.set(ConditionType::kScaling, false, "AllReady", "there are as many as the spec says");
  }
}

// A report counts when its coordinator knew the members of now.
void tell_degraded(Draft& draft, const CoordinatorReport& report) {
  // Before the origin is complete there is nothing that could be missing.
  if (!report.degraded || draft.next.origin == 0 ||
      report.members_number != draft.next.members_number || has_outcome(draft.next) ||
      *report.degraded == is_true(draft.next, ConditionType::kDegraded)) {
    return;
  }
  draft.set(ConditionType::kDegraded, *report.degraded,
            *report.degraded ? "ReplicasMissing" : "AllReplicas",
            *report.degraded ? "some segments have fewer replicas than spec.servers.replication"
                             : "every segment has all its replicas");
}

// Between the last write and now; as it was where that is too short to tell.
int64_t tokens_per_second(const Draft& draft, const CoordinatorReport& report) {
  const auto& progress = draft.next.progress;
  const TimeMs elapsed_ms = draft.observed.now_ms - progress.at_ms;
  const int64_t steps = report.step - progress.step;
  if (progress.at_ms == 0 || elapsed_ms < kShortestRateMs || steps <= 0 || report.step_tokens == 0)
    return progress.tokens_per_second;
  const double tokens = static_cast<double>(steps) * static_cast<double>(report.step_tokens);
  return static_cast<int64_t>(tokens * 1000 / static_cast<double>(elapsed_ms));
}

}  // namespace

void tell_processes(Draft& draft) {
  if (has_outcome(draft.next)) {
    for (const ConditionType type : {ConditionType::kRunning, ConditionType::kRestarting,
                                     ConditionType::kScaling, ConditionType::kPoliciesHeld}) {
      if (is_true(draft.next, type)) draft.set(type, false, "Ended", "the job has an outcome");
    }
    return;
  }
  tell_running(draft);
  tell_settled(draft);
}

void tell_created(Draft& draft) {
  if (has_outcome(draft.next)) return;
  std::vector<Hindrance> refused;
  bool all_exist = true;
  std::map<std::pair<Role, int64_t>, const StartRefusal*> refusals;
  for (const StartRefusal& one : draft.observed.refusals) refusals[{one.role, one.index}] = &one;
  each_wanted(draft, [&](Role role, int64_t index) {
    all_exist = all_exist && draft.processes.find(role, index) != nullptr;
    const auto refusal = refusals.find({role, index});
    if (refusal == refusals.end()) return;
    refused.push_back({process_name(role, index), refusal->second->trouble});
  });
  if (!refused.empty()) return tell_hindrance(draft, ConditionType::kCreated, refused);
  if (!all_exist || is_true(draft.next, ConditionType::kCreated)) return;
  const bool alone = draft.next == draft.observed.status;
  if (alone && draft.observed.now_ms < created_is_told_ms(draft.observed, draft.next)) return;
  draft.set(ConditionType::kCreated, true, "AllCreated", "every process was started");
}

TimeMs created_is_told_ms(const Observed& observed, const api::TrainingJobStatus& status) {
  return observed.pods ? status.start_ms + kCreatedPatienceMs : 0;
}

void tell_policies(Draft& draft) {
  if (has_outcome(draft.next)) return draft.next.recommendations.clear();
  if (!draft.observed.standing) return;
  const PolicyStanding& standing = *draft.observed.standing;
  draft.next.recommendations = standing.recommendations;
  const api::Condition* told = find_condition(draft.next, ConditionType::kPoliciesHeld);
  const bool was_held = told != nullptr && told->status;
  if (standing.held) {
    const bool news = !was_held || told->reason != standing.held->reason ||
                      told->message != standing.held->message;
    if (news)
      draft.set(ConditionType::kPoliciesHeld, true, standing.held->reason, standing.held->message);
  } else if (was_held) {
    draft.set(ConditionType::kPoliciesHeld, false, "SoundSamples",
              "policies trust what they measure, and nobody else decides for them");
  }
}

void tell_progress(Draft& draft) {
  if (!draft.report_counts()) return;
  const CoordinatorReport& report = *draft.observed.report;
  tell_degraded(draft, report);
  // Until it has a map, a new coordinator does not know at which step the job stands.
  if ((!report.degraded || draft.next.origin == 0) && report.phase == CoordinatorPhase::kWorking)
    return;
  auto& progress = draft.next.progress;
  const bool news = report.step != progress.step || report.checkpoint != progress.last_checkpoint;
  const bool due = has_outcome(draft.next) ||
                   draft.observed.now_ms - progress.at_ms >= draft.observed.progress_every_ms;
  if (!news || !due) return;
  progress = {report.step, report.loss, report.checkpoint, tokens_per_second(draft, report),
              draft.observed.now_ms};
}

}  // namespace ballast::decide
