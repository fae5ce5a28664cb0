// What a program's exit status tells whoever started it. Fixed: the supervisor, the operator and
// people's scripts read these numbers. A process ended by a signal reports none of them.
#pragma once

namespace ballast {

enum class ExitCode : int {
  kDone = 0,           // the work is finished
  kFailed = 1,         // failed; starting again may help
  kUsage = 2,          // bad flags or configuration: never retry
  kRefused = 3,        // refused by the job for good (other job, build or data): never retry
  kInterrupted = 130,  // a person or a supervisor asked it to end
};

constexpr int to_status(ExitCode code) { return static_cast<int>(code); }

// Whether the same command may do better when it is started again.
constexpr bool retry_may_help(int status) {
  return status != to_status(ExitCode::kDone) && status != to_status(ExitCode::kUsage) &&
         status != to_status(ExitCode::kRefused);
}

}  // namespace ballast
