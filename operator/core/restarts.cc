#include "operator/core/restarts.h"

#include <algorithm>

#include "common/exit_code.h"
#include "operator/core/decide.h"

namespace ballast::decide {
namespace {

bool ended_with(const Process& process, ExitCode code) {
  return process.exit_signal == 0 && process.exit_code == to_status(code);
}

TimeMs backoff_ms(const Process& process, int64_t failures) {
  TimeMs wait = kFirstBackoffMs;
  for (int64_t i = 1; i < failures && wait < kLongestBackoffMs; ++i) wait *= 2;
  wait = std::min(wait, kLongestBackoffMs);
  return ended_with(process, ExitCode::kDone) ? std::max(wait, kUnexpectedDoneBackoffMs) : wait;
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
    const bool wanted_end = process->stopping_since_ms.has_value();
    if (!wanted_end) {
      if (process->ended_ms - process->started_ms >= kHealthyLifeMs) restart.failures = 0;
      restart.failures += 1;
      restart.total += 1;
      restart.not_before_ms = process->ended_ms + backoff_ms(*process, restart.failures);
      judge(draft, *process, restart);
    }
    draft.next.restarts[name] = restart;
  }
}

}  // namespace ballast::decide
