// Which microbatches make up each worker's share, so that it has the fewest nodes of the reduction
// tree to push: a share of n costs as many nodes as n has bits set, and no layout does with fewer.
// Shares are cut into powers of two and laid out the largest first, so that each block starts at a
// multiple of its size. A pure function.
#pragma once

#include <cstdint>
#include <vector>

namespace ballast {

// The worker of each microbatch, by its index in `counts`. `before` (owners so far, may be empty):
// blocks of the same size stay where they were as far as they can.
std::vector<uint32_t> lay_out(const std::vector<int64_t>& counts,
                              const std::vector<uint32_t>& before);

// Nodes to push for all shares together.
int64_t tree_nodes(const std::vector<int64_t>& counts);

}  // namespace ballast
