#include "operator/core/membership.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "operator/core/advance.h"
#include "operator/core/checkpoint_list.h"
#include "operator/core/decide.h"

namespace ballast::decide {
namespace {

using api::ConditionType;
using api::MemberStatus;

bool coordinator_is_silent(const Draft& draft) {
  const Observed& observed = draft.observed;
  return draft.next.term > 0 && !draft.next.coordinator.empty() && observed.coordinator_heard_ms &&
         observed.now_ms - *observed.coordinator_heard_ms >= kCoordinatorSilenceMs;
}

bool coordinator_stands(const Draft& draft) {
  const Observed& observed = draft.observed;
  return draft.next.term > 0 && !draft.next.coordinator.empty() && observed.standing_since_ms &&
         observed.now_ms - *observed.standing_since_ms >= kStandingMs;
}

// If nobody answers, the fault may be ours.
bool another_answers(const Draft& draft, const MemberStatus& than) {
  return std::any_of(
      draft.next.members.begin(), draft.next.members.end(),
      [&](const MemberStatus& member) { return member != than && !draft.is_silent(member); });
}

// A member that lives goes only when another process and we ourselves cannot reach it, and never
// while it may hold the last replica of a segment.
bool may_remove_living(const Draft& draft, const MemberStatus& member) {
  const auto& requests = draft.observed.remove_requests;
  const bool asked =
      std::any_of(requests.begin(), requests.end(), [&](const RemoveRequest& request) {
        return !request.left && request.term == draft.next.term && request.name == member.name &&
               request.incarnation == member.incarnation;
      });
  return (asked || (draft.is_coordinator(member) && coordinator_is_silent(draft))) &&
         draft.is_silent(member) && another_answers(draft, member) &&
         draft.observed.job.spec.servers.replication >= 2 &&
         !is_true(draft.next, ConditionType::kDegraded);
}

// The term is written here and sent only afterwards. Any member can coordinate: the first that
// answers and is not the one before, if there is one.
void appoint(Draft& draft) {
  auto& next = draft.next;
  const auto rank = [&](const MemberStatus& member) {
    return std::tuple{draft.is_silent(member), !stays(next, member.name),
                      next.term > 0 && draft.is_coordinator(member)};
  };
  const auto chosen = std::min_element(
      next.members.begin(), next.members.end(),
      [&](const MemberStatus& a, const MemberStatus& b) { return rank(a) < rank(b); });
  const MemberStatus coordinator = *chosen;
  next.term += 1;
  next.coordinator = coordinator.name;
  next.coordinator_incarnation = coordinator.incarnation;
  next.start = next.origin > 0             ? api::StartMode::kContinue
               : next.restore_from.empty() ? api::StartMode::kInitialise
                                           : api::StartMode::kRestore;
}

std::vector<MemberStatus> ready_servers(const Draft& draft) {
  std::vector<MemberStatus> ready;
  for (const Process* process : draft.processes.all()) {
    if (process->role != Role::kServer || process->state != ProcessState::kReady ||
        process->index >= draft.next.planned_servers || process->stopping_since_ms ||
        find_removed(draft.next, *process)) {
      continue;
    }
    ready.push_back({process_name(process->role, process->index), process->incarnation,
                     process->address, process->node});
  }
  return ready;
}

// It counts as gone with its node, which may come back, and must find itself removed then.
bool may_live(const Draft& draft, const MemberStatus& member) {
  const Process* process = draft.processes.find(member.name);
  return process != nullptr && process->lost && process->incarnation == member.incarnation;
}

// Of those that live and that nobody can reach, one.
std::vector<std::string> find_lost(Draft& draft) {
  std::vector<std::string> lost;
  for (const MemberStatus& member : draft.next.members) {
    if (!draft.is_gone(member)) continue;
    lost.push_back(member.name);
    if (may_live(draft, member))
      draft.next.removed.push_back({member.name, member.incarnation, draft.observed.now_ms});
  }
  if (!lost.empty()) return lost;
  for (const MemberStatus& member : draft.next.members) {
    if (!may_remove_living(draft, member)) continue;
    draft.next.removed.push_back({member.name, member.incarnation, draft.observed.now_ms});
    return {member.name};
  }
  return {};
}

}  // namespace

void remove_lost_members(Draft& draft) {
  auto& next = draft.next;
  std::erase_if(next.removed, [&](const api::RemovedStatus& removed) {
    const MemberStatus member{removed.name, removed.incarnation, "", ""};
    return draft.is_gone(member) && !may_live(draft, member);
  });
  const std::vector<std::string> lost = find_lost(draft);
  if (lost.empty()) {
    const bool lost_segments =
        draft.report_counts() && draft.observed.report->phase == CoordinatorPhase::kLost;
    if (lost_segments && !next.coordinator.empty()) go_back(draft);
    return;
  }
  if (next.origin > 0) {
    draft.set(ConditionType::kDegraded, true, "ServerLost", lost.front() + " was lost");
  }
  std::erase_if(next.members, [&](const MemberStatus& member) {
    return std::find(lost.begin(), lost.end(), member.name) != lost.end();
  });
  next.members_number += 1;
  // With one replica a part of the parameters is lost with every server.
  if (next.members.empty() || draft.observed.job.spec.servers.replication < 2)
    return go_back(draft);
  if (std::find(lost.begin(), lost.end(), next.coordinator) != lost.end()) appoint(draft);
}

void let_members_leave(Draft& draft) {
  auto& next = draft.next;
  for (const RemoveRequest& request : draft.observed.remove_requests) {
    const auto member =
        std::find_if(next.members.begin(), next.members.end(), [&](const MemberStatus& known) {
          return known.name == request.name && known.incarnation == request.incarnation;
        });
    const bool granted = request.left && request.term == next.term &&
                         request.plan_number == next.plan_number && member != next.members.end() &&
                         !stays(next, request.name) && !draft.is_coordinator(*member);
    if (!granted) continue;
    next.removed.push_back({request.name, request.incarnation, draft.observed.now_ms});
    next.members.erase(member);
    next.members_number += 1;
  }
}

void replace_silent_coordinator(Draft& draft) {
  if ((!coordinator_is_silent(draft) && !coordinator_stands(draft)) ||
      draft.next.term != draft.observed.status.term ||
      draft.observed.job.spec.servers.replication < 2) {
    return;
  }
  for (const MemberStatus& member : draft.next.members) {
    if (draft.is_coordinator(member) && another_answers(draft, member)) return appoint(draft);
  }
}

void admit_members(Draft& draft) {
  auto& next = draft.next;
  std::vector<MemberStatus> ready = ready_servers(draft);
  const auto wanted = static_cast<size_t>(draft.next.planned_servers);
  if (next.coordinator.empty() && (ready.size() < wanted || !choose_restore(draft))) return;
  bool changed = false;
  for (MemberStatus& server : ready) {
    const auto same_name = [&](const MemberStatus& member) { return member.name == server.name; };
    if (std::any_of(next.members.begin(), next.members.end(), same_name)) continue;
    next.members.push_back(std::move(server));
    changed = true;
  }
  if (changed) {
    std::sort(next.members.begin(), next.members.end(),
              [](const MemberStatus& a, const MemberStatus& b) { return a.name < b.name; });
    next.members_number += 1;
  }
  if (next.coordinator.empty()) appoint(draft);
}

void take_origin(Draft& draft) {
  const auto& request = draft.observed.origin_request;
  if (request && request->term == draft.next.term && draft.next.origin == 0 &&
      !draft.next.coordinator.empty()) {
    draft.next.origin = request->origin;
    const auto members = static_cast<int64_t>(draft.next.members.size());
    if (members < draft.observed.job.spec.servers.replication) {
      draft.set(ConditionType::kDegraded, true, "ReplicasMissing",
                "there are fewer servers than spec.servers.replication");
    }
  }
}

void hand_over(Draft& draft) {
  const auto& next = draft.next;
  if (next.origin == 0 || next.coordinator.empty() || stays(next, next.coordinator) ||
      !draft.report_counts() || draft.observed.report->degraded != false ||
      draft.observed.report->members_number != next.members_number ||
      is_true(next, ConditionType::kDegraded)) {
    return;
  }
  const bool possible =
      std::any_of(next.members.begin(), next.members.end(), [&](const MemberStatus& member) {
        return stays(next, member.name) && !draft.is_silent(member) && !draft.is_gone(member);
      });
  if (possible) appoint(draft);
}

void go_back(Draft& draft) {
  auto& next = draft.next;
  next.coordinator.clear();
  next.coordinator_incarnation = 0;
  next.origin = 0;
  next.restore_from = newest_whole(next);
}

}  // namespace ballast::decide
