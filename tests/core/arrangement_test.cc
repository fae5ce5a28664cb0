// Moves of segments: even in the end, with few copies, and no replica dropped too early.
#include "services/core/arrangement.h"

#include <algorithm>
#include <set>

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "services/core/placement.h"

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

Arrangement wish(uint32_t replication, std::set<std::string> leaving = {},
                 std::set<std::string> unsettled = {}) {
  return {.replication = replication,
          .leaving = [=](const ProcessId& id) { return leaving.contains(id.name); },
          .settled = [=](const ProcessId& id) { return !unsettled.contains(id.name); }};
}

std::vector<ServerIndex> in_sync(const Placement& placement) {
  std::vector<ServerIndex> servers = placement.backups;
  servers.push_back(placement.primary);
  return servers;
}

struct Load {
  std::vector<uint32_t> replicas;
  std::vector<uint32_t> primaries;
};

Load load(const SegmentMap& map) {
  Load load{std::vector<uint32_t>(map.servers.size()), std::vector<uint32_t>(map.servers.size())};
  for (const Placement& placement : map.segments) {
    ++load.primaries[placement.primary];
    for (const ServerIndex server : in_sync(placement)) {
      ++load.replicas[server];
    }
  }
  return load;
}

uint32_t spread(const std::vector<uint32_t>& counts) {
  const auto [low, high] = std::minmax_element(counts.begin(), counts.end());
  return *high - *low;
}

// What the coordinator does: everything that joins catches up, then the next map, made before those
// know that they are in sync. The copies made.
size_t settle(SegmentMap& map, Arrangement wanted) {
  size_t copies = 0;
  std::set<ProcessId> admitted;
  wanted.settled = [&](const ProcessId& id) { return !admitted.contains(id); };
  for (int round = 0; round < 200; ++round) {
    SegmentMap next = rearranged(map, wanted);
    RC_ASSERT(next.consistent());
    if (next == map && admitted.empty()) {
      return copies;
    }
    map = std::move(next);
    admitted.clear();
    for (SegmentId segment = 0; segment < map.segments.size(); ++segment) {
      for (const ServerIndex server : std::vector(map.segments[segment].joining)) {
        admit(map, segment, map.servers[server].id);
        admitted.insert(map.servers[server].id);
        ++copies;
      }
    }
  }
  RC_FAIL("moves without end");
  return copies;
}

TEST(Rearranged, LeavesAnEvenMapAlone) {
  const SegmentMap map = place_segments(1, members(3), 9, 2);
  EXPECT_EQ(rearranged(map, wish(2)), map);
}

TEST(Rearranged, AServerLeavesInThreeMaps) {
  SegmentMap map = place_segments(1, members(3), 3, 2);  // 0+1 1+2 2+0
  map = rearranged(map, wish(2, {"ps-2"}));
  EXPECT_EQ(map.segments[0], (Placement{0, {1}, {}}));
  EXPECT_EQ(map.segments[1], (Placement{1, {2}, {0}}));
  EXPECT_EQ(map.segments[2], (Placement{2, {0}, {1}}));
  EXPECT_EQ(rearranged(map, wish(2, {"ps-2"})), map) << "nothing has caught up";
  admit(map, 1, map.servers[0].id);
  admit(map, 2, map.servers[1].id);
  EXPECT_EQ(rearranged(map, wish(2, {"ps-2"}, {"ps-0", "ps-1"})), map) << "they do not know yet";
  map = rearranged(map, wish(2, {"ps-2"}));
  EXPECT_EQ(load(map).replicas, (std::vector<uint32_t>{3, 3, 0}));
}

TEST(Rearranged, ANewServerKeepsWhatItWasGivenAndAFullOneGivesItUp) {
  SegmentMap map = place_segments(1, members(2), 3, 2);
  map.servers = members(3);
  map = rearranged(map, wish(2));
  ASSERT_EQ(map.segments[0].joining, (std::vector<ServerIndex>{2}));
  admit(map, 0, map.servers[2].id);
  EXPECT_EQ(rearranged(map, wish(2, {}, {"ps-2"})).segments[0], map.segments[0])
      << "it does not know yet";
  const auto left = in_sync(rearranged(map, wish(2)).segments[0]);
  EXPECT_EQ(left.size(), 2u);
  EXPECT_NE(std::find(left.begin(), left.end(), ServerIndex{2}), left.end());
}

