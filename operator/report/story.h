// What the events of a run say: how it stands, and of each process that was lost, how it came
// back. Pure functions of a record.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "operator/report/record.h"

namespace ballast::report {

// A process that ended or fell silent without being asked to. Times are from its loss, in
// milliseconds; absent: it has not come to that (yet).
struct LostProcess {
  int64_t unix_time_ms = 0;
  std::string process;
  std::string how;                        // "was ended by signal 9"
  int64_t step = 0;                       // committed when it was lost
  std::string coordinator;                // that was appointed because of it; empty: none was
  std::optional<int64_t> back_after_ms;   // another incarnation is ready
  std::optional<int64_t> whole_after_ms;  // every segment has all its replicas again
  std::optional<int64_t> stalled_ms;      // longest time without a committed step around it
};

std::vector<LostProcess> lost_processes(const Record& record);

enum class RunState { kGoingOn, kSucceeded, kFailed, kInterrupted, kSuspended, kUnknown };

struct Story {
  std::string job_name;
  RunState state = RunState::kUnknown;
  std::string message;          // why it failed
  int64_t started_unix_ms = 0;  // 0: not known
  int64_t last_unix_ms = 0;     // of the last event or point
  int64_t starts = 0;           // times that it was started or went on from a checkpoint
  int64_t planned_steps = 0;
  int64_t step = 0;
  int64_t returns = 0;  // to a checkpoint, because all replicas were lost
  std::vector<LostProcess> lost;
  nlohmann::json job;  // null: not known
  nlohmann::json end;  // the summary; null: none
};

// `held`: a process holds the record, so that the run goes on.
Story story_of(const Record& record, bool held);

}  // namespace ballast::report
