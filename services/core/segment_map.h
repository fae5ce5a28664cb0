// The segment map: which servers hold which segment. A value; made by the coordinator alone,
// ordered by its version; servers and workers keep the latest they have seen.
//
// Invariant: a primary is never among its segment's backups or joining replicas; no server twice.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "services/core/types.h"

namespace ballast {

// A server process that belongs to the job, as status lists it.
struct Member {
  ProcessId id;
  std::string address;  // "unix:/..." or "host:port"
  std::string node;     // Kubernetes node; empty locally
  bool operator==(const Member&) const = default;
};

struct MemberList {
  MemberListNumber number = 0;  // from the compare-and-swap that wrote it
  std::vector<Member> members;  // ascending by id
  bool operator==(const MemberList&) const = default;

  const Member* find(const ProcessId& id) const;
};

using ServerIndex = uint16_t;  // into SegmentMap::servers

struct Placement {
  ServerIndex primary = 0;
  std::vector<ServerIndex> backups;  // in sync
  std::vector<ServerIndex> joining;  // being copied to; do not count for anything
  bool operator==(const Placement&) const = default;
};

struct SegmentMap {
  MapVersion version;
  std::vector<Member> servers;
  std::vector<Placement> segments;  // by SegmentId
  bool operator==(const SegmentMap&) const = default;

  std::optional<ServerIndex> index_of(const ProcessId& id) const;
  const ProcessId& primary(SegmentId segment) const;
  bool in_sync(SegmentId segment, const ProcessId& id) const;  // primary or backup
  // Every index names a server and none twice in a segment: what a map from outside must fulfil.
  bool consistent() const;
};

// The first map of a job: contiguous ranges of segments, in proportion to the plan's shares, else
// sizes differing by at most one; backups on the following servers, on other nodes where there are
// any. Replication is min(replication, members). Number 0.
SegmentMap place_segments(Term term, const std::vector<Member>& members, uint32_t segment_count,
                          uint32_t replication, const std::vector<Share>& shares = {});

}  // namespace ballast
