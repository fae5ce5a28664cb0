// The words of the protocol as types. Plain values, shared by every core and adapter.
#pragma once

#include <compare>
#include <cstdint>
#include <string>

namespace ballast {

using Step = uint64_t;       // a training step t; also the version of a segment before t is applied
using Term = uint64_t;       // the number of a coordinator's appointment within a job UID; 0 = none
using Origin = uint64_t;     // the term that initialised or restored the parameters; 0 = none
using SegmentId = uint32_t;  // ascending from 0 over the arena
using TreeNode =
    uint32_t;  // heap index in the reduction tree: root 1, leaf of microbatch v is V + v
using Microbatch = uint32_t;  // 0 .. V-1
using PlanNumber = uint64_t;  // from the compare-and-swap that wrote the plan
using MemberListNumber = uint64_t;

// Milliseconds on a clock that never goes back; passed into every core, never read there.
using TimeMs = int64_t;

// Orders segment maps. A later term's map is later whatever its number.
struct MapVersion {
  Term term = 0;
  uint64_t number = 0;
  auto operator<=>(const MapVersion&) const = default;
};

// One life of one process: a restarted process is another one and comes empty.
struct ProcessId {
  std::string name;          // "ps-0", "worker-3"
  uint64_t incarnation = 0;  // drawn at process start, never 0
  auto operator<=>(const ProcessId&) const = default;
};

// What a plan gives to a process: microbatches of each step to a worker, or a weight among the
// servers for the primaries of segments. Whoever is not named gets what is ordinary.
struct Share {
  std::string process;  // by name: its next life inherits it
  uint32_t amount = 0;
  bool operator==(const Share&) const = default;
};

}  // namespace ballast
