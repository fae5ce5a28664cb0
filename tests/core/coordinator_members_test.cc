// Who comes and who goes: workers lost in the middle of a step, servers removed, new replicas
// admitted.
#include "tests/core/coordinator_fixture.h"

namespace ballast {
namespace {

using namespace core_test;

WorkerHeartbeat heartbeat(const Coordinator& table, uint32_t number, bool leaving = false) {
  return {kTerm, table.state().step, number, table.state().map.version, leaving};
}

TEST(CoordinatorWorkers, LostOnesMicrobatchesGoToTheOthersAtOnce) {
  Coordinator table({kPs0});
  table.begin({kWorker0, kWorker1});
  const auto given = table.assignments(table.lose(kWorker1));
  ASSERT_EQ(given.size(), 1u);
  EXPECT_EQ(given.at(kWorker0).microbatches, (std::vector<Microbatch>{0, 1, 2, 3}));
  EXPECT_EQ(given.at(kWorker0).step, 0u);
}

TEST(CoordinatorWorkers, SilentOneIsLost) {
  Coordinator table({kPs0});
  table.begin({kWorker0, kWorker1});
  table.tick_after(4000);
  table.hear(kWorker0, heartbeat(table, 1));
  table.tick_after(2000);
  EXPECT_TRUE(table.state().workers.contains(kWorker0));
  EXPECT_FALSE(table.state().workers.contains(kWorker1));
  // It comes back: it is told to join again.
  EXPECT_EQ(only<Redirect>(table.hear(kWorker1, heartbeat(table, 1))).coordinator->id, kPs0);
}

TEST(CoordinatorWorkers, WithoutWorkersTheWorkWaitsForTheNextOne) {
  Coordinator table({kPs0});
  table.begin();
  table.lose(kWorker0);
  EXPECT_EQ(only<Progress>(table.tick_after(1000)).phase, JobPhase::kWaitingForWorkers);
  const auto given = table.assignments(table.join(kWorker1));
  EXPECT_EQ(given.at(kWorker1).microbatches.size(), 4u);
}

TEST(CoordinatorWorkers, NothingIsComputedAgainOnceEverySegmentIsPrepared) {
  Coordinator table({kPs0});
  table.begin({kWorker0, kWorker1});
  table.prepare_all();
  EXPECT_TRUE(table.assignments(table.lose(kWorker1)).empty());
}

TEST(CoordinatorWorkers, HeartbeatThatIsBehindGetsWhatWasLost) {
  Coordinator table({kPs0});
  const auto given = table.assignments(table.begin());
  const uint32_t number = given.at(kWorker0).number;
  table.now_ += 300;
  Effects effects = table.hear(kWorker0, heartbeat(table, number));
  EXPECT_EQ(sent<JoinAccepted>(effects).size(), 1u);
  EXPECT_TRUE(sent<Assignment>(effects).empty());
  EXPECT_TRUE(sent<MapUpdate>(effects).empty());
  effects = table.hear(kWorker0, WorkerHeartbeat{kTerm, 0, number - 1, {}, false});
  EXPECT_EQ(sent<Assignment>(effects).size(), 1u);
  EXPECT_EQ(sent<MapUpdate>(effects).size(), 1u);
}

TEST(CoordinatorWorkers, LeavingOneFinishesItsStepAndGoes) {
  Coordinator table({kPs0});
  const auto given = table.assignments(table.begin({kWorker0, kWorker1}));
  Effects effects = table.hear(kWorker1, heartbeat(table, given.at(kWorker1).number, true));
  EXPECT_TRUE(sent<Finish>(effects).empty());
  effects = table.commit();
  EXPECT_EQ(receivers<Finish>(effects), (std::vector<ProcessId>{kWorker1}));
  EXPECT_EQ(table.assignments(effects).at(kWorker0).microbatches.size(), 4u);
  // One that has nothing to do goes at once; one that is not known, too.
  table.hear(kWorker1, heartbeat(table, 0, true));
  EXPECT_FALSE(only<Finish>(table.hear(kWorker1, heartbeat(table, 0, true))).failed);
}

TEST(CoordinatorWorkers, LeavingOnesEndTheStepWhereNobodyStays) {
  Coordinator table({kPs0});
  const auto given = table.assignments(table.begin({kWorker0, kWorker1}));
  for (const ProcessId& worker : {kWorker0, kWorker1}) {
    table.hear(worker, heartbeat(table, given.at(worker).number, true));
  }
  const auto renewed = table.assignments(table.lose(kWorker1));
  ASSERT_EQ(renewed.size(), 1u);
  EXPECT_EQ(renewed.at(kWorker0).microbatches.size(), 4u);
  EXPECT_EQ(receivers<Finish>(table.commit()), (std::vector<ProcessId>{kWorker0}));
}

// No step ends to let it go, and it would be given nothing more: alone it would hold up the job.
TEST(CoordinatorWorkers, LeavingOneGoesAtOnceWhileTheJobBegins) {
  Coordinator table({kPs0});
  table.seal_all();
  table.join(kWorker0);
  const auto given = table.assignments(table.join(kWorker1));
  ASSERT_FALSE(given.at(kWorker1).initialise.empty());
  Effects effects = table.hear(kWorker1, heartbeat(table, given.at(kWorker1).number, true));
  EXPECT_EQ(receivers<Finish>(effects), (std::vector<ProcessId>{kWorker1}));
  const auto renewed = table.assignments(effects);
  EXPECT_EQ(renewed.at(kWorker0).initialise.size(), 2u);
  effects = table.hear(kWorker0, heartbeat(table, renewed.at(kWorker0).number, true));
  EXPECT_EQ(receivers<Finish>(effects), (std::vector<ProcessId>{kWorker0}));
  EXPECT_EQ(table.assignments(table.join(kWorker1)).at(kWorker1).initialise.size(), 2u);
}

TEST(CoordinatorServers, RemovalIsAskedForUntilItIsWrittenAndWithdrawnByAWord) {
  Coordinator table({kPs0, kPs1}, training(2));
  table.begin();
  EXPECT_EQ(only<AskRemove>(table.lose(kPs1)).member, kPs1);
  EXPECT_EQ(sent<AskRemove>(table.tick_after(300)).size(), 1u);
  table.hear(kPs1, Applied{kTerm, table.state().map.version, 0});
  EXPECT_TRUE(sent<AskRemove>(table.tick_after(300)).empty());
  EXPECT_TRUE(sent<AskRemove>(table.lose(kPs0)).empty());  // never itself
}

TEST(CoordinatorServers, NothingIsCommittedWithoutAMemberThatIsStillThere) {
  Coordinator table({kPs0, kPs1}, training(2));
  table.begin();
  table.lose(kPs1);
  for (const SegmentId segment : {0u, 1u}) {
    table.hear(kPs0, table.prepared(segment));
  }
  EXPECT_FALSE(table.state().pending);
  table.members_are(2, {kPs0});
  EXPECT_FALSE(table.state().pending);  // prepared counts anew under the new map
  for (const SegmentId segment : {0u, 1u}) {
    table.hear(kPs0, table.prepared(segment));
  }
  EXPECT_TRUE(table.state().pending);
  EXPECT_EQ(sent<Commit>(table.hear(kPs0, RecordHeld{kTerm, 0})).size(), 1u);
}

TEST(CoordinatorServers, BackupThatHoldsTheRootIsPromoted) {
  Coordinator table({kPs0, kPs1, kPs2}, training(3));
  table.begin({kWorker0}, 3);
  ASSERT_EQ(table.state().map.segments[1], (Placement{1, {2, 0}, {}}));
  table.hear(kPs0, table.prepared(1));
  table.members_are(2, {kPs0, kPs2});
  EXPECT_EQ(table.state().map.primary(1), kPs0);
  EXPECT_TRUE(only<Progress>(table.tick_after(1000)).degraded);
}

TEST(CoordinatorServers, RecordThatIsPendingIsCommittedByThoseWhoAreLeft) {
  Coordinator table({kPs0, kPs1}, training(2));
  table.begin();
  table.prepare_all();
  table.hear(kPs0, RecordHeld{kTerm, 0});
  EXPECT_EQ(table.state().step, 0u);
  table.members_are(2, {kPs0});
  EXPECT_EQ(table.state().step, 1u);
}

TEST(CoordinatorServers, LastReplicaGoneEndsTheTerm) {
  Coordinator table({kPs0, kPs1}, training(1));
  table.begin();
  const Effects effects = table.members_are(2, {kPs0});
  EXPECT_EQ(sent<Progress>(effects).back().failure,
            "all replicas of 1 segments are lost, the first is segment 1");
}

TEST(CoordinatorServers, OldAndForeignMemberListsAreRefused) {
  Coordinator table({kPs0, kPs1}, training(2));
  table.begin();
  table.members_are(1, {kPs0});
  EXPECT_EQ(table.state().servers.size(), 2u);
  table.hear(kOperator, MembersChanged{kTerm - 1, {9, members({kPs0})}});
  EXPECT_EQ(table.state().servers.size(), 2u);
}

TEST(CoordinatorServers, NewMemberIsSealedCopiedToAndAdmittedBetweenTwoSteps) {
  Coordinator table({kPs0, kPs1}, training(2));
  table.begin();
  table.members_are(2, {kPs0});
  const ProcessId again{"ps-1", 99};
  EXPECT_EQ(receivers<Seal>(table.members_are(3, {kPs0, again})), (std::vector<ProcessId>{again}));
  const Effects taken = table.hear(again, Coordinator::sealed());
  EXPECT_EQ(sent<MapUpdate>(taken)[0].map.segments[0], (Placement{0, {}, {1}}));
  const MapVersion map = table.state().map.version;
  table.hear(again, CaughtUp{kTerm, map, 0, 0, false});  // without the root: not yet
  table.hear(again, CaughtUp{kTerm, map, 1, 0, true});
  EXPECT_EQ(table.state().map.version, map);  // not in the middle of a step
  const Effects effects = table.commit();
  EXPECT_EQ(table.state().map.segments[0], (Placement{0, {}, {1}}));
  EXPECT_EQ(table.state().map.segments[1], (Placement{0, {1}, {}}));
  // The commit goes out before the map that counts on it.
  const std::string order = outline(effects);
  EXPECT_LT(order.find("commit to ps-1"), order.find("assignment"));
  table.hear(again, CaughtUp{kTerm, table.state().map.version, 0, 1, true});
  table.commit();
  for (const ProcessId& id : {kPs0, again}) {
    table.hear(id, Applied{kTerm, table.state().map.version, 2});
  }
  EXPECT_FALSE(only<Progress>(table.tick_after(1000)).degraded);
}

// It held the last commit and no segment: every segment has its replicas, and yet the next loss
// would take that commit.
TEST(CoordinatorServers, DegradedWhereTooFewOfThoseWhoAreLeftKnowTheLastCommit) {
  Coordinator table({kPs0, kPs1, kPs2}, training(2));
  table.begin({kWorker0}, 1);
  const auto acknowledged = [&](const std::vector<ProcessId>& servers) {
    for (const ProcessId& id : servers) table.hear(id, MapAck{kTerm, table.state().map.version});
  };
  acknowledged({kPs0, kPs1, kPs2});
  table.hear(kOperator, PlanChanged{kTerm,
                                    1,
                                    {},
                                    false,
                                    table.state().training(),
                                    {},
                                    {{"ps-0", 1}, {"ps-1", 0}, {"ps-2", 1}}});
  table.commit();  // the segment is to be copied to ps-2
  acknowledged({kPs0, kPs1, kPs2});
  table.hear(kPs2, CaughtUp{kTerm, table.state().map.version, 0, 1, true});
  table.commit();  // it is admitted
  acknowledged({kPs0, kPs1, kPs2});
  table.commit();  // ps-1 holds nothing any more
  acknowledged({kPs0, kPs1, kPs2});
  ASSERT_EQ(table.state().map.segments[0], (Placement{0, {2}, {}}));
  table.commit();
  EXPECT_FALSE(only<Progress>(table.tick_after(1000)).degraded);
  table.members_are(2, {kPs0, kPs2});
  acknowledged({kPs0, kPs2});
  EXPECT_TRUE(only<Progress>(table.tick_after(1000)).degraded);
  table.hear(kPs2, Applied{kTerm, table.state().map.version, table.state().step});
  EXPECT_FALSE(only<Progress>(table.tick_after(1000)).degraded);
}

TEST(CoordinatorServers, DegradedUntilEveryMemberKnowsTheMap) {
  Coordinator table({kPs0, kPs1}, training(2));
  table.begin();
  EXPECT_TRUE(only<Progress>(table.tick_after(1000)).degraded);
  for (const ProcessId& id : {kPs0, kPs1}) {
    table.hear(id, MapAck{kTerm, table.state().map.version});
  }
  EXPECT_FALSE(only<Progress>(table.tick_after(1000)).degraded);
}

}  // namespace
}  // namespace ballast
