// Where groups of segments begin: evenly, by weight (both in ranges, so that neighbours lie
// together), or by hash (a server that comes or goes later moves the fewest). Backups go to other
// nodes as long as there are any. Pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "operator/policy/view.h"

namespace ballast::policy {

enum class StartMethod { kEven, kWeighted, kHash };

struct PlacementServer {
  std::string name;
  std::string node;
  double weight = 1;  // kWeighted
};

// `bytes` of each group, in the order of the arena. At least one server.
std::vector<GroupView> place_at_start(StartMethod method, const std::vector<uint64_t>& bytes,
                                      const std::vector<PlacementServer>& servers,
                                      int64_t replication);

}  // namespace ballast::policy
