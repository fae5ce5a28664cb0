// Where the replicas of segments should be, and the moves that lead there: servers that leave give
// theirs away, the others hold primaries and backups by weight. Primaries come first, by
// promotions, which cost no copy; then replicas follow. A move is "add a replica, promote, drop the
// old one", over several maps. Pure functions of the map, called between two steps; segments have
// the same size, so that counting them balances bytes.
//
// A server of weight 0 holds nothing, unless replication needs it: each segment has its replicas on
// different servers, so that no server holds more than all segments once, and what the heavy ones
// cannot hold goes to the others.
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
  // Among the servers, for primaries and for replicas of any kind. Nothing: as the others have on
  // average; no function: all alike.
  std::function<std::optional<uint32_t>(const ProcessId&)> weight = {};
  std::function<bool(const ProcessId&)> leaving;  // is to hold nothing in the end
  std::function<bool(const ProcessId&)> settled;  // knows which of its replicas are in sync
};

// The next map on the way there, of the same version; equal to `map` when nothing is to be done
// before something has caught up. Hardly more segments move than are needed: one a server at most.
SegmentMap rearranged(SegmentMap map, const Arrangement& wish);

// The same as of placement.h, on servers by weight.
bool add_joining(SegmentMap& map, const Arrangement& wish);

}  // namespace ballast
