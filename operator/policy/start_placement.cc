#include "operator/policy/start_placement.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "common/check.h"
#include "common/checksum.h"

namespace ballast::policy {
namespace {

// Servers in the order in which a group prefers them (rendezvous hashing).
std::vector<uint32_t> by_hash(size_t group, const std::vector<PlacementServer>& servers) {
  std::vector<uint64_t> scores;
  for (const PlacementServer& server : servers)
    scores.push_back(xxh3_64(as_bytes(std::to_string(group) + "/" + server.name)));
  std::vector<uint32_t> order(servers.size());
  std::iota(order.begin(), order.end(), 0u);
  std::sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) {
    return scores[a] != scores[b] ? scores[a] > scores[b] : servers[a].name < servers[b].name;
  });
  return order;
}

std::vector<uint32_t> from(uint32_t first, size_t servers) {
  std::vector<uint32_t> order;
  for (size_t i = 0; i < servers; ++i)
    order.push_back(static_cast<uint32_t>((first + i) % servers));
  return order;
}

GroupView replicas(uint64_t bytes, const std::vector<uint32_t>& order,
                   const std::vector<PlacementServer>& servers, int64_t replication) {
  GroupView group{bytes, order.front(), {}};
  std::vector<std::string> nodes = {servers[order.front()].node};
  const auto wanted = static_cast<size_t>(
      std::min<int64_t>(std::max<int64_t>(replication, 1), static_cast<int64_t>(order.size())));
  // Other nodes first; then whatever there is.
  for (const bool same_node : {false, true}) {
    for (const uint32_t server : order) {
      if (group.backups.size() + 1 == wanted) return group;
      const std::string& node = servers[server].node;
      const bool taken =
          server == group.primary ||
          std::find(group.backups.begin(), group.backups.end(), server) != group.backups.end();
      const bool shares =
          !node.empty() && std::find(nodes.begin(), nodes.end(), node) != nodes.end();
      if (taken || shares != same_node) continue;
      group.backups.push_back(server);
      nodes.push_back(node);
    }
  }
  return group;
}

}  // namespace

std::vector<GroupView> place_at_start(StartMethod method, const std::vector<uint64_t>& bytes,
                                      const std::vector<PlacementServer>& servers,
                                      int64_t replication) {
  CHECK(!servers.empty());
  const auto weight = [&](const PlacementServer& server) {
    return method == StartMethod::kWeighted ? std::max(server.weight, 0.0) : 1.0;
  };
  double all_weights = 0;
  for (const PlacementServer& server : servers) all_weights += weight(server);
  const auto all_bytes =
      static_cast<double>(std::accumulate(bytes.begin(), bytes.end(), uint64_t{0}));
  std::vector<GroupView> placed;
  double before = 0;  // bytes of the groups so far
  double weights = weight(servers[0]);
  uint32_t server = 0;
  for (size_t group = 0; group < bytes.size(); ++group) {
    const auto size = static_cast<double>(bytes[group]);
    if (method == StartMethod::kHash) {
      placed.push_back(replicas(bytes[group], by_hash(group, servers), servers, replication));
      continue;
    }
    // A group belongs to the range that its middle lies in.
    while (server + 1 < servers.size() && all_weights > 0 &&
           (before + size / 2) * all_weights > weights * all_bytes) {
      weights += weight(servers[++server]);
    }
    placed.push_back(replicas(bytes[group], from(server, servers.size()), servers, replication));
    before += size;
  }
  return placed;
}

}  // namespace ballast::policy
