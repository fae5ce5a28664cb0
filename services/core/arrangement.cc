#include "services/core/arrangement.h"

#include <algorithm>
#include <deque>

#include "services/core/placement.h"
#include "services/core/shares.h"

namespace ballast {
namespace {

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
    aim();
    count();
  }

  SegmentMap run() {
    for (Placement& placement : map_.segments) {
      std::erase_if(placement.joining, [&](ServerIndex server) { return leaving_[server]; });
    }
    add_joining(map_, wish_.replication, wish_.leaving);
    count();
    for (SegmentId segment = 0; segment < map_.segments.size(); ++segment) {
      while (const auto victim = surplus(map_.segments[segment])) {
        drop(map_.segments[segment], *victim);
      }
    }
    if (quiet() && !spread_replicas()) {
      spread_primaries();
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
    for (const int64_t primaries : aimed_) {
      replicas_.push_back(wanted_ == 1 ? -primaries : 0);
      primaries_.push_back(-primaries);
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

  // With equal weights every server is aimed at alike: then counting from 0 does the same, and an
  // odd segment may stay where it is.
  void aim() {
    aimed_.assign(map_.servers.size(), 0);
    std::vector<Share> shares;
    std::vector<std::string> names;
    for (size_t i = 0; i < map_.servers.size(); ++i) {
      if (leaving_[i]) continue;
      const ProcessId& id = map_.servers[i].id;
      names.push_back(id.name);
      const auto weight = wish_.weight ? wish_.weight(id) : std::nullopt;
      if (weight) shares.push_back({id.name, *weight});
    }
    if (shares.empty()) return;
    const auto counts = apportion(map_.segments.size(), shares, names);
    for (size_t i = 0, next = 0; i < map_.servers.size(); ++i) {
      if (!leaving_[i]) aimed_[i] = counts[next++];
    }
  }

  bool shares_node(ServerIndex server, const std::vector<ServerIndex>& others) const {
    const std::string& node = map_.servers[server].node;
    return !node.empty() && std::any_of(others.begin(), others.end(), [&](ServerIndex other) {
      return other != server && map_.servers[other].node == node;
    });
  }

  // The replica that is not needed: on a server that leaves, else one that shares a node, else on
  // the fullest.
  std::optional<ServerIndex> surplus(const Placement& placement) const {
    const auto servers = in_sync(placement);
    const auto stays = [&](ServerIndex server) { return !leaving_[server]; };
    const auto staying = static_cast<size_t>(std::count_if(servers.begin(), servers.end(), stays));
    std::optional<ServerIndex> victim;
    const auto rank = [&](ServerIndex server) {
      return std::tuple{bool{leaving_[server]}, shares_node(server, servers), replicas_[server]};
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

  // Replicas from the fullest to the emptiest, one a segment. True when something is to move.
  bool spread_replicas() {
    bool changed = false;
    std::vector<bool> moves(map_.segments.size());
    for (bool found = true; found;) {
      found = false;
      for (const ServerIndex from : fullest_first(replicas_)) {
        const auto move = find_move(from, moves);
        if (!move) continue;
        map_.segments[move->first].joining.push_back(move->second);
        moves[move->first] = true;
        --replicas_[from];
        ++replicas_[move->second];
        changed = found = true;
        break;
      }
    }
    return changed;
  }

  // A segment of `from`, and the emptiest server that may hold it instead.
  std::optional<std::pair<SegmentId, ServerIndex>> find_move(ServerIndex from,
                                                             const std::vector<bool>& moves) const {
    const auto order = fullest_first(replicas_);
    for (auto to = order.rbegin(); to != order.rend(); ++to) {
      if (replicas_[*to] + 1 >= replicas_[from]) return std::nullopt;
      for (SegmentId segment = 0; segment < map_.segments.size(); ++segment) {
        auto others = in_sync(map_.segments[segment]);
        const auto has = [&](ServerIndex server) {
          return std::find(others.begin(), others.end(), server) != others.end();
        };
        if (moves[segment] || !has(from) || has(*to)) continue;
        const bool shared = shares_node(from, others);
        std::erase(others, from);
        if (shared || !shares_node(*to, others)) return std::pair{segment, *to};
      }
    }
    return std::nullopt;
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
  size_t wanted_ = 1;              // replicas of each segment on servers that stay
  std::vector<int64_t> aimed_;     // primaries by weight; all 0: alike
  std::vector<int64_t> replicas_;  // of any kind, from what is aimed at
  std::vector<int64_t> primaries_;
};

}  // namespace

SegmentMap rearranged(SegmentMap map, const Arrangement& wish) {
  return Rearranger(std::move(map), wish).run();
}

}  // namespace ballast
