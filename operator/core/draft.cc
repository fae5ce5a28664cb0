#include "operator/core/draft.h"

#include <algorithm>
#include <utility>

#include "operator/core/advance.h"
#include "operator/core/decide.h"

namespace ballast::decide {

void Draft::set(api::ConditionType type, bool status, std::string reason, std::string message) {
  const auto at = std::find_if(next.conditions.begin(), next.conditions.end(),
                               [&](const api::Condition& known) { return known.type >= type; });
  api::Condition condition{type, status, std::move(reason), std::move(message), observed.now_ms};
  if (at == next.conditions.end() || at->type != type) {
    next.conditions.insert(at, std::move(condition));
    return;
  }
  if (at->status == status) condition.since_ms = at->since_ms;
  *at = std::move(condition);
}

void Draft::fail(std::string reason, std::string message) {
  if (has_outcome(next)) return;
  set(api::ConditionType::kFailed, true, std::move(reason), std::move(message));
}

bool Draft::report_counts() const {
  return observed.report && observed.report->term == next.term && next.term > 0;
}

bool Draft::is_coordinator(const api::MemberStatus& member) const {
  return member.name == next.coordinator && member.incarnation == next.coordinator_incarnation;
}

bool Draft::is_gone(const api::MemberStatus& member) const {
  const Process* process = processes.find(member.name);
  return process == nullptr || process->state == ProcessState::kExited ||
         (process->incarnation != 0 && process->incarnation != member.incarnation);
}

bool Draft::is_silent(const api::MemberStatus& member) const {
  const Process* process = processes.find(member.name);
  return process != nullptr &&
         observed.now_ms - std::max(process->heard_ms, observed.watching_since_ms) >=
             kSilenceToAgreeMs;
}

std::string how_it_ended(const Process& process) {
  const Trouble& trouble = process.trouble;
  std::string text = process_name(process.role, process.index);
  if (process.taken) {
    text += " was taken away";
  } else if (process.exit_signal != 0) {
    text += " was ended by signal " + std::to_string(process.exit_signal);
  } else {
    text += " ended with code " + std::to_string(process.exit_code);
  }
  if (trouble.reason.empty()) return text;
  return text + " (" + trouble.reason + (trouble.message.empty() ? "" : ": " + trouble.message) +
         ")";
}

}  // namespace ballast::decide
