// Gradients of a work's microbatches added up to its tree nodes, segment by segment, as a binary
// counter: the sums of whole subtrees wait at their level until their sibling is there.
//
// Invariant: each addition is left + right of services/core/tree.h, whatever the order of segments.
// Thread rule: one thread at a time.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "services/core/layout.h"
#include "services/core/training.h"
#include "services/core/types.h"
#include "services/transport/block_pool.h"

namespace ballast {

class PartialSums {
 public:
  PartialSums(Segments segments, uint32_t microbatches);

  // The next microbatch, with its loss sum. Microbatches of a node come in ascending order, one
  // node after the other. False: it is not the next one of `node`.
  bool begin(TreeNode node, Microbatch microbatch, const LossSum& sum);
  TreeNode node() const { return node_; }

  // Adds the microbatch's gradient of one segment. The sum over the whole node when this completes
  // it.
  std::optional<Block> add(SegmentId segment, std::span<const float> gradient);
  // Of the node so far: of the whole node once its last microbatch has begun.
  const LossSum& node_sum() const { return node_sum_; }

  void drop();  // everything

 private:
  Segments segments_;
  uint32_t microbatches_;
  BlockPool pool_;
  TreeNode node_ = 0;
  uint32_t leaf_ = 0;   // of the microbatch in hand, within the node
  uint32_t depth_ = 0;  // log2 of the node's microbatches
  std::vector<LossSum> loss_levels_;
  LossSum node_sum_;
  std::vector<std::vector<Block>> levels_;  // by segment, then level
};

}  // namespace ballast
