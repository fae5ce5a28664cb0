// Memory after an out-of-memory kill: the next life of that process gets more, up to a cap. What
// was raised stays raised. A pure function.
#pragma once

#include <string>
#include <vector>

#include "operator/policy/view.h"

namespace ballast::policy {

struct MemoryOptions {
  Mode mode = Mode::kAct;
  double factor = 1.5;
  uint64_t cap_bytes = 0;  // 0: nothing is raised without one
};

struct MemoryWish {
  std::string process;
  uint64_t limit_bytes = 0;

  bool operator==(const MemoryWish&) const = default;
};

struct MemoryOutcome {
  Decision decision;
  std::vector<MemoryWish> wish;  // of all that were killed and can be helped
};

// The view has the kills that nobody has answered yet.
MemoryOutcome raise_memory(const MemoryOptions& options, const JobView& view);

}  // namespace ballast::policy
