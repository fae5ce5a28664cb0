#include "operator/core/advance.h"

#include <utility>

#include "operator/core/checkpoint_list.h"
#include "operator/core/conditions.h"
#include "operator/core/decide.h"
#include "operator/core/draft.h"
#include "operator/core/membership.h"
#include "operator/core/outcome.h"
#include "operator/core/process_index.h"
#include "operator/core/restarts.h"

namespace ballast::decide {

using api::ConditionType;

api::TrainingJobStatus advance(const Observed& observed) {
  Draft draft(observed);
  list_checkpoints(draft);
  if (is_true(draft.next, ConditionType::kSucceeded) || is_true(draft.next, ConditionType::kFailed))
    return draft.next;
  number_plan(draft);
  if (draft.next.start_ms == 0) draft.next.start_ms = std::max<TimeMs>(1, observed.now_ms);
  judge_outcome(draft);
  for (const auto& step :
       {count_ends, remove_lost_members, let_members_leave, replace_silent_coordinator, take_found,
        admit_members, take_origin, hand_over}) {
    if (!has_outcome(draft.next)) step(draft);
  }
  tell_processes(draft);
  tell_policies(draft);
  tell_progress(draft);
  tell_created(draft);
  return draft.next;
}

void adopt_written(Observed& observed, api::TrainingJobStatus written) {
  if (written.term > observed.status.term) {
    observed.coordinator_heard_ms = observed.now_ms;
    observed.standing_since_ms.reset();
  }
  observed.status = std::move(written);
  observed.checked.clear();
  observed.abandoned.clear();
  observed.deleted.clear();
  observed.found.reset();
  observed.wish = {};
}

void excuse(Observed& observed, TimeMs late_ms) {
  const auto move = [&](std::optional<TimeMs>& since_ms) {
    if (since_ms) since_ms = std::min(*since_ms + late_ms, observed.now_ms);
  };
  move(observed.coordinator_heard_ms);
  move(observed.standing_since_ms);
}

void remember(Observed& observed, RemoveRequest request) {
  constexpr size_t kMost = 256;
  auto& requests = observed.remove_requests;
  std::erase_if(requests, [&](const RemoveRequest& known) {
    return known.name == request.name && known.incarnation == request.incarnation;
  });
  if (requests.size() < kMost) requests.push_back(std::move(request));
}

const api::Condition* find_condition(const api::TrainingJobStatus& status, ConditionType type) {
  for (const api::Condition& condition : status.conditions) {
    if (condition.type == type) return &condition;
  }
  return nullptr;
}

bool is_true(const api::TrainingJobStatus& status, ConditionType type) {
  const api::Condition* condition = find_condition(status, type);
  return condition != nullptr && condition->status;
}

bool has_outcome(const api::TrainingJobStatus& status) {
  return is_true(status, ConditionType::kSucceeded) || is_true(status, ConditionType::kFailed) ||
         is_true(status, ConditionType::kSuspended);
}

bool stays(const api::TrainingJobStatus& status, const std::string& server) {
  const auto parsed = parse_process_name(server);
  return parsed && parsed->first == Role::kServer && parsed->second < status.planned_servers;
}

bool is_parked(const Observed& observed, const api::TrainingJobStatus& status) {
  return is_true(status, ConditionType::kSuspended) &&
         !is_true(status, ConditionType::kSucceeded) && !is_true(status, ConditionType::kFailed) &&
         !observed.stop_requested;
}

const api::RemovedStatus* find_removed(const api::TrainingJobStatus& status,
                                       const Process& process) {
  for (const api::RemovedStatus& removed : status.removed) {
    if (process.role == Role::kServer && process.incarnation == removed.incarnation &&
        process_name(process.role, process.index) == removed.name) {
      return &removed;
    }
  }
  return nullptr;
}

TimeMs doubled(TimeMs first_ms, int64_t times) {
  TimeMs wait = first_ms;
  for (int64_t i = 1; i < times && wait < kLongestBackoffMs; ++i) wait *= 2;
  return std::min(wait, kLongestBackoffMs);
}

const Process* find_process(const Observed& observed, Role role, int64_t index) {
  for (const Process& process : observed.processes) {
    if (process.role == role && process.index == index) return &process;
  }
  return nullptr;
}

const Process* find_process(const Observed& observed, const std::string& name) {
  const auto parsed = parse_process_name(name);
  return parsed ? find_process(observed, parsed->first, parsed->second) : nullptr;
}

}  // namespace ballast::decide
