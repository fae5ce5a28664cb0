// The binary counter of a work's microbatches gives the bits of the reduction tree, for any node.
#include "services/client/partial_sums.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "services/core/tree.h"

namespace ballast {
namespace {

std::vector<float> any_values(size_t size) {
  std::vector<float> values(size);
  for (float& value : values)
    value = static_cast<float>(*rc::gen::inRange(-99999, 99999)) * 0x1p-9f;
  return values;
}

RC_GTEST_PROP(PartialSums, EqualTheTree, ()) {
  constexpr uint32_t kTotal = 16;
  const TreeNode node = *rc::gen::inRange<TreeNode>(1, 2 * kTotal);
  const Segments segments{.elements = 80, .segment_elements = 32};
  const Microbatch first = first_microbatch(node, kTotal);
  const uint32_t count = microbatch_count(node, kTotal);
  std::vector<std::vector<float>> tree(2 * count);
  std::vector<LossSum> losses(2 * count);
  for (uint32_t i = 0; i < count; ++i) {
    tree[count + i] = any_values(segments.elements);
    losses[count + i] = {.loss = 0.1 * i + 0.7, .tokens = i + 3};
  }
  const std::vector<std::vector<float>> gradients(tree.begin() + count, tree.end());
  for (uint32_t n = count - 1; n > 0; --n) {
    tree[n] = tree[2 * n];
    for (size_t i = 0; i < tree[n].size(); ++i) tree[n][i] += tree[2 * n + 1][i];
    losses[n] = {.loss = losses[2 * n].loss + losses[2 * n + 1].loss,
                 .tokens = losses[2 * n].tokens + losses[2 * n + 1].tokens};
  }
  PartialSums sums(segments, kTotal);
  for (uint32_t i = 0; i < count; ++i) {
    RC_ASSERT(sums.begin(node, first + i, losses[count + i]));
    for (SegmentId segment = segments.count(); segment-- > 0;) {
      const auto whole = sums.add(
          segment,
          std::span(gradients[i]).subspan(segments.begin(segment), segments.size(segment)));
      RC_ASSERT(whole.has_value() == (i + 1 == count));
      if (!whole) continue;
      const std::vector<float> got(whole->get(), whole->get() + segments.size(segment));
      const auto from = tree[1].begin() + static_cast<int64_t>(segments.begin(segment));
      RC_ASSERT(got == std::vector<float>(from, from + segments.size(segment)));
    }
  }
  RC_ASSERT(sums.node_sum() == losses[1]);
}

TEST(PartialSums, RefusesWhatIsNotNext) {
  PartialSums sums({.elements = 32, .segment_elements = 32}, 8);
  EXPECT_FALSE(sums.begin(2, 1, {}));  // node 2 begins with microbatch 0
  EXPECT_TRUE(sums.begin(2, 0, {}));
  EXPECT_FALSE(sums.begin(2, 2, {}));
  EXPECT_FALSE(sums.begin(3, 5, {}));
  EXPECT_FALSE(sums.begin(0, 0, {}));
  EXPECT_FALSE(sums.begin(16, 0, {}));
  EXPECT_TRUE(sums.begin(2, 1, {}));
}

}  // namespace
}  // namespace ballast
