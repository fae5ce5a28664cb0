#include "operator/core/restarts.h"

#include <algorithm>

#include "common/exit_code.h"
#include "operator/core/advance.h"
#include "operator/core/decide.h"

namespace ballast::decide {
namespace {

bool ended_with(const Process& process, ExitCode code) {
  return process.exit_signal == 0 && process.exit_code == to_status(code);
}

TimeMs backoff_ms(const Process& process, int64_t failures) {
  const TimeMs wait = doubled(kFirstBackoffMs, failures);
  return ended_with(process, ExitCode::kDone) ? std::max(wait, kUnexpectedDoneBackoffMs) : wait;
}

// Who was taken away comes back at once; where that happens again and again, not so fast.
void count_disruption(const Process& process, api::RestartStatus& restart) {
  if (process.ended_ms - process.started_ms >= kHealthyLifeMs) restart.disruptions = 0;
  restart.not_before_ms =
      process.ended_ms + (restart.disruptions == 0 ? 0 : backoff_ms(process, restart.disruptions));
  restart.disruptions += 1;
}

// It ended for want of anybody to join: servers that wait for a node are no fault of its own.
bool had_nobody_to_join(const Draft& draft, const Process& process) {
  return process.role == Role::kWorker && draft.next.members.empty() &&
         ended_with(process, ExitCode::kFailed);
}

void judge(Draft& draft, const Process& process, const api::RestartStatus& restart) {
  if (ended_with(process, ExitCode::kUsage)) {
    return draft.fail(
        "BadConfiguration",
        how_it_ended(process) + ": what it was given is wrong, and starting it again cannot help");
  }
  if (ended_with(process, ExitCode::kRefused)) {
    return draft.fail("Refused", how_it_ended(process) +
                                     ": the job refused it for good (another job, build or data)");
  }
  const int64_t limit = draft.observed.job.spec.backoff_limit;
  if (restart.failures > limit) {
    return draft.fail("BackoffLimitExceeded", how_it_ended(process) + " after " +
                                                  std::to_string(limit) +
                                                  " restarts, which is spec.backoffLimit");
  }
}

void tell_restart(Draft& draft, const Process& process) {
  const std::string& why = process.trouble.reason;
  draft.set(api::ConditionType::kRestarting, true, why.empty() ? "ProcessEnded" : why,
            how_it_ended(process));
}

}  // namespace

void count_ends(Draft& draft) {
  for (const Process* process : draft.processes.all()) {
    if (process->state != ProcessState::kExited) continue;
    const std::string name = process_name(process->role, process->index);
    const auto known = draft.next.restarts.find(name);
    const bool counted =
        known != draft.next.restarts.end() && known->second.last_instance >= process->instance;
    if (counted) continue;
    api::RestartStatus restart =
        known == draft.next.restarts.end() ? api::RestartStatus{} : known->second;
    restart.last_instance = process->instance;
    if (process->taken || had_nobody_to_join(draft, *process)) {
      restart.total += 1;
      count_disruption(*process, restart);
      tell_restart(draft, *process);
    } else if (!process->stopping_since_ms) {
      if (process->ended_ms - process->started_ms >= kHealthyLifeMs) restart.failures = 0;
      restart.failures += 1;
      restart.total += 1;
      restart.not_before_ms = process->ended_ms + backoff_ms(*process, restart.failures);
      tell_restart(draft, *process);
      judge(draft, *process, restart);
    }
    draft.next.restarts[name] = restart;
  }
}

}  // namespace ballast::decide
