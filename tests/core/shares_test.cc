// What a plan's shares mean for the workers that there are, and where they lie in the tree.
#include "services/core/shares.h"

#include <algorithm>
#include <numeric>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "services/core/tree_layout.h"

namespace ballast {
namespace {

using Counts = std::vector<int64_t>;
using Owners = std::vector<uint32_t>;

TEST(Apportion, GivesWhatThePlanSaysWhileItsWorkersAreThere) {
  const std::vector<Share> shares = {{"a", 5}, {"b", 2}, {"c", 1}};
  EXPECT_EQ(apportion(8, shares, {"a", "b", "c"}), (Counts{5, 2, 1}));
  EXPECT_EQ(apportion(8, shares, {"c", "a", "b"}), (Counts{1, 5, 2}));
}

TEST(Apportion, KeepsTheProportionsOfThoseThatAreLeft) {
  const std::vector<Share> shares = {{"a", 6}, {"b", 2}, {"gone", 8}};
  EXPECT_EQ(apportion(16, shares, {"a", "b"}), (Counts{12, 4}));
}

TEST(Apportion, TakesANewcomerForAnOrdinaryOne) {
  const std::vector<Share> shares = {{"a", 6}, {"b", 2}};
  EXPECT_EQ(apportion(12, shares, {"a", "b", "new"}), (Counts{6, 2, 4}));
}

TEST(Apportion, SharesOutEvenlyWhereNobodyHasAnything) {
  EXPECT_EQ(apportion(5, {{"a", 0}, {"b", 0}}, {"a", "b"}), (Counts{3, 2}));
  EXPECT_EQ(apportion(4, {{"gone", 3}}, {"a", "b"}), (Counts{2, 2}));
}

RC_GTEST_PROP(Apportion, HandsOutAllAndNobodyFarFromItsPart, ()) {
  const auto total = *rc::gen::inRange<uint64_t>(0, 4097);
  const auto amounts = *rc::gen::nonEmpty(rc::gen::container<std::vector<uint32_t>>(
      rc::gen::map(rc::gen::inRange<uint32_t>(0, 300), [](uint32_t a) { return a * a; })));
  std::vector<Share> shares;
  std::vector<std::string> names;
  uint64_t sum = 0;
  for (const uint32_t amount : amounts) {
    names.push_back("p" + std::to_string(names.size()));
    shares.push_back({names.back(), amount});
    sum += amount;
  }
  const Counts counts = apportion(total, shares, names);
  RC_ASSERT(static_cast<uint64_t>(std::accumulate(counts.begin(), counts.end(), int64_t{0})) ==
            total);
  for (size_t i = 0; sum > 0 && i < counts.size(); ++i) {
    const double part = static_cast<double>(total) * amounts[i] / static_cast<double>(sum);
    RC_ASSERT(std::abs(static_cast<double>(counts[i]) - part) < 1);
  }
}

TEST(TreeLayout, BlocksStartAtMultiplesOfTheirSize) {
  EXPECT_EQ(lay_out({6, 2}, {}), (Owners{0, 0, 0, 0, 0, 0, 1, 1}));
  EXPECT_EQ(lay_out({3, 5}, {}), (Owners{1, 1, 1, 1, 0, 0, 0, 1}));
  EXPECT_EQ(lay_out({8}, {}), Owners(8, 0));
  EXPECT_EQ(lay_out({0, 8}, {}), Owners(8, 1));
  EXPECT_EQ(tree_nodes({6, 2}), 3);
}

TEST(TreeLayout, BlocksStayWhereTheyWere) {
  const Owners before = {1, 1, 1, 1, 0, 0, 0, 0};
  EXPECT_EQ(lay_out({4, 4}, before), before);
}

// Nodes of a heap-indexed tree that cover a worker's leaves.
int64_t covering_nodes(const std::vector<uint32_t>& owners, uint32_t worker, size_t at,
                       size_t size) {
  const auto begin = owners.begin() + static_cast<std::ptrdiff_t>(at);
  const auto mine = std::count(begin, begin + static_cast<std::ptrdiff_t>(size), worker);
  if (mine == 0) return 0;
  if (mine == static_cast<std::ptrdiff_t>(size)) return 1;
  return covering_nodes(owners, worker, at, size / 2) +
         covering_nodes(owners, worker, at + size / 2, size / 2);
}

RC_GTEST_PROP(TreeLayout, TheLayoutNeedsTheFewestNodes, ()) {
  const size_t total = size_t{1} << *rc::gen::inRange(0, 9);
  const auto workers = *rc::gen::inRange<uint32_t>(1, 9);
  std::vector<int64_t> counts(workers, 0);
  std::vector<uint32_t> before;
  for (size_t i = 0; i < total; ++i) {
    ++counts[*rc::gen::inRange<uint32_t>(0, workers)];
    before.push_back(*rc::gen::inRange<uint32_t>(0, workers));
  }
  const auto owners = lay_out(counts, before);
  RC_ASSERT(owners.size() == total);
  int64_t nodes = 0;
  for (uint32_t worker = 0; worker < workers; ++worker) {
    RC_ASSERT(std::count(owners.begin(), owners.end(), worker) == counts[worker]);
    nodes += covering_nodes(owners, worker, 0, total);
  }
  RC_ASSERT(nodes == tree_nodes(counts));
  RC_ASSERT(lay_out(counts, owners) == owners);
}

}  // namespace
}  // namespace ballast
