// Where the replicas of segments should be, and the moves that lead there: servers that leave give
// theirs away, the others hold about equally many replicas, and primaries by weight. A move is "add
// a replica, promote, drop the old one", over several maps. Pure functions of the map, called
// between two steps; segments have the same size, so that counting them balances bytes.
//
// Invariant: a replica in sync is dropped only where as many others stay as replication asks for,
// all of which know that they are in sync.
#pragma once

#include <functional>
#include <optional>

#include "services/core/segment_map.h"

namespace ballast {

struct Arrangement {
  uint32_t replication = 1;
  // Among the servers, for primaries (for replicas, where there is but one of each segment).
  // Nothing: as the others have on average; no function: all alike.
  std::function<std::optional<uint32_t>(const ProcessId&)> weight = {};
  std::function<bool(const ProcessId&)> leaving;  // is to hold nothing in the end
  std::function<bool(const ProcessId&)> settled;  // knows which of its replicas are in sync
};

// The next map on the way there, of the same version; equal to `map` when nothing is to be done
// before something has caught up. Hardly more segments move than are needed: one a server at most.
SegmentMap rearranged(SegmentMap map, const Arrangement& wish);

}  // namespace ballast
