// The part of decide() that changes the status: from what is observed to the status that should
// stand. Pure functions.
#pragma once

#include <algorithm>
#include <optional>

#include "operator/core/observed.h"

namespace ballast::decide {

// The status that follows from what is seen; equal to observed.status when nothing is to be
// written. The version is not touched.
api::TrainingJobStatus advance(const Observed& observed);

// What is observed once this status was written: what it answers is seen no more, and a new
// coordinator is given its time.
void adopt_written(Observed& observed, api::TrainingJobStatus written);

// We looked so much later than was due: what was not heard meanwhile may have been said, and says
// nothing of whoever should have said it.
void excuse(Observed& observed, TimeMs late_ms);

// What a coordinator asks now about a member, in place of what it asked before. Beyond a number
// that no job has, requests are dropped: they are said again.
void remember(Observed& observed, RemoveRequest request);

const api::Condition* find_condition(const api::TrainingJobStatus& status, api::ConditionType type);
bool is_true(const api::TrainingJobStatus& status, api::ConditionType type);

// Whether the job has an outcome: succeeded, failed, or suspended.
bool has_outcome(const api::TrainingJobStatus& status);

// Whether the plan wants this server; one that it does not want gives its segments away, and goes.
bool stays(const api::TrainingJobStatus& status, const std::string& server);

// Nothing runs, and the job waits to be resumed.
bool is_parked(const Observed& observed, const api::TrainingJobStatus& status);

const Process* find_process(const Observed& observed, Role role, int64_t index);
const Process* find_process(const Observed& observed, const std::string& name);

// The entry of a process that was removed from the members and still lives; null: none.
const api::RemovedStatus* find_removed(const api::TrainingJobStatus& status,
                                       const Process& process);

// The wait after so many failures in a row: each doubles it, up to kLongestBackoffMs.
TimeMs doubled(TimeMs first_ms, int64_t times);

// Collects the earliest of the times at which something becomes due.
class WakeUp {
 public:
  void at(TimeMs time_ms) { earliest_ = earliest_ ? std::min(*earliest_, time_ms) : time_ms; }
  std::optional<TimeMs> earliest() const { return earliest_; }

 private:
  std::optional<TimeMs> earliest_;
};

}  // namespace ballast::decide
