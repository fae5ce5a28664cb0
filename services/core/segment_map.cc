#include "services/core/segment_map.h"

#include <algorithm>

#include "services/core/shares.h"

namespace ballast {
namespace {

bool on_used_node(const std::vector<Member>& members, ServerIndex candidate, ServerIndex primary,
                  const std::vector<ServerIndex>& backups) {
  const std::string& node = members[candidate].node;
  if (node.empty()) {
    return false;
  }
  return members[primary].node == node ||
         std::any_of(backups.begin(), backups.end(),
                     [&](ServerIndex backup) { return members[backup].node == node; });
}

// The servers that follow the primary, first those on nodes of their own, then any.
std::vector<ServerIndex> choose_backups(const std::vector<Member>& members, ServerIndex primary,
                                        size_t wanted) {
  std::vector<ServerIndex> backups;
  for (const bool any_node : {false, true}) {
    for (size_t i = 1; i < members.size() && backups.size() < wanted; ++i) {
      const auto candidate = static_cast<ServerIndex>((primary + i) % members.size());
      const bool taken = std::find(backups.begin(), backups.end(), candidate) != backups.end();
      if (!taken && (any_node || !on_used_node(members, candidate, primary, backups))) {
        backups.push_back(candidate);
      }
    }
  }
  return backups;
}

}  // namespace

const Member* MemberList::find(const ProcessId& id) const {
  const auto it = std::find_if(members.begin(), members.end(),
                               [&](const Member& member) { return member.id == id; });
  return it == members.end() ? nullptr : &*it;
}

std::optional<ServerIndex> SegmentMap::index_of(const ProcessId& id) const {
  for (size_t i = 0; i < servers.size(); ++i) {
    if (servers[i].id == id) {
      return static_cast<ServerIndex>(i);
    }
  }
  return std::nullopt;
}

const ProcessId& SegmentMap::primary(SegmentId segment) const {
  return servers[segments[segment].primary].id;
}

bool SegmentMap::in_sync(SegmentId segment, const ProcessId& id) const {
  const Placement& placement = segments[segment];
  return servers[placement.primary].id == id ||
         std::any_of(placement.backups.begin(), placement.backups.end(),
                     [&](ServerIndex backup) { return servers[backup].id == id; });
}

bool SegmentMap::consistent() const {
  const auto valid = [this](ServerIndex index) { return index < servers.size(); };
  for (const Placement& placement : segments) {
    std::vector<ServerIndex> all = placement.backups;
    all.insert(all.end(), placement.joining.begin(), placement.joining.end());
    all.push_back(placement.primary);
    std::sort(all.begin(), all.end());
    if (!std::all_of(all.begin(), all.end(), valid) ||
        std::adjacent_find(all.begin(), all.end()) != all.end()) {
      return false;
    }
  }
  return true;
}

SegmentMap place_segments(Term term, const std::vector<Member>& members, uint32_t segment_count,
                          uint32_t replication, const std::vector<Share>& shares) {
  SegmentMap map{.version = {term, 0}, .servers = members, .segments = {}};
  if (members.empty()) {
    return map;
  }
  const size_t replicas = std::min<size_t>(std::max<uint32_t>(replication, 1), members.size());
  std::vector<std::string> names;
  names.reserve(members.size());
  for (const Member& member : members) names.push_back(member.id.name);
  const std::vector<int64_t> counts = apportion(segment_count, shares, names);
  map.segments.reserve(segment_count);
  for (size_t server = 0; server < members.size(); ++server) {
    const auto primary = static_cast<ServerIndex>(server);
    const Placement placement{primary, choose_backups(members, primary, replicas - 1), {}};
    map.segments.insert(map.segments.end(), static_cast<size_t>(counts[server]), placement);
  }
  return map;
}

}  // namespace ballast
