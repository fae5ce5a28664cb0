#include "services/core/arrangement.h"

#include <algorithm>
#include <deque>

#include "services/core/placement.h"
#include "services/core/shares.h"

namespace ballast {
namespace {

// By ServerIndex, what each is to hold; all 0: alike. An odd segment may stay where it is then.
struct Aims {
  std::vector<int64_t> primaries;
  std::vector<int64_t> replicas;  // of any kind
};

Aims aims_of(const SegmentMap& map, const Arrangement& wish) {
  const size_t segments = map.segments.size();
  Aims aims{std::vector<int64_t>(map.servers.size()), std::vector<int64_t>(map.servers.size())};
  std::vector<Share> shares;
  std::vector<std::string> names;
  std::vector<size_t> open;  // servers that may be aimed at
  for (size_t i = 0; i < map.servers.size(); ++i) {
    const ProcessId& id = map.servers[i].id;
    if (wish.leaving(id)) continue;
    open.push_back(i);
    names.push_back(id.name);
    const auto weight = wish.weight ? wish.weight(id) : std::nullopt;
    if (weight) shares.push_back({id.name, *weight});
  }
  if (shares.empty()) return aims;
  const auto primaries = apportion(segments, shares, names);
  for (size_t i = 0; i < open.size(); ++i) aims.primaries[open[i]] = primaries[i];
  // Who would hold a segment twice holds all, and what is left over goes to the others.
  size_t left = std::min<size_t>(wish.replication, open.size()) * segments;
  for (bool full = true; full && !open.empty();) {
    full = false;
    const auto replicas = apportion(left, shares, names);
    for (size_t i = open.size(); i-- > 0;) {
      const bool too_many = replicas[i] > static_cast<int64_t>(segments);
      aims.replicas[open[i]] = too_many ? static_cast<int64_t>(segments) : replicas[i];
      if (!too_many) continue;
      full = true;
      left -= segments;
      open.erase(open.begin() + static_cast<std::ptrdiff_t>(i));
      names.erase(names.begin() + static_cast<std::ptrdiff_t>(i));
    }
  }
  return aims;
}

class Rearranger {
 public:
  Rearranger(SegmentMap map, const Arrangement& wish) : map_(std::move(map)), wish_(wish) {
    for (const Member& server : map_.servers) {
      leaving_.push_back(wish.leaving(server.id));
      settled_.push_back(wish.settled(server.id));
    }
    if (std::find(leaving_.begin(), leaving_.end(), false) == leaving_.end()) {
      leaving_.assign(map_.servers.size(), false);  // somebody has to hold them
    }
    const auto staying = std::count(leaving_.begin(), leaving_.end(), false);
    wanted_ = std::min<size_t>(wish.replication, static_cast<size_t>(staying));
    aims_ = aims_of(map_, wish);
    count();
  }

  SegmentMap run() {
    for (Placement& placement : map_.segments) {
      std::erase_if(placement.joining, [&](ServerIndex server) { return leaving_[server]; });
    }
    ballast::add_joining(map_, wish_.replication, wish_.leaving, aims_.replicas);
    count();
    for (SegmentId segment = 0; segment < map_.segments.size(); ++segment) {
      while (const auto victim = surplus(map_.segments[segment])) {
        drop(map_.segments[segment], *victim);
      }
    }
    if (quiet()) {
      spread_primaries();
      spread_replicas();
    }
    return std::move(map_);
  }

 private:
  static std::vector<ServerIndex> in_sync(const Placement& placement) {
    std::vector<ServerIndex> servers{placement.primary};
    servers.insert(servers.end(), placement.backups.begin(), placement.backups.end());
    return servers;
  }

  void count() {
    // A load counts from what is aimed at: 0 is just right.
    replicas_.clear();
    primaries_.clear();
    for (size_t i = 0; i < map_.servers.size(); ++i) {
      replicas_.push_back(-aims_.replicas[i]);
      primaries_.push_back(-aims_.primaries[i]);
    }
    for (const Placement& placement : map_.segments) {
      ++primaries_[placement.primary];
      for (const ServerIndex server : in_sync(placement)) {
        ++replicas_[server];
      }
      for (const ServerIndex server : placement.joining) {
        ++replicas_[server];
      }
    }
  }

