// How a segment map changes: taking servers out, promoting backups, adding replicas. Pure functions
// of the map; versions are the coordinator's.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "services/core/segment_map.h"

namespace ballast {

// Which replicas of a segment are to be preferred as its primary, e.g. those that hold the root.
using Preference = std::function<bool(SegmentId, const ProcessId&)>;

// The map over `members` alone (ascending by id). Replicas on other servers are taken out; where
// that was the primary, a preferred backup takes its place, else the first one. Segments that have
// no replica in sync left are appended to `lost` (their placement means nothing then).
SegmentMap restrict_to(const SegmentMap& map, const std::vector<Member>& members,
                       const Preference& preferred, std::vector<SegmentId>& lost);

// Adds joining replicas until each segment has min(replication, servers that stay) of any kind on
// servers that stay: on the one that holds the fewest, on another node where there is one. `aimed`
// is by ServerIndex what each is to hold: then the fewest beyond that. True when something was
// added.
using Leaving = std::function<bool(const ProcessId&)>;
bool add_joining(SegmentMap& map, uint32_t replication, const Leaving& leaving,
                 const std::vector<int64_t>& aimed = {});

// Makes a joining replica an in-sync backup. False: it is not joining.
bool admit(SegmentMap& map, SegmentId segment, const ProcessId& server);

}  // namespace ballast
