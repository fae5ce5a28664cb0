// The reduction tree: arithmetic of nodes, covers, and that a segment's root has the same bits in
// whatever order, in whatever parts and however often its contributions arrive.
#include "services/core/tree.h"

#include <cstring>
#include <map>
#include <numeric>
#include <set>

#include <gtest/gtest.h>
#include <rapidcheck.h>

namespace ballast {
namespace {

TEST(TreeNodes, AreNumberedLikeAHeap) {
  EXPECT_EQ(leaf(0, 8), 8u);
  EXPECT_EQ(leaf(7, 8), 15u);
  EXPECT_EQ(sibling(4), 5u);
  EXPECT_EQ(sibling(5), 4u);
  EXPECT_TRUE(contains(1, 15));
  EXPECT_TRUE(contains(3, 3));
  EXPECT_TRUE(contains(3, 13));
  EXPECT_FALSE(contains(3, 8));
  EXPECT_FALSE(contains(8, 1));
  EXPECT_EQ(first_microbatch(1, 8), 0u);
  EXPECT_EQ(first_microbatch(3, 8), 4u);
  EXPECT_EQ(first_microbatch(13, 8), 5u);
  EXPECT_EQ(microbatch_count(3, 8), 4u);
  EXPECT_FALSE(valid_node(0, 8));
  EXPECT_TRUE(valid_node(1, 1));
  EXPECT_TRUE(valid_node(15, 8));
  EXPECT_FALSE(valid_node(16, 8));
}

TEST(Cover, TakesTheFewestNodes) {
  EXPECT_EQ(cover({0, 1, 2, 3, 4, 5, 6, 7}, 8), (std::vector<TreeNode>{1}));
  EXPECT_EQ(cover({2, 3, 4}, 8), (std::vector<TreeNode>{5, 12}));
  EXPECT_EQ(cover({1, 2}, 4), (std::vector<TreeNode>{5, 6}));
  EXPECT_EQ(cover({}, 4), (std::vector<TreeNode>{}));
  EXPECT_EQ(cover({0}, 1), (std::vector<TreeNode>{1}));
}

TEST(SumInTree, AddsNeighboursFirst) {
  EXPECT_EQ(sum_in_tree({}), LossSum{});
  const std::vector<LossSum> sums{{1e16, 1}, {1, 2}, {1, 4}, {-1e16, 8}, {0.5, 16}};
  const LossSum total = sum_in_tree(sums);
  EXPECT_EQ(total.loss, ((1e16 + 1) + (1 + -1e16)) + 0.5);
  EXPECT_EQ(total.tokens, 31u);
}

TEST(SegmentTree, KeepsDropsAndReplaces) {
  SegmentTree tree(4);
  auto plan = tree.add(4, 1, 10, 100);
  EXPECT_FALSE(plan.payload_into_existing);
  EXPECT_EQ(plan.buffer, 100u);
  EXPECT_EQ(tree.add(4, 1, 10, 101).arrival, SegmentTree::Arrival::kContained);
  EXPECT_EQ(tree.missing(), (std::vector<Microbatch>{1, 2, 3}));

  plan = tree.add(2, 3, 20, 102);  // contains leaf 4
  EXPECT_EQ(plan.replaced, (std::vector<uint64_t>{100}));
  EXPECT_EQ(plan.buffer, 102u);
  EXPECT_EQ(tree.add(5, 2, 10, 103).arrival, SegmentTree::Arrival::kContained);

  tree.add(7, 5, 10, 104);
  EXPECT_FALSE(tree.complete());
  plan = tree.add(6, 4, 10, 105);  // meets 7, then 3 meets 2
  EXPECT_TRUE(plan.payload_into_existing);
  EXPECT_EQ(plan.buffer, 104u);
  ASSERT_EQ(plan.merges.size(), 1u);
  EXPECT_EQ(plan.merges[0].into, 102u);
  EXPECT_EQ(plan.merges[0].from, 104u);
  EXPECT_TRUE(tree.complete());
  EXPECT_EQ(tree.entries()[0].loss, 12);
  EXPECT_EQ(tree.entries()[0].tokens, 40u);
  EXPECT_TRUE(tree.missing().empty());
  EXPECT_EQ(tree.clear(), (std::vector<uint64_t>{102}));
  EXPECT_EQ(tree.missing().size(), 4u);
}

TEST(CoverProperties, CoversExactlyWithDisjointNodesAndNoSiblings) {
  EXPECT_TRUE(rc::check("cover", [] {
    const uint32_t total = 1u << *rc::gen::inRange(0, 7);
    const auto chosen = *rc::gen::container<std::set<Microbatch>>(rc::gen::inRange(0u, total));
    const auto nodes = cover({chosen.begin(), chosen.end()}, total);
    std::vector<Microbatch> covered;
    for (const TreeNode node : nodes) {
      RC_ASSERT(valid_node(node, total));
      for (uint32_t i = 0; i < microbatch_count(node, total); ++i) {
        covered.push_back(first_microbatch(node, total) + i);
      }
      RC_ASSERT(node == 1u || std::find(nodes.begin(), nodes.end(), sibling(node)) == nodes.end());
    }
    RC_ASSERT(covered == std::vector<Microbatch>(chosen.begin(), chosen.end()));
  }));
}

using Values = std::vector<float>;

struct Sum {
  Values values;
  double loss = 0;
  uint64_t tokens = 0;
};

// The reference: leaves summed left + right, straight down from the node.
Sum reference(const std::vector<Sum>& leaves, TreeNode node) {
  const auto total = static_cast<uint32_t>(leaves.size());
  if (node >= total) {
    return leaves[node - total];
  }
  Sum left = reference(leaves, 2 * node);
  const Sum right = reference(leaves, 2 * node + 1);
  for (size_t i = 0; i < left.values.size(); ++i) {
    left.values[i] += right.values[i];
  }
  left.loss += right.loss;
  left.tokens += right.tokens;
  return left;
}

// Does what a plan says, as a tensor store would; fails on a buffer that is not there.
class Buffers {
 public:
  void perform(const SegmentTree::Plan& plan, const Values& payload) {
    if (plan.arrival == SegmentTree::Arrival::kContained) {
      return;
    }
    for (const uint64_t buffer : plan.replaced) {
      RC_ASSERT(buffers_.erase(buffer) == 1u);
    }
    if (plan.payload_into_existing) {
      add(buffers_.at(plan.buffer), payload);
    } else {
      RC_ASSERT(buffers_.emplace(plan.buffer, payload).second);
    }
    for (const auto& merge : plan.merges) {
      add(buffers_.at(merge.into), buffers_.at(merge.from));
      buffers_.erase(merge.from);
    }
  }
  const std::map<uint64_t, Values>& all() const { return buffers_; }