  bool shares_node(ServerIndex server, const std::vector<ServerIndex>& others) const {
    const std::string& node = map_.servers[server].node;
    return !node.empty() && std::any_of(others.begin(), others.end(), [&](ServerIndex other) {
      return other != server && map_.servers[other].node == node;
    });
  }

  // The replica that is not needed: on a server that leaves, else on one that is to hold none, else
  // one that shares a node, else on the fullest.
  std::optional<ServerIndex> surplus(const Placement& placement) const {
    const auto servers = in_sync(placement);
    const auto stays = [&](ServerIndex server) { return !leaving_[server]; };
    const auto staying = static_cast<size_t>(std::count_if(servers.begin(), servers.end(), stays));
    std::optional<ServerIndex> victim;
    const auto rank = [&](ServerIndex server) {
      return std::tuple{bool{leaving_[server]}, is_to_hold_nothing(server),
                        shares_node(server, servers), replicas_[server]};
    };
    for (const ServerIndex server : servers) {
      // Who has just been given a replica is not the one to lose it: the others can be judged only
      // when it knows.
      if (!leaving_[server] && !settled_[server]) continue;
      const bool too_many = leaving_[server] || staying > wanted_;
      const auto left =
          static_cast<size_t>(std::count_if(servers.begin(), servers.end(), [&](ServerIndex other) {
            return other != server && stays(other) && settled_[other];
          }));
      const size_t needed = leaving_[server] ? wish_.replication : wanted_;
      if (too_many && left >= needed && (!victim || rank(server) > rank(*victim))) {
        victim = server;
      }
    }
    return victim;
  }

  void drop(Placement& placement, ServerIndex victim) {
    if (placement.primary == victim) {
      ServerIndex chosen = victim;
      for (const ServerIndex backup : placement.backups) {
        const bool able = settled_[backup] && !leaving_[backup];
        if (able && (chosen == victim || primaries_[backup] < primaries_[chosen])) {
          chosen = backup;
        }
      }
      promote(placement, chosen);
    }
    std::erase(placement.backups, victim);
    --replicas_[victim];
  }

  void promote(Placement& placement, ServerIndex backup) {
    --primaries_[placement.primary];
    ++primaries_[backup];
    *std::find(placement.backups.begin(), placement.backups.end(), backup) = placement.primary;
    placement.primary = backup;
  }

  // Nothing is on its way, and nobody has yet to leave.
  bool quiet() const {
    return std::all_of(map_.segments.begin(), map_.segments.end(), [&](const Placement& placement) {
      const auto servers = in_sync(placement);
      return placement.joining.empty() && servers.size() == wanted_ &&
             std::all_of(servers.begin(), servers.end(),
                         [&](ServerIndex server) { return settled_[server] && !leaving_[server]; });
    });
  }

  // Replicas from the fullest to the emptiest, one a segment.
  void spread_replicas() {
    moves_.assign(map_.segments.size(), false);
    const size_t servers = map_.servers.size();
    looked_at_.assign(servers, std::vector<SegmentId>(servers, 0));
    for (bool found = true; found;) {
      found = false;
      for (const ServerIndex from : fullest_first(replicas_)) {
        const auto move = find_move(from);
        if (!move) continue;
        map_.segments[move->first].joining.push_back(move->second);
        moves_[move->first] = true;
        --replicas_[from];
        ++replicas_[move->second];
        found = true;
        break;
      }
    }
  }

  // Whoever holds one too many may keep it; not so who is to hold none.
  bool is_to_hold_nothing(ServerIndex server) const {
    return aims_.replicas[server] == 0 &&
           std::any_of(aims_.replicas.begin(), aims_.replicas.end(),
                       [](int64_t replicas) { return replicas > 0; });
  }

