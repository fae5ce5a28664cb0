// Which neighbours join first, by hand; the properties hold the heap against the scan.
#include "services/data/byte_pairs.h"

#include <gtest/gtest.h>

namespace ballast {
namespace {

using Tokens = std::vector<Token>;

// a=0 b=1 c=2; ranks in the order of the list.
MergeTable table_of(std::vector<std::array<Token, 3>> merges) {
  MergeTable table(merges.size());
  for (uint32_t rank = 0; rank < merges.size(); ++rank) {
    const auto [left, right, result] = merges[rank];
    EXPECT_TRUE(table.insert(left, right, {rank, result}));
  }
  return table;
}

Tokens merged(const MergeTable& table, Tokens word) {
  Tokens by_heap = word;
  HeapMerger heap;
  by_heap.resize(heap.merge(table, by_heap));
  word.resize(merge_by_scan(table, word));
  EXPECT_EQ(by_heap, word);
  return word;
}

TEST(BytePairs, LowestRankFirstThenLeftmost) {
  const auto table = table_of({{1, 2, 10}, {0, 1, 11}, {0, 10, 12}});
  EXPECT_EQ(merged(table, {0, 1, 2}), (Tokens{12}));  // bc before ab
  EXPECT_EQ(merged(table, {0, 1, 0, 1}), (Tokens{11, 11}));
  EXPECT_EQ(merged(table, {2, 0, 0}), (Tokens{2, 0, 0}));
}

TEST(BytePairs, RunsJoinFromTheLeft) {
  const auto table = table_of({{0, 0, 10}, {10, 10, 11}, {11, 0, 12}});
  EXPECT_EQ(merged(table, {0, 0, 0}), (Tokens{10, 0}));
  EXPECT_EQ(merged(table, {0, 0, 0, 0, 0}), (Tokens{12}));
  EXPECT_EQ(merged(table, {0, 0, 0, 0, 0, 0, 0}), (Tokens{11, 10, 0}));
}

TEST(BytePairs, ShortWords) {
  const auto table = table_of({{0, 1, 10}});
  EXPECT_EQ(merged(table, {}), (Tokens{}));
  EXPECT_EQ(merged(table, {1}), (Tokens{1}));
  EXPECT_EQ(merged(table, {0, 1}), (Tokens{10}));
  EXPECT_EQ(merged(MergeTable(0), {0, 1}), (Tokens{0, 1}));
}

TEST(BytePairs, APairIsInTheTableOnce) {
  MergeTable table(2);
  EXPECT_TRUE(table.insert(0, 0, {0, 5}));
  EXPECT_FALSE(table.insert(0, 0, {1, 6}));
  EXPECT_TRUE(table.insert(0, 1, {1, 6}));
  EXPECT_EQ(table.find(0, 0).result, 5u);
  EXPECT_EQ(table.find(0, 1).rank, 1u);
  EXPECT_EQ(table.find(1, 0).rank, Merge::kNone);
}

// A scan of a million tokens for each merge would take hours.
TEST(BytePairs, LongWordsAreFast) {
  const auto table = table_of({{0, 0, 10}, {10, 10, 11}, {11, 11, 12}, {12, 12, 13}});
  Tokens word(1'000'000, 0);
  HeapMerger heap;
  EXPECT_EQ(heap.merge(table, word), 62'500u);
}

}  // namespace
}  // namespace ballast