TEST(Rearranged, AServerThatLeavesKeepsWhatTheOthersCannotReplicate) {
  SegmentMap map = place_segments(1, members(2), 2, 2);
  map = rearranged(map, wish(2, {"ps-1"}));
  EXPECT_EQ(load(map).replicas, (std::vector<uint32_t>{2, 2}));
}

TEST(Rearranged, OneWhoComesBackAfterAllKeepsWhatItHas) {
  const SegmentMap before = place_segments(1, members(3), 30, 2);
  SegmentMap map = rearranged(before, wish(2, {"ps-2"}));
  EXPECT_NE(map, before);
  EXPECT_EQ(rearranged(map, wish(2)), map) << "what is on its way arrives";
  for (SegmentId segment = 0; segment < map.segments.size(); ++segment) {
    for (const ServerIndex server : std::vector(map.segments[segment].joining)) {
      admit(map, segment, map.servers[server].id);
    }
  }
  EXPECT_EQ(settle(map, wish(2)), 0u) << "and is enough";
  EXPECT_EQ(load(map).replicas, (std::vector<uint32_t>{20, 20, 20}));
}

TEST(Rearranged, PrimariesSpreadOverOthersWithoutACopy) {
  SegmentMap map{.version = {1, 1}, .servers = members(3), .segments = {}};
  map.segments = {{0, {1}, {}}, {0, {1}, {}}, {0, {1}, {}}, {1, {2}, {}}, {1, {2}, {}},
                  {1, {2}, {}}, {2, {0}, {}}, {0, {2}, {}}, {0, {2}, {}}};
  const Load before = load(map);
  map = rearranged(map, wish(2));
  EXPECT_EQ(load(map).primaries, (std::vector<uint32_t>{3, 3, 3}));
  EXPECT_EQ(load(map).replicas, before.replicas);
}

Arrangement weighted(uint32_t replication, std::vector<uint32_t> weights) {
  Arrangement result = wish(replication);
  result.weight = [=](const ProcessId& id) -> std::optional<uint32_t> {
    const size_t server = id.incarnation - 1;
    return server < weights.size() ? std::optional(weights[server]) : std::nullopt;
  };
  return result;
}

TEST(Rearranged, PrimariesGoByWeightAtOnceAndReplicasFollow) {
  SegmentMap map = place_segments(1, members(4), 40, 2);
  const Arrangement slow_first = weighted(2, {1, 3, 3, 3});
  EXPECT_EQ(load(rearranged(map, slow_first)).primaries, (std::vector<uint32_t>{4, 12, 12, 12}))
      << "without a copy";
  EXPECT_LE(settle(map, slow_first), 12u + 4u);
  EXPECT_EQ(load(map).primaries, (std::vector<uint32_t>{4, 12, 12, 12}));
  EXPECT_EQ(load(map).replicas, (std::vector<uint32_t>{8, 24, 24, 24}));
  settle(map, wish(2));
  EXPECT_EQ(load(map).primaries, (std::vector<uint32_t>{10, 10, 10, 10})) << "evenly again";
  EXPECT_EQ(load(map).replicas, (std::vector<uint32_t>{20, 20, 20, 20}));
}

TEST(Rearranged, AServerOfWeightNothingHoldsNothingAndANewcomerIsOrdinary) {
  SegmentMap map = place_segments(1, members(3), 12, 2);
  settle(map, weighted(2, {0, 4}));
  EXPECT_EQ(load(map).primaries, (std::vector<uint32_t>{0, 8, 4}));
  EXPECT_EQ(load(map).replicas, (std::vector<uint32_t>{0, 12, 12}));
}