 private:
  static void add(Values& into, const Values& from) {
    for (size_t i = 0; i < into.size(); ++i) {
      into[i] += from[i];
    }
  }
  std::map<uint64_t, Values> buffers_;
};

TEST(SegmentTreeProperties, AnyOrderAndPartitionGivesTheSameBits) {
  EXPECT_TRUE(rc::check("same root", [] {
    const uint32_t total = 1u << *rc::gen::inRange(0, 6);
    std::vector<Sum> leaves(total);
    for (Sum& sum : leaves) {
      sum.values = *rc::gen::container<Values>(
          3, rc::gen::map(rc::gen::arbitrary<int>(),
                          [](int n) { return static_cast<float>(n) * 1.7e-3f; }));
      sum.loss = 1e-3 * *rc::gen::inRange(-100000, 100000);
      sum.tokens = *rc::gen::inRange<uint64_t>(0, 1000);
    }
    // Any nodes at all, in any order, again and again; in the end every leaf, so that none is
    // missing.
    auto arrivals = *rc::gen::container<std::vector<TreeNode>>(rc::gen::inRange(1u, 2 * total));
    std::vector<TreeNode> rest(total);
    std::iota(rest.begin(), rest.end(), total);
    std::rotate(rest.begin(), rest.begin() + *rc::gen::inRange(0, static_cast<int>(total)),
                rest.end());
    arrivals.insert(arrivals.end(), rest.begin(), rest.end());

    SegmentTree tree(total);
    Buffers buffers;
    uint64_t next = 1;
    for (const TreeNode node : arrivals) {
      const Sum sum = reference(leaves, node);
      buffers.perform(tree.add(node, sum.loss, sum.tokens, next++), sum.values);
      RC_ASSERT(buffers.all().size() == tree.entries().size());
    }
    RC_ASSERT(tree.complete());
    const Sum expected = reference(leaves, 1);
    const auto& root = tree.entries()[0];
    RC_ASSERT(buffers.all().at(root.buffer) == expected.values);
    RC_ASSERT(std::memcmp(&root.loss, &expected.loss, sizeof(double)) == 0);
    RC_ASSERT(root.tokens == expected.tokens);
  }));
}

}  // namespace
}  // namespace ballast
