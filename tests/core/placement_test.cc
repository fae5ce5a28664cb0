// Segment maps: the first one is even, changes move as little as they can, replicas keep apart.
#include "services/core/placement.h"

#include <algorithm>
#include <set>

#include <gtest/gtest.h>
#include <rapidcheck.h>

namespace ballast {
namespace {

std::vector<Member> members(size_t count, size_t nodes = 0) {
  std::vector<Member> result;
  for (size_t i = 0; i < count; ++i) {
    result.push_back({{"ps-" + std::to_string(i), i + 1},
                      "unix:/" + std::to_string(i),
                      nodes == 0 ? "" : "node-" + std::to_string(i % nodes)});
  }
  return result;
}

const Leaving kNobody = [](const ProcessId&) { return false; };
const Preference kNoPreference = [](SegmentId, const ProcessId&) { return false; };

std::vector<uint32_t> primaries(const SegmentMap& map) {
  std::vector<uint32_t> counts(map.servers.size());
  for (const Placement& placement : map.segments) {
    ++counts[placement.primary];
  }
  return counts;
}

TEST(PlaceSegments, GivesContiguousRanges) {
  const SegmentMap map = place_segments(7, members(3), 7, 2);
  EXPECT_EQ(map.version, (MapVersion{7, 0}));
  std::vector<ServerIndex> order;
  for (const Placement& placement : map.segments) {
    order.push_back(placement.primary);
    EXPECT_EQ(placement.backups,
              (std::vector<ServerIndex>{static_cast<ServerIndex>((placement.primary + 1) % 3)}));
  }
  EXPECT_EQ(order, (std::vector<ServerIndex>{0, 0, 0, 1, 1, 2, 2}));
}

TEST(PlaceSegments, FollowsThePlansShares) {
  const auto placed = [](const std::vector<Share>& shares) {
    return primaries(place_segments(1, members(3), 10, 2, shares));
  };
  EXPECT_EQ(placed({{"ps-0", 1}, {"ps-1", 0}, {"ps-2", 4}}), (std::vector<uint32_t>{2, 0, 8}));
  EXPECT_EQ(placed({{"ps-1", 0}, {"ps-2", 0}, {"ps-0", 0}}), (std::vector<uint32_t>{4, 3, 3}));
  EXPECT_EQ(placed({{"ps-7", 5}}), (std::vector<uint32_t>{4, 3, 3}));
}

TEST(PlaceSegments, PutsBackupsOnOtherNodes) {
  // Nodes 0 1 0 1: the next server but one shares the node.
  const SegmentMap map = place_segments(1, members(4, 2), 8, 3);
  for (const Placement& placement : map.segments) {
    ASSERT_EQ(placement.backups.size(), 2u);
    EXPECT_NE(map.servers[placement.primary].node, map.servers[placement.backups[0]].node);
  }
}

TEST(PlaceSegments, TakesNoMoreReplicasThanServers) {
  EXPECT_TRUE(place_segments(1, members(1), 4, 3).segments[0].backups.empty());
  EXPECT_TRUE(place_segments(1, std::vector<Member>{}, 4, 3).segments.empty());
  EXPECT_EQ(place_segments(1, members(2), 0, 2).segments.size(), 0u);
}

TEST(RestrictTo, PromotesBackupsAndNamesTheLost) {
  const SegmentMap map = place_segments(1, members(3), 3, 2);  // 0+1 1+2 2+0
  std::vector<SegmentId> lost;
  auto left = members(3);
  left.erase(left.begin() + 1);
  const SegmentMap without = restrict_to(map, left, kNoPreference, lost);
  EXPECT_TRUE(lost.empty());
  EXPECT_EQ(without.segments[0], (Placement{0, {}, {}}));
  EXPECT_EQ(without.segments[1], (Placement{1, {}, {}}));  // the backup, ps-2
  EXPECT_EQ(without.segments[2], (Placement{1, {0}, {}}));
  left.pop_back();
  restrict_to(map, left, kNoPreference, lost);
  EXPECT_EQ(lost, (std::vector<SegmentId>{1}));
}

TEST(RestrictTo, PrefersTheReplicaThatHoldsTheRoot) {
  const SegmentMap map = place_segments(1, members(3), 1, 3);  // 0+1,2
  std::vector<SegmentId> lost;
  auto left = members(3);
  left.erase(left.begin());
  const auto last = [](SegmentId, const ProcessId& id) { return id.name == "ps-2"; };
  EXPECT_EQ(restrict_to(map, left, last, lost).segments[0], (Placement{1, {0}, {}}));
}

TEST(Admit, MakesAJoiningReplicaABackup) {
  SegmentMap map = place_segments(1, members(2), 2, 1);
  EXPECT_TRUE(add_joining(map, 2, kNobody));
  EXPECT_EQ(map.segments[0], (Placement{0, {}, {1}}));
  EXPECT_FALSE(admit(map, 0, {"ps-0", 1}));
  EXPECT_TRUE(admit(map, 0, {"ps-1", 2}));
  EXPECT_FALSE(admit(map, 0, {"ps-1", 2}));
  EXPECT_EQ(map.segments[0], (Placement{0, {1}, {}}));
  EXPECT_TRUE(admit(map, 1, {"ps-0", 1}));
}

TEST(PlacementProperties, FirstMapsAreEvenAndConsistent) {
  EXPECT_TRUE(rc::check("first map", [] {
    const auto servers = *rc::gen::inRange<size_t>(1, 9);
    const auto segments = *rc::gen::inRange(0u, 200u);
    const auto replication = *rc::gen::inRange(1u, 4u);
    const SegmentMap map = place_segments(3, members(servers), segments, replication);
    RC_ASSERT(map.consistent());
    RC_ASSERT(map.segments.size() == segments);
    const auto counts = primaries(map);
    const auto [least, most] = std::minmax_element(counts.begin(), counts.end());
    RC_ASSERT(*most - *least <= 1u);
    for (const Placement& placement : map.segments) {
      RC_ASSERT(placement.backups.size() + 1 == std::min<size_t>(replication, servers));
    }
  }));
}

TEST(PlacementProperties, LosingAServerMovesNothingElse) {
  EXPECT_TRUE(rc::check("fewest moves", [] {
    const auto servers = *rc::gen::inRange<size_t>(2, 9);
    const SegmentMap map = place_segments(3, members(servers), *rc::gen::inRange(1u, 100u), 2);
    const auto gone = *rc::gen::inRange<size_t>(0, servers);
    auto left = members(servers);
    left.erase(left.begin() + static_cast<std::ptrdiff_t>(gone));
    std::vector<SegmentId> lost;
    SegmentMap without = restrict_to(map, left, kNoPreference, lost);
    RC_ASSERT(lost.empty());
    RC_ASSERT(without.consistent());
    for (SegmentId segment = 0; segment < map.segments.size(); ++segment) {
      const ProcessId& before = map.primary(segment);
      if (before != map.servers[gone].id) {
        RC_ASSERT(without.primary(segment) == before);
      }
      RC_ASSERT(map.in_sync(segment, without.primary(segment)));
    }
    add_joining(without, 2, kNobody);
    RC_ASSERT(without.consistent());
    for (const Placement& placement : without.segments) {
      RC_ASSERT(placement.backups.size() + placement.joining.size() + 1 ==
                std::min<size_t>(2, left.size()));
    }
  }));
}

TEST(PlacementProperties, NewReplicasAreSpread) {
  EXPECT_TRUE(rc::check("spread", [] {
    const auto servers = *rc::gen::inRange<size_t>(2, 7);
    const auto segments = *rc::gen::inRange(1u, 100u);
    SegmentMap map = place_segments(3, members(servers), segments, 1);
    add_joining(map, 2, kNobody);
    std::vector<uint32_t> counts(servers);
    for (const Placement& placement : map.segments) {
      ++counts[placement.primary];
      ++counts[placement.joining.at(0)];
    }
    const auto even = static_cast<uint32_t>((2 * segments + servers - 1) / servers);
    RC_ASSERT(*std::max_element(counts.begin(), counts.end()) <= even + 2);
  }));
}

TEST(Consistent, SeesIndicesOutsideAndServersTwice) {
  SegmentMap map = place_segments(1, members(2), 1, 2);
  EXPECT_TRUE(map.consistent());
  map.segments[0].backups = {0};
  EXPECT_FALSE(map.consistent());
  map.segments[0].backups = {2};
  EXPECT_FALSE(map.consistent());
  map.segments[0].backups = {};
  map.segments[0].joining = {1, 1};
  EXPECT_FALSE(map.consistent());
}

}  // namespace
}  // namespace ballast