TEST(Rearranged, AServerOfWeightNothingHoldsBackupsWhereReplicationNeedsIt) {
  SegmentMap map = place_segments(1, members(2), 12, 2);
  EXPECT_EQ(settle(map, weighted(2, {0, 4})), 0u);
  EXPECT_EQ(load(map).primaries, (std::vector<uint32_t>{0, 12}));
  EXPECT_EQ(load(map).replicas, (std::vector<uint32_t>{12, 12}));
}

TEST(Rearranged, WhatIsMissingIsMadeOnServersByWeight) {
  SegmentMap map = place_segments(1, members(4), 30, 1);
  map.servers = members(4);
  EXPECT_TRUE(add_joining(map, weighted(2, {5, 0, 5, 5})));
  for (const Placement& placement : map.segments) EXPECT_NE(placement.joining.at(0), 1u);
}

TEST(RearrangedProperty, ReplicasGoByWeightWithHardlyMoreCopiesThanNeeded) {
  EXPECT_TRUE(rc::check([] {
    const auto servers = *rc::gen::inRange<size_t>(1, 7);
    const auto replication = *rc::gen::inRange<uint32_t>(1, 4);
    const auto segments = *rc::gen::inRange<uint32_t>(1, 60);
    const auto weights =
        *rc::gen::container<std::vector<uint32_t>>(servers, rc::gen::inRange<uint32_t>(0, 6));
    SegmentMap map = place_segments(1, members(servers), segments, replication);
    const Load at_first = load(map);
    const auto copies = settle(map, weighted(replication, weights));
    const Load at_last = load(map);
    size_t needed = 0;
    const auto able = static_cast<size_t>(
        std::count_if(weights.begin(), weights.end(), [](uint32_t weight) { return weight > 0; }));
    for (size_t i = 0; i < servers; ++i) {
      RC_ASSERT(at_last.replicas[i] <= segments);
      RC_ASSERT(weights[i] > 0 || able < replication || at_last.replicas[i] == 0u);
      for (size_t other = 0; other < servers; ++other) {
        RC_ASSERT(weights[i] < weights[other] ||
                  at_last.replicas[i] + 2 >= at_last.replicas[other]);
        RC_ASSERT(weights[i] < weights[other] ||
                  at_last.primaries[i] + 2 >= at_last.primaries[other]);
      }
      needed += at_last.replicas[i] - std::min(at_last.replicas[i], at_first.replicas[i]);
    }
    RC_ASSERT(copies >= needed);
    // Nobody holds a segment twice: what one has too many may first have to make room for another.
    RC_ASSERT(copies <= 2 * needed + servers);
  }));
}

// Whatever was there before, and however servers share nodes.
TEST(RearrangedProperty, MovesByWeightComeToAnEndOnSharedNodes) {
  EXPECT_TRUE(rc::check([] {
    const auto servers = *rc::gen::inRange<size_t>(1, 7);
    const auto nodes = *rc::gen::inRange<size_t>(1, 5);
    const auto replication = *rc::gen::inRange<uint32_t>(1, 4);
    const auto some_weights =
        rc::gen::container<std::vector<uint32_t>>(servers, rc::gen::inRange<uint32_t>(0, 6));
    SegmentMap map =
        place_segments(1, members(servers, nodes), *rc::gen::inRange(1u, 40u), replication);
    for (int change = 0; change < 4; ++change) settle(map, weighted(replication, *some_weights));
    for (const Placement& placement : map.segments) {
      RC_ASSERT(placement.joining.empty());
      RC_ASSERT(placement.backups.size() + 1 == std::min<size_t>(replication, servers));
    }
  }));
}

TEST(Rearranged, WithOneReplicaTheSegmentsThemselvesMoveByWeight) {
  SegmentMap map = place_segments(1, members(2), 12, 1);
  EXPECT_EQ(settle(map, weighted(1, {1, 3})), 3u);
  EXPECT_EQ(load(map).primaries, (std::vector<uint32_t>{3, 9}));
}

