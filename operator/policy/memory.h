// Memory after an out-of-memory kill: the next life of that process gets more, up to a cap. What
// was raised stays raised. A pure function.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "operator/policy/view.h"

namespace ballast::policy {

struct MemoryOptions {
  Mode mode = Mode::kAct;
  double factor = 1.5;
  uint64_t cap_bytes = 0;  // 0: nothing is raised without one
};

struct MemoryState {
  std::map<std::string, uint64_t> answered;  // by process: the instance whose end was answered

  bool operator==(const MemoryState&) const = default;
};

struct MemoryWish {
  std::string process;
  uint64_t limit_bytes = 0;

  bool operator==(const MemoryWish&) const = default;
};

struct MemoryOutcome {
  Decision decision;
  std::vector<MemoryWish> wish;  // of all that were killed and can be helped
  MemoryState next;              // once the wish is carried out
};

MemoryOutcome raise_memory(const MemoryOptions& options, const JobView& view,
                           const MemoryState& state);

}  // namespace ballast::policy
