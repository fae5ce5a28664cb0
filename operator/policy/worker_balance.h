// Balance of the workers: how many microbatches of each step every worker computes. Moves as few as
// reach the goal, at most so many at once, only when it pays, not too often, and only on complete
// data. Who computes what changes no bit of the result. A pure function.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "operator/policy/view.h"

namespace ballast::policy {

enum class BalanceMethod {
  kMeasured,     // in proportion to measured speed
  kStatic,       // equal shares; what is left over goes to the first
  kRoundRobin,   // equal shares; what is left over goes round with each change of the workers
  kLeastLoaded,  // one at a time from the busiest to the idlest
  kWeighted,     // in proportion to given weights
  kPriority,     // the highest priority as much as it can take, then the next
};

struct WorkerBalanceOptions {
  Mode mode = Mode::kAct;
  BalanceMethod method = BalanceMethod::kMeasured;
  double least_gain = 0.03;  // of the time of a step; less is not worth a change
  double tolerance = 0.01;   // how near to the best is near enough
  int64_t most_moves = 64;   // microbatches in one change
  TimeMs cool_down_ms = 20'000;
};

struct WorkerBalanceState {
  std::optional<TimeMs> changed_ms;
  std::vector<std::string> workers;  // of the last change
  int64_t changes = 0;

  bool operator==(const WorkerBalanceState&) const = default;
};

struct Shares {
  std::vector<std::string> workers;
  std::vector<int64_t> counts;  // by worker

  bool operator==(const Shares&) const = default;
};

struct WorkerBalanceOutcome {
  Decision decision;
  std::optional<Shares> wish;
  WorkerBalanceState next;  // once the wish is carried out
};

WorkerBalanceOutcome balance_workers(const WorkerBalanceOptions& options, const JobView& view,
                                     const WorkerBalanceState& state, TimeMs now);

// The median of the speeds that are known; nothing where none is.
std::optional<double> median_speed(const std::vector<WorkerView>& workers);

}  // namespace ballast::policy
