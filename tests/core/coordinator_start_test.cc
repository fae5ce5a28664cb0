// The coordinator's beginning: sealing, the choice of what wins, joins, initial values.
#include "tests/core/coordinator_fixture.h"

namespace ballast {
namespace {

using namespace core_test;

TEST(CoordinatorSeal, ActsOnlyWhenEveryMemberIsSealed) {
  Coordinator table({kPs0, kPs1});
  table.hear(kPs0, Coordinator::sealed());
  EXPECT_EQ(table.state().phase, JobPhase::kSealing);
  EXPECT_TRUE(table.join(kWorker0).empty());  // remembered
  EXPECT_EQ(receivers<Seal>(table.tick_after(300)), (std::vector<ProcessId>{kPs1}));
  const Effects effects = table.hear(kPs1, Coordinator::sealed());
  EXPECT_EQ(receivers<JoinAccepted>(effects), (std::vector<ProcessId>{kWorker0}));
  EXPECT_EQ(receivers<MapUpdate>(effects).size(), 3u);
  EXPECT_EQ(table.state().phase, JobPhase::kInitialising);
}

TEST(CoordinatorSeal, MemberThatIsRemovedNeedsNotSeal) {
  Coordinator table({kPs0, kPs1});
  table.hear(kPs0, Coordinator::sealed());
  EXPECT_TRUE(sent<AskRemove>(table.tick_after(2000)).empty());
  EXPECT_EQ(only<AskRemove>(table.tick_after(1100)).member, kPs1);
  table.members_are(2, {kPs0});
  EXPECT_EQ(table.state().phase, JobPhase::kWaitingForWorkers);
}

TEST(CoordinatorSeal, HigherTermMakesItSilentForEver) {
  const Message rows[] = {SealRefused{kTerm + 1}, Seal{kTerm + 1, {kPs1, "", ""}, 1},
                          MembersChanged{kTerm + 1, {5, members({kPs0})}}};
  for (const Message& row : rows) {
    Coordinator table({kPs0, kPs1});
    table.hear(kPs1, row);
    EXPECT_TRUE(table.state().retired);
    EXPECT_TRUE(table.tick_after(10000).empty());
    EXPECT_TRUE(table.join(kWorker0).empty());
  }
  Coordinator table({kPs0, kPs1});
  table.hear(kPs1, SealRefused{kTerm - 1});
  EXPECT_FALSE(table.state().retired);
  table.members_are(2, {kPs1});  // it is removed itself
  EXPECT_TRUE(table.state().retired);
}

constexpr Origin kOrigin = 3;
constexpr MapVersion kOld{6, 4};

struct Held {
  SegmentId segment;
  Step version;
  bool root;
};

Record record(Step step) {
  Record result;
  result.step = step;
  result.origin = kOrigin;
  result.map = kOld;
  return result;
}

Sealed sealed_with(const std::vector<Held>& replicas, const SegmentMap& map,
                   std::vector<Record> records = {}, Origin origin = kOrigin) {
  Sealed sealed = Coordinator::sealed();
  sealed.identity = identity(static_cast<uint32_t>(map.segments.size()));
  sealed.map = map;
  sealed.records = std::move(records);
  for (const Held& held : replicas) {
    sealed.replicas.push_back({held.segment, map.version, origin, held.version, held.root, false});
  }
  return sealed;
}

class Continue : public testing::Test {
 protected:
  Coordinator table_{{kPs0, kPs1}, training(2), StartKind::kContinue, kOrigin};
  SegmentMap map_ = map_of(kOld, {kPs0, kPs1}, {{0, {1}, {}}, {1, {0}, {}}});
};

TEST_F(Continue, GoesOnWhereAllStand) {
  table_.hear(kPs0, sealed_with({{0, 4, false}, {1, 4, false}}, map_, {record(2), record(3)}));
  table_.hear(kPs1, sealed_with({{0, 4, false}, {1, 4, false}}, map_, {record(3)}));
  EXPECT_EQ(table_.state().phase, JobPhase::kTraining);
  EXPECT_EQ(table_.state().step, 4u);
  EXPECT_EQ(table_.state().last->step, 3u);
  EXPECT_FALSE(table_.state().adopted);
  EXPECT_EQ(table_.state().origin, kOrigin);
  EXPECT_TRUE(table_.state().origin_complete);
}

TEST_F(Continue, ReplicaWithRootAndRecordCountsAsTheNextVersion) {
  table_.hear(kPs0, sealed_with({{0, 5, false}, {1, 4, true}}, map_, {record(3), record(4)}));
  const Effects effects =
      table_.hear(kPs1, sealed_with({{0, 4, true}, {1, 4, true}}, map_, {record(3)}));
  EXPECT_EQ(table_.state().step, 5u);
  EXPECT_EQ(table_.state().last, record(4));
  for (const MapUpdate& update : sent<MapUpdate>(effects)) {
    EXPECT_EQ(update.map.segments[0].backups.size(), 1u);  // nothing is dropped
    EXPECT_EQ(update.map.segments[1].backups.size(), 1u);
  }
  // The record reaches those that are behind.
  table_.hear(kPs1, Applied{kTerm, table_.state().map.version, 4});
  EXPECT_EQ(sent<Commit>(table_.tick_after(300)).front().record, record(4));
}

TEST_F(Continue, AdoptsARecordThatWasOfferedAndMakesNone) {
  table_.hear(kPs0, sealed_with({{0, 4, true}, {1, 4, true}}, map_, {record(3), record(4)}));
  table_.hear(kPs1, sealed_with({{0, 4, true}, {1, 4, true}}, map_, {record(3)}));
  EXPECT_EQ(table_.state().step, 4u);
  const auto offers = sent<OfferRecord>(table_.prepare_all());
  ASSERT_EQ(offers.size(), 2u);
  EXPECT_EQ(offers[0].record, record(4));  // as bits: its map, sums and all
}

// Its other holder may be gone, and whoever loses this one too has lost a commit.
TEST_F(Continue, UntilWhatWasFoundIsHeldByEnoughTheJobIsDegraded) {
  table_.hear(kPs0, sealed_with({{0, 4, true}, {1, 4, true}}, map_, {record(3), record(4)}));
  table_.hear(kPs1, sealed_with({{0, 4, true}, {1, 4, true}}, map_, {record(3)}));
  for (const ProcessId& server : {kPs0, kPs1})
    table_.hear(server, MapAck{kTerm, table_.state().map.version});
  EXPECT_TRUE(only<Progress>(table_.tick_after(1000)).degraded);
  table_.commit();
  for (const ProcessId& server : {kPs0, kPs1})
    table_.hear(server, MapAck{kTerm, table_.state().map.version});
  EXPECT_FALSE(only<Progress>(table_.tick_after(1000)).degraded);
}

TEST(ContinueWithEvaluations, WhatWasFoundIsOfferedWithoutEvaluatingAnew) {
  TrainingSettings settings = training(2);
  settings.evaluation_every = 4;
  settings.evaluation_batches = 1;
  Coordinator table{{kPs0, kPs1}, settings, StartKind::kContinue, kOrigin};
  const SegmentMap map = map_of(kOld, {kPs0, kPs1}, {{0, {1}, {}}, {1, {0}, {}}});
  table.hear(kPs0, sealed_with({{0, 4, true}, {1, 4, true}}, map, {record(3), record(4)}));
  table.hear(kPs1, sealed_with({{0, 4, true}, {1, 4, true}}, map, {record(3)}));
  EXPECT_EQ(sent<OfferRecord>(table.prepare_all()).size(), 2u);
}

TEST_F(Continue, ACommitThatIsFoundIsCarriedOutBeforeTheJobRests) {
  table_.hear(kOperator, PlanChanged{kTerm, 9, {}, true, table_.state().training()});
  table_.hear(kPs0, sealed_with({{0, 4, true}, {1, 4, true}}, map_, {record(3), record(4)}));
  table_.hear(kPs1, sealed_with({{0, 4, true}, {1, 4, true}}, map_, {record(3)}));
  EXPECT_EQ(table_.state().phase, JobPhase::kTraining);
  table_.commit();
  EXPECT_EQ(table_.state().step, 5u);
  EXPECT_NE(table_.state().phase, JobPhase::kTraining);
}

TEST_F(Continue, ReplicaThatIsBehindIsDroppedAndCopiedAgain) {
  table_.hear(kPs0, sealed_with({{0, 5, false}, {1, 5, false}}, map_, {record(4)}));
  table_.hear(kPs1, sealed_with({{0, 4, false}, {1, 5, false}}, map_, {record(4)}));
  const SegmentMap& map = table_.state().map;
  EXPECT_EQ(map.segments[0], (Placement{0, {}, {1}}));
  EXPECT_EQ(map.segments[1].backups.size(), 1u);
}

TEST_F(Continue, NewestMapSaysWhoIsInSyncWhicheverMapAReplicaHasSeen) {
  SegmentMap newer = map_;
  newer.version.number = 5;
  newer.segments[1] = {0, {}, {}};
  table_.hear(kPs0, sealed_with({{0, 4, false}, {1, 4, false}}, newer, {record(3)}));
  table_.hear(kPs1, sealed_with({{0, 4, false}, {1, 4, false}}, map_, {record(3)}));
  EXPECT_EQ(table_.state().map.segments[0].backups.size(), 1u);  // ps-1 is listed in the newer one
  EXPECT_EQ(table_.state().map.segments[1], (Placement{0, {}, {1}}));
}

TEST_F(Continue, HolderOfTheRootBecomesPrimary) {
  table_.hear(kPs0, sealed_with({{0, 4, false}, {1, 4, true}}, map_, {record(3)}));
  table_.hear(kPs1, sealed_with({{0, 4, true}, {1, 4, false}}, map_, {record(3)}));
  EXPECT_EQ(table_.state().map.primary(0), kPs1);
  EXPECT_EQ(table_.state().map.primary(1), kPs0);
}

TEST_F(Continue, WhatCannotGoOnIsLostWithItsReason) {
  struct Row {
    Sealed first;
    Sealed second;
    const char* reason;
  };
  const Row rows[] = {
      {Coordinator::sealed(), Coordinator::sealed(), "no server holds parameters to continue from"},
      {sealed_with({{0, 4, false}, {1, 4, false}}, map_, {record(3)}, 2), Coordinator::sealed(),
       "no server holds parameters to continue from"},
      {sealed_with({{0, 4, false}}, map_, {record(3)}), Coordinator::sealed(),
       "all replicas of segment 1 are lost"},
      {sealed_with({{0, 4, false}, {1, 4, false}}, map_), Coordinator::sealed(),
       "no server holds the record of step 3"},
      {sealed_with({{0, 5, false}, {1, 4, false}}, map_, {record(3), record(4)}),
       Coordinator::sealed(),
       "segment 1 stands at version 4, others at 5: its replicas with the step between are lost"},
      {sealed_with({{0, 6, false}, {1, 4, true}}, map_, {record(4), record(5)}),
       Coordinator::sealed(),
       "segment 1 stands at version 4, others at 6: its replicas with the step between are lost"},
  };
  for (const Row& row : rows) {
    Coordinator table({kPs0, kPs1}, training(2), StartKind::kContinue, kOrigin);
    table.hear(kPs0, row.first);
    const Effects effects = table.hear(kPs1, row.second);
    EXPECT_EQ(table.state().phase, JobPhase::kLost) << row.reason;
    EXPECT_EQ(sent<Progress>(effects).back().failure, row.reason);
  }
}

TEST(CoordinatorJoin, IsJudgedRowByRow) {
  Coordinator table({kPs0});
  table.begin();
  const auto refusal = [&](const JobIdentity& other) {
    return only<JoinRefused>(table.hear(kWorker1, Join{other, "build"})).code;
  };
  JobIdentity other = identity(3);
  EXPECT_EQ(refusal(other), RefusalCode::kOtherLayout);
  other = identity(2);
  other.layout_hash += 1;
  EXPECT_EQ(refusal(other), RefusalCode::kOtherLayout);
  other = identity(2);
  other.layout.elements += 16;
  EXPECT_EQ(refusal(other), RefusalCode::kOtherLayout);
  other = identity(2);
  other.data_fingerprint = "other";
  EXPECT_EQ(refusal(other), RefusalCode::kOtherData);
  other = identity(2);
  other.numerics_fingerprint = "other";
  EXPECT_EQ(refusal(other), RefusalCode::kOtherNumerics);
  EXPECT_EQ(only<JoinAccepted>(table.join(kWorker1)).origin, kTerm);

  TrainingSettings loose = training();
  loose.reproducible = false;
  Coordinator tolerant({kPs0}, loose);
  tolerant.begin();
  EXPECT_EQ(sent<JoinAccepted>(tolerant.hear(kWorker1, Join{other, "build"})).size(), 1u);
}

TEST(CoordinatorJoin, LaterLifeReplacesTheEarlierOneAndNotTheOtherWayRound) {
  Coordinator table({kPs0});
  table.begin();
  const ProcessId later{"worker-0", 200};
  const auto given = table.assignments(table.join(later));
  EXPECT_EQ(given.at(later).microbatches.size(), 4u);  // what the earlier one held
  EXPECT_FALSE(table.state().workers.contains(kWorker0));
  table.hear(later, WorkerHeartbeat{kTerm, 0, given.at(later).number, {kTerm, 1}, false});
  EXPECT_TRUE(table.join(kWorker0).empty());  // a late message
  EXPECT_TRUE(table.state().workers.contains(later));
}

TEST(CoordinatorStart, InitialValuesComeFromWorkersThenTheOriginIsAskedFor) {
  Coordinator table({kPs0, kPs1}, training(2));
  table.seal_all();
  auto given = table.assignments(table.join(kWorker0, 4));
  EXPECT_EQ(given.at(kWorker0).initialise, (std::vector<SegmentId>{0, 1, 2, 3}));
  given = table.assignments(table.join(kWorker1, 4));
  EXPECT_EQ(given.at(kWorker0).initialise.size() + given.at(kWorker1).initialise.size(), 4u);
  const MapVersion map = table.state().map.version;
  EXPECT_TRUE(sent<AskOrigin>(table.hear(kPs0, InitialisedReport{kTerm, kTerm, map, {0, 1, 2, 3}}))
                  .empty());
  EXPECT_TRUE(
      sent<AskOrigin>(table.hear(kPs1, InitialisedReport{kTerm, kTerm, map, {0, 1}})).empty());
  // The origin is not complete before every replica is.
  table.hear(kOperator, OriginComplete{kTerm, kTerm});
  EXPECT_EQ(table.state().phase, JobPhase::kInitialising);
  EXPECT_EQ(only<AskOrigin>(table.hear(kPs1, InitialisedReport{kTerm, kTerm, map, {2, 3}})).origin,
            kTerm);
  EXPECT_EQ(sent<AskOrigin>(table.tick_after(300)).size(), 1u);
  EXPECT_TRUE(table.hear(kOperator, OriginComplete{kTerm, kTerm - 1}).empty());
  const auto work = table.assignments(table.hear(kOperator, OriginComplete{kTerm, kTerm}));
  EXPECT_EQ(work.at(kWorker0).microbatches, (std::vector<Microbatch>{0, 1}));
  EXPECT_EQ(work.at(kWorker1).microbatches, (std::vector<Microbatch>{2, 3}));
}

TEST(CoordinatorStart, ServerLostBeforeTheOriginIsCompleteStartsTheValuesAnew) {
  Coordinator table({kPs0, kPs1}, training(1));
  table.seal_all();
  table.join(kWorker0, 4);
  table.hear(kPs0, InitialisedReport{kTerm, kTerm, table.state().map.version, {0, 1}});
  const auto given = table.assignments(table.members_are(2, {kPs0}));
  EXPECT_EQ(given.at(kWorker0).initialise.size(), 4u);
  EXPECT_EQ(table.state().map.servers.size(), 1u);
}

}  // namespace
}  // namespace ballast