  // A segment of `from`, and the emptiest server that may hold it instead.
  std::optional<std::pair<SegmentId, ServerIndex>> find_move(ServerIndex from) {
    const auto order = fullest_first(replicas_);
    for (auto to = order.rbegin(); to != order.rend(); ++to) {
      if (is_to_hold_nothing(*to)) continue;
      if (replicas_[*to] + 1 >= replicas_[from] && !is_to_hold_nothing(from)) return std::nullopt;
      // What cannot go from one to the other now never can, as long as only moves are added.
      SegmentId& segment = looked_at_[from][*to];
      for (; segment < map_.segments.size(); ++segment) {
        if (may_move(segment, from, *to)) return std::pair{segment, *to};
      }
    }
    return std::nullopt;
  }

  bool may_move(SegmentId segment, ServerIndex from, ServerIndex to) const {
    if (moves_[segment]) return false;
    auto others = in_sync(map_.segments[segment]);
    const auto has = [&](ServerIndex server) {
      return std::find(others.begin(), others.end(), server) != others.end();
    };
    if (!has(from) || has(to)) return false;
    if (shares_node(from, others)) return true;
    std::erase(others, from);
    return !shares_node(to, others);
  }

  // Servers that stay, by falling count.
  std::vector<ServerIndex> fullest_first(const std::vector<int64_t>& counts) const {
    std::vector<ServerIndex> order;
    for (size_t i = 0; i < counts.size(); ++i) {
      if (!leaving_[i]) order.push_back(static_cast<ServerIndex>(i));
    }
    std::stable_sort(order.begin(), order.end(),
                     [&](ServerIndex a, ServerIndex b) { return counts[a] > counts[b]; });
    return order;
  }

  // Promotions cost no copy. From a server with many primaries to one with few there may only be a
  // way over others, each of which gives one and takes one.
  void spread_primaries() {
    for (bool found = true; found;) {
      found = false;
      for (const ServerIndex from : fullest_first(primaries_)) {
        if (promote_along_path(from)) {
          found = true;
          break;
        }
      }
    }
  }

  bool promote_along_path(ServerIndex from) {
    constexpr SegmentId kNone = ~SegmentId{0};
    std::vector<SegmentId> reached_by(map_.servers.size(), kNone);
    std::vector<bool> seen(map_.servers.size());
    std::deque<ServerIndex> queue{from};
    seen[from] = true;
    while (!queue.empty()) {
      const ServerIndex at = queue.front();
      queue.pop_front();
      if (primaries_[at] + 2 <= primaries_[from]) {
        for (ServerIndex to = at; to != from;) {
          Placement& placement = map_.segments[reached_by[to]];
          const ServerIndex before = placement.primary;
          promote(placement, to);
          to = before;
        }
        return true;
      }
      for (SegmentId segment = 0; segment < map_.segments.size(); ++segment) {
        if (map_.segments[segment].primary != at) continue;
        for (const ServerIndex backup : map_.segments[segment].backups) {
          if (seen[backup]) continue;
          seen[backup] = true;
          reached_by[backup] = segment;
          queue.push_back(backup);
        }
      }
    }
    return false;
  }

  SegmentMap map_;
  const Arrangement& wish_;
  std::vector<bool> leaving_;  // by ServerIndex, as all below
  std::vector<bool> settled_;
  size_t wanted_ = 1;  // replicas of each segment on servers that stay
  Aims aims_;
  std::vector<bool> moves_;                        // by SegmentId: a replica of it is to move
  std::vector<std::vector<SegmentId>> looked_at_;  // from, to: of the segments before, none may
  std::vector<int64_t> replicas_;                  // of any kind, from what is aimed at
  std::vector<int64_t> primaries_;
};

}  // namespace

bool add_joining(SegmentMap& map, const Arrangement& wish) {
  return add_joining(map, wish.replication, wish.leaving, aims_of(map, wish).replicas);
}

SegmentMap rearranged(SegmentMap map, const Arrangement& wish) {
  return Rearranger(std::move(map), wish).run();
}

}  // namespace ballast