TEST(Rearranged, ReplicasKeepToOtherNodes) {
  SegmentMap map = place_segments(1, members(2), 8, 2);
  map.servers = members(4, 2);
  settle(map, wish(2));
  EXPECT_LE(spread(load(map).replicas), 1u);
  std::vector<Member> servers = members(4);
  servers[0].node = servers[2].node = "a";
  servers[1].node = servers[3].node = "b";
  map = place_segments(1, {servers[0], servers[1]}, 8, 2);
  map.servers = servers;
  settle(map, wish(2));
  EXPECT_LE(spread(load(map).replicas), 1u);
  for (const Placement& placement : map.segments) {
    EXPECT_NE(map.servers[placement.primary].node, map.servers[placement.backups[0]].node);
  }
}

TEST(RearrangedProperty, EvenInTheEndWithHardlyMoreCopiesThanNeeded) {
  EXPECT_TRUE(rc::check([] {
    const auto before = *rc::gen::inRange<size_t>(1, 7);
    const auto after = *rc::gen::inRange<size_t>(1, 7);
    const auto replication =
        *rc::gen::inRange<uint32_t>(1, static_cast<uint32_t>(std::min(before, after)) + 1);
    const auto segments = *rc::gen::inRange<uint32_t>(1, 60);
    SegmentMap map = place_segments(1, members(before), segments, std::min(replication, 3u));
    map.servers = members(std::max(before, after));
    std::set<std::string> leaving;
    for (size_t i = after; i < before; ++i) {
      leaving.insert("ps-" + std::to_string(i));
    }
    const Load at_first = load(map);
    const auto copies = settle(map, wish(std::min(replication, 3u), leaving));
    Load at_last = load(map);
    size_t needed = 0;
    for (size_t i = 0; i < map.servers.size(); ++i) {
      RC_ASSERT(i < after || at_last.replicas[i] == 0u);
      needed += at_last.replicas[i] - std::min(at_last.replicas[i], at_first.replicas[i]);
    }
    at_last.replicas.resize(after);
    at_last.primaries.resize(after);
    RC_ASSERT(spread(at_last.replicas) <= 1u);
    RC_ASSERT(spread(at_last.primaries) <= 1u);
    // What is missing is made first, wherever there is room; that may take a few copies more.
    RC_ASSERT(copies >= needed);
    RC_ASSERT(copies <= needed + map.servers.size());
  }));
}

// Whatever is asked for at any moment: as many replicas as wished stay that know that they are in
// sync.
TEST(RearrangedProperty, NeverFewerReplicasThanWished) {
  EXPECT_TRUE(rc::check([] {
    const auto servers = *rc::gen::inRange<size_t>(2, 6);
    SegmentMap map = place_segments(1, members(servers), *rc::gen::inRange(1u, 30u), 2);
    for (int round = 0; round < 30; ++round) {
      std::set<std::string> leaving;
      std::set<std::string> unsettled;
      for (const Member& member : map.servers) {
        if (*rc::gen::weightedElement<bool>({{3, false}, {1, true}}))
          leaving.insert(member.id.name);
        if (*rc::gen::weightedElement<bool>({{3, false}, {1, true}}))
          unsettled.insert(member.id.name);
      }
      const SegmentMap next = rearranged(map, wish(2, leaving, unsettled));
      for (SegmentId segment = 0; segment < map.segments.size(); ++segment) {
        const auto left = in_sync(next.segments[segment]);
        const auto had = in_sync(map.segments[segment]);
        const auto able = std::count_if(left.begin(), left.end(), [&](ServerIndex server) {
          return !unsettled.contains(map.servers[server].id.name);
        });
        RC_ASSERT(left.size() == had.size() || able >= 2);
        for (const ServerIndex server : left) {
          RC_ASSERT(std::find(had.begin(), had.end(), server) != had.end());
        }
      }
      map = next;
      for (SegmentId segment = 0; segment < map.segments.size(); ++segment) {
        for (const ServerIndex server : std::vector(map.segments[segment].joining)) {
          if (*rc::gen::arbitrary<bool>()) admit(map, segment, map.servers[server].id);
        }
      }
    }
  }));
}

}  // namespace
}  // namespace ballast
