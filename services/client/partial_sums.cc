#include "services/client/partial_sums.h"

#include <bit>
#include <cstring>
#include <utility>

#include "common/check.h"
#include "services/core/tree.h"
#include "services/server/reduction.h"

namespace ballast {
PartialSums::PartialSums(Segments segments, uint32_t microbatches)
    : segments_(segments),
      microbatches_(microbatches),
      pool_(segments.segment_elements),
      levels_(segments.count()) {}

void PartialSums::drop() {
  node_ = 0;
  for (std::vector<Block>& levels : levels_) levels.clear();
}

bool PartialSums::begin(TreeNode node, Microbatch microbatch, const LossSum& sum) {
  if (!valid_node(node, microbatches_)) return false;
  const Microbatch first = first_microbatch(node, microbatches_);
  const uint32_t count = microbatch_count(node, microbatches_);
  if (microbatch < first || microbatch >= first + count) return false;
  const uint32_t leaf_in_node = microbatch - first;
  if (leaf_in_node == 0) {
    drop();
    node_ = node;
    depth_ = static_cast<uint32_t>(std::countr_zero(count));
    loss_levels_.assign(depth_ + 1, {});
  } else if (node != node_ || leaf_in_node != leaf_ + 1) {
    return false;
  }
  leaf_ = leaf_in_node;
  LossSum carry = sum;
  uint32_t level = 0;
  for (; level < depth_ && (leaf_ >> level & 1) == 1; ++level) {
    carry = {.loss = loss_levels_[level].loss + carry.loss,
             .tokens = loss_levels_[level].tokens + carry.tokens};
  }
  loss_levels_[level] = carry;
  node_sum_ = carry;
  return true;
}

std::optional<Block> PartialSums::add(SegmentId segment, std::span<const float> gradient) {
  CHECK(node_ != 0 && gradient.size() == segments_.size(segment));
  std::vector<Block>& levels = levels_[segment];
  levels.resize(depth_ + 1);
  Block carry;
  uint32_t level = 0;
  if (depth_ > 0 && (leaf_ & 1) == 1) {
    carry = std::move(levels[0]);
    add_into({carry.get(), gradient.size()}, gradient);
    for (level = 1; level < depth_ && (leaf_ >> level & 1) == 1; ++level) {
      add_into({levels[level].get(), gradient.size()}, {carry.get(), gradient.size()});
      carry = std::move(levels[level]);
    }
  } else {
    carry = pool_.take();
    std::memcpy(carry.get(), gradient.data(), gradient.size_bytes());
  }
  if (level == depth_) return carry;
  levels[level] = std::move(carry);
  return std::nullopt;
}

}  // namespace ballast
