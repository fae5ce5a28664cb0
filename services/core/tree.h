// The reduction tree over V microbatches (V a power of two): a complete binary tree by heap index.
// The root is 1, the leaf of microbatch v is V + v, the parent of n is n / 2. Gradients are summed
// left + right at each node, so a segment's root has the same bits whoever summed which subtree.
// Pure functions.
#pragma once

#include <cstdint>
#include <vector>

#include "services/core/training.h"
#include "services/core/types.h"

namespace ballast {

inline constexpr uint32_t kMaxMicrobatches = 4096;

bool valid_node(TreeNode node, uint32_t microbatches);  // 1 .. 2V-1
TreeNode leaf(Microbatch microbatch, uint32_t microbatches);
TreeNode sibling(TreeNode node);                // of any node but the root
bool contains(TreeNode outer, TreeNode inner);  // inner is outer or lies below it
Microbatch first_microbatch(TreeNode node, uint32_t microbatches);
uint32_t microbatch_count(TreeNode node, uint32_t microbatches);

// The fewest nodes that cover exactly these microbatches (ascending, no doubles), ascending.
std::vector<TreeNode> cover(const std::vector<Microbatch>& microbatches, uint32_t total);

// Sums of evaluation microbatches: neighbours are added (0+1, 2+3, ...; an odd last one goes up as
// it is) until one is left.
LossSum sum_in_tree(std::vector<LossSum> sums);

// What one segment holds of a step: disjoint nodes, siblings merged as they meet.
class SegmentTree {
 public:
  explicit SegmentTree(uint32_t microbatches = 1) : microbatches_(microbatches) {}

  enum class Arrival {
    kKept,       // disjoint from all: store it
    kContained,  // already in a node there (or equal): drop it
  };
  struct Entry {
    TreeNode node = 0;
    uint64_t buffer = 0;
    double loss = 0;
    uint64_t tokens = 0;
  };
  // What to do, in this order, for a contribution that arrives: release `replaced`; then, if
  // add_payload_into is set, add the payload into that buffer, else store it as a new buffer (the
  // one given); then each merge adds `from` into `into`. The entry left over is in entries().
  struct Merge {
    uint64_t into = 0;
    uint64_t from = 0;
  };
  struct Plan {
    Arrival arrival = Arrival::kKept;
    std::vector<uint64_t> replaced;
    bool payload_into_existing = false;
    uint64_t buffer = 0;  // the existing buffer, or the new one
    std::vector<Merge> merges;
  };
  // Loss sums are added left + right like the values, so their bits do not depend on arrival
  // either. The node must be valid.
  Plan add(TreeNode node, double loss, uint64_t tokens, uint64_t new_buffer);

  bool complete() const { return entries_.size() == 1 && entries_[0].node == 1; }
  const std::vector<Entry>& entries() const { return entries_; }
  std::vector<Microbatch> missing() const;  // ascending
  std::vector<uint64_t> clear();            // returns the buffers to release

 private:
  uint32_t microbatches_;
  std::vector<Entry> entries_;  // ascending by first microbatch
};

}  // namespace ballast
