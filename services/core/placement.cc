#include "services/core/placement.h"

#include <algorithm>

namespace ballast {
namespace {

// How many replicas of any kind each server holds beyond what is aimed at.
std::vector<int64_t> load(const SegmentMap& map, const std::vector<int64_t>& aimed) {
  std::vector<int64_t> replicas(map.servers.size());
  for (size_t i = 0; i < aimed.size(); ++i) {
    replicas[i] = -aimed[i];
  }
  for (const Placement& placement : map.segments) {
    ++replicas[placement.primary];
    for (const ServerIndex backup : placement.backups) {
      ++replicas[backup];
    }
    for (const ServerIndex joining : placement.joining) {
      ++replicas[joining];
    }
  }
  return replicas;
}

std::vector<ServerIndex> holders(const Placement& placement) {
  std::vector<ServerIndex> all{placement.primary};
  all.insert(all.end(), placement.backups.begin(), placement.backups.end());
  all.insert(all.end(), placement.joining.begin(), placement.joining.end());
  return all;
}

bool shares_node(const SegmentMap& map, ServerIndex candidate,
                 const std::vector<ServerIndex>& taken) {
  const std::string& node = map.servers[candidate].node;
  return !node.empty() && std::any_of(taken.begin(), taken.end(), [&](ServerIndex server) {
    return map.servers[server].node == node;
  });
}

bool contains(const std::vector<ServerIndex>& servers, ServerIndex server) {
  return std::find(servers.begin(), servers.end(), server) != servers.end();
}

// The emptiest that is not in `taken`, whose node it should not share, and not in `out`.
std::optional<ServerIndex> choose(const SegmentMap& map, const std::vector<int64_t>& replicas,
                                  const std::vector<ServerIndex>& taken,
                                  const std::vector<ServerIndex>& out) {
  std::optional<ServerIndex> best;
  const auto cost = [&](ServerIndex server) {
    return std::pair{shares_node(map, server, taken), replicas[server]};
  };
  for (size_t i = 0; i < map.servers.size(); ++i) {
    const auto server = static_cast<ServerIndex>(i);
    if (!contains(taken, server) && !contains(out, server) &&
        (!best || cost(server) < cost(*best))) {
      best = server;
    }
  }
  return best;
}

}  // namespace

SegmentMap restrict_to(const SegmentMap& map, const std::vector<Member>& members,
                       const Preference& preferred, std::vector<SegmentId>& lost) {
  SegmentMap result{.version = map.version, .servers = members, .segments = {}};
  std::vector<std::optional<ServerIndex>> moved;  // by old index
  for (const Member& server : map.servers) {
    moved.push_back(result.index_of(server.id));
  }
  const auto kept = [&](const std::vector<ServerIndex>& servers) {
    std::vector<ServerIndex> left;
    for (const ServerIndex server : servers) {
      if (moved[server]) {
        left.push_back(*moved[server]);
      }
    }
    return left;
  };
  for (SegmentId segment = 0; segment < map.segments.size(); ++segment) {
    const Placement& old = map.segments[segment];
    Placement placement{0, kept(old.backups), kept(old.joining)};
    if (moved[old.primary]) {
      placement.primary = *moved[old.primary];
    } else if (placement.backups.empty()) {
      lost.push_back(segment);
    } else {
      const auto wanted =
          std::find_if(placement.backups.begin(), placement.backups.end(),
                       [&](ServerIndex backup) { return preferred(segment, members[backup].id); });
      const auto chosen = wanted == placement.backups.end() ? placement.backups.begin() : wanted;
      placement.primary = *chosen;
      placement.backups.erase(chosen);
    }
    result.segments.push_back(std::move(placement));
  }
  return result;
}

namespace {

// The first segment of each primary, then the second of each, ...: so that taking the emptiest
// server each time leaves all of them about equally full.
std::vector<SegmentId> in_turn(const SegmentMap& map) {
  std::vector<uint32_t> seen(map.servers.size());
  std::vector<std::pair<uint32_t, SegmentId>> order;
  for (SegmentId segment = 0; segment < map.segments.size(); ++segment) {
    order.emplace_back(seen[map.segments[segment].primary]++, segment);
  }
  std::sort(order.begin(), order.end());
  std::vector<SegmentId> segments;
  for (const auto& [turn, segment] : order) {
    segments.push_back(segment);
  }
  return segments;
}

}  // namespace

bool add_joining(SegmentMap& map, uint32_t replication, const Leaving& leaving,
                 const std::vector<int64_t>& aimed) {
  std::vector<ServerIndex> out;  // of the question
  for (size_t i = 0; i < map.servers.size(); ++i) {
    if (leaving(map.servers[i].id)) {
      out.push_back(static_cast<ServerIndex>(i));
    }
  }
  const size_t wanted = std::min<size_t>(replication, map.servers.size() - out.size());
  auto replicas = load(map, aimed);
  bool added = false;
  for (const SegmentId segment : in_turn(map)) {
    Placement& placement = map.segments[segment];
    auto taken = holders(placement);
    std::erase_if(taken, [&](ServerIndex server) { return contains(out, server); });
    while (taken.size() < wanted) {
      const auto server = choose(map, replicas, taken, out);
      if (!server) {
        break;
      }
      placement.joining.push_back(*server);
      taken.push_back(*server);
      ++replicas[*server];
      added = true;
    }
  }
  return added;
}

bool admit(SegmentMap& map, SegmentId segment, const ProcessId& server) {
  Placement& placement = map.segments[segment];
  const auto it = std::find_if(placement.joining.begin(), placement.joining.end(),
                               [&](ServerIndex index) { return map.servers[index].id == server; });
  if (it == placement.joining.end()) {
    return false;
  }
  placement.backups.push_back(*it);
  placement.joining.erase(it);
  return true;
}

}  // namespace ballast
