// What is wished of a running job: taken between two steps, servers that leave, suspension.
#include <algorithm>

#include "tests/core/coordinator_fixture.h"

namespace ballast {
namespace {

using namespace core_test;

PlanChanged plan(PlanNumber number, std::vector<ProcessId> leaving = {}, bool suspend = false,
                 TrainingSettings settings = training(2)) {
  return {kTerm, number, std::move(leaving), suspend, std::move(settings)};
}

void know_the_map(Coordinator& table) {
  for (const auto& [id, server] : std::map(table.state().servers)) {
    table.hear(id, Applied{kTerm, table.state().map.version, table.state().step});
  }
}

// Everything that joins says that it holds the root of the step.
void catch_up(Coordinator& table) {
  const SegmentMap map = table.state().map;
  for (SegmentId segment = 0; segment < map.segments.size(); ++segment) {
    for (const ServerIndex server : map.segments[segment].joining) {
      table.hear(map.servers[server].id,
                 CaughtUp{kTerm, map.version, segment, table.state().step, true});
    }
  }
}

// A session that broke may have missed a plan and a member; the next one begins with the
// appointment.
TEST(CoordinatorPlan, AnAppointmentThatIsSaidAgainTellsWhatHasChanged) {
  Coordinator table({kPs0}, training(2));
  table.begin();
  Appoint again = Coordinator::appoint({kPs0}, training(2), StartKind::kContinue, kTerm);
  again.plan = 4;
  again.worker_shares = {{"worker-0", 3}};
  again.server_shares = {{"ps-0", 2}};
  table.hear(kOperator, again);
  table.commit();
  EXPECT_EQ(table.state().plan, 4u);
  EXPECT_EQ(table.state().worker_shares, again.worker_shares);
  EXPECT_EQ(table.state().server_shares, again.server_shares);
  again.plan = 3;
  again.members = {2, members({kPs0, kPs1})};
  table.hear(kOperator, again);
  EXPECT_TRUE(table.state().servers.contains(kPs1));
  again.members = {1, members({kPs0})};
  table.hear(kOperator, again);
  EXPECT_TRUE(table.state().servers.contains(kPs1)) << "an older list";
}

TEST(CoordinatorPlan, IsTakenBetweenTwoStepsTheHighestNumberLast) {
  Coordinator table({kPs0}, training(2));
  table.begin();
  table.hear(kOperator, plan(3));
  table.hear(kOperator, plan(2));
  EXPECT_EQ(table.state().plan, 0u);
  table.commit();
  EXPECT_EQ(table.state().plan, 3u);
  EXPECT_EQ(table.state().last->plan, 0u) << "the step had begun before";
  table.hear(kOperator, plan(3, {kPs0}));
  table.commit();
  EXPECT_TRUE(table.state().leaving.empty());
  EXPECT_EQ(table.state().last->plan, 3u);
}

TEST(CoordinatorPlan, StepsGrowAndNeverShrink) {
  Coordinator table({kPs0}, training(1));
  TrainingSettings more = training(1);
  more.steps += 5;
  more.checkpoint_every = 7;
  more.microbatches = 64;  // not to be changed
  table.begin();
  table.hear(kOperator, plan(2, {}, false, more));
  table.commit();
  EXPECT_EQ(table.state().training().steps, more.steps);
  EXPECT_EQ(table.state().training().checkpoint_every, 7u);
  EXPECT_EQ(table.state().training().microbatches, training(1).microbatches);
  more.steps = 1;
  table.hear(kOperator, plan(3, {}, false, more));
  table.commit();
  EXPECT_EQ(table.state().training().steps, training(1).steps + 5);
}

TEST(CoordinatorPlan, StepsThatGrowAfterTheLastOneAreMade) {
  TrainingSettings settings = training(1);
  settings.steps = 1;
  settings.evaluation_batches = 2;
  Coordinator table({kPs0}, settings);
  table.begin();
  table.commit();
  ASSERT_EQ(table.state().phase, JobPhase::kFinalEvaluation);
  settings.steps = 2;
  const auto given = table.assignments(table.hear(kOperator, plan(2, {}, false, settings)));
  EXPECT_EQ(table.state().phase, JobPhase::kTraining);
  EXPECT_EQ(given.at(kWorker0).microbatches.size(), settings.microbatches);
}

TEST(CoordinatorPlan, AServerThatLeavesGivesItsSegmentsAwayAndIsThenAskedToBeRemoved) {
  Coordinator table({kPs0, kPs1, kPs2}, training(2));
  table.begin({kWorker0}, 3);  // 0+1 1+2 2+0
  know_the_map(table);
  table.hear(kOperator, plan(2, {kPs2}));
  EXPECT_EQ(table.state().map.segments[1], (Placement{1, {2}, {}}))
      << "not in the middle of a step";
  table.commit();
  EXPECT_EQ(table.state().map.segments[1], (Placement{1, {2}, {0}}));
  EXPECT_EQ(table.state().map.segments[2], (Placement{2, {0}, {1}}));
  know_the_map(table);
  catch_up(table);
  table.commit();
  EXPECT_EQ(table.state().map.segments[1], (Placement{1, {2, 0}, {}})) << "not dropped yet";
  EXPECT_TRUE(sent<AskRemove>(table.tick_after(300)).empty());
  know_the_map(table);
  table.commit();
  EXPECT_EQ(table.state().map.segments[1], (Placement{1, {0}, {}}));
  EXPECT_EQ(table.state().map.segments[2], (Placement{0, {1}, {}}));
  EXPECT_TRUE(sent<AskRemove>(table.tick_after(300)).empty()) << "not everybody knows";
  know_the_map(table);
  const AskRemove ask = only<AskRemove>(table.tick_after(300));
  EXPECT_EQ(ask.member, kPs2);
  EXPECT_TRUE(ask.left);
  // It goes; nothing is degraded meanwhile.
  table.members_are(2, {kPs0, kPs1});
  know_the_map(table);
  EXPECT_FALSE(only<Progress>(table.tick_after(1000)).degraded);
  EXPECT_TRUE(sent<AskRemove>(table.tick_after(300)).empty());
}

TEST(CoordinatorPlan, OneThatLeavesIsTheLastToHoldRecords) {
  Coordinator table({kPs0, kPs1, kPs2}, training(2));
  table.begin({kWorker0}, 3);
  know_the_map(table);
  table.hear(kOperator, plan(2, {kPs1}));
  table.commit();
  EXPECT_EQ(receivers<OfferRecord>(table.prepare_all()), (std::vector<ProcessId>{kPs0, kPs2}));
  table.hear(kPs0, RecordHeld{kTerm, table.state().step});
  const Step step = table.state().step;
  table.hear(kPs1, RecordHeld{kTerm, step});
  EXPECT_EQ(table.state().step, step);
  table.hear(kPs2, RecordHeld{kTerm, step});
  EXPECT_EQ(table.state().step, step + 1);
}

TEST(CoordinatorPlan, SuspendedAfterACheckpointOfTheNextVersionAndGoesOnWhenWished) {
  TrainingSettings settings = training(1);
  settings.checkpoint_path = "/c";
  Coordinator table({kPs0}, settings);
  table.begin();
  table.hear(kOperator, plan(2, {}, true, settings));
  EXPECT_EQ(table.state().phase, JobPhase::kTraining);
  const Effects effects = table.commit();
  EXPECT_TRUE(table.assignments(effects).at(kWorker0).microbatches.empty());
  const WriteCheckpoint order = only<WriteCheckpoint>(effects);
  EXPECT_EQ(order.version, 1u);
  CheckpointPart part{0, order.segments, "ps-0", 1, "sum"};
  table.hear(kPs0, CheckpointWritten{kTerm, 1, order.attempt, part, ""});
  table.machine_.step(ManifestWritten{order.directory, ""}, table.now_);
  EXPECT_EQ(table.state().phase, JobPhase::kSuspended);
  EXPECT_EQ(only<Progress>(table.tick_after(1000)).checkpoint, order.directory);
  const auto given = table.assignments(table.hear(kOperator, plan(3, {}, false, settings)));
  EXPECT_EQ(table.state().phase, JobPhase::kTraining);
  EXPECT_EQ(given.at(kWorker0).microbatches.size(), settings.microbatches);
}

TEST(CoordinatorPlan, AServerThatIsLostWhileTheJobRestsLeavesTheMap) {
  TrainingSettings settings = training(2);
  settings.checkpoint_path = "/c";
  Coordinator table({kPs0, kPs1}, settings);
  table.begin();
  table.hear(kOperator, plan(2, {}, true, settings));
  const Effects effects = table.commit();
  const auto writers = receivers<WriteCheckpoint>(effects);
  const auto orders = sent<WriteCheckpoint>(effects);
  for (size_t i = 0; i < orders.size(); ++i) {
    CheckpointPart part{orders[i].segments.front(), orders[i].segments, writers[i].name, 1, "sum"};
    table.hear(writers[i], CheckpointWritten{kTerm, 1, orders[i].attempt, part, ""});
  }
  table.machine_.step(ManifestWritten{orders.at(0).directory, ""}, table.now_);
  ASSERT_EQ(table.state().phase, JobPhase::kSuspended);
  table.members_are(2, {kPs0});
  EXPECT_EQ(table.state().phase, JobPhase::kSuspended);
  for (SegmentId segment = 0; segment < table.state().map.segments.size(); ++segment) {
    EXPECT_EQ(table.state().map.primary(segment), kPs0);
    EXPECT_FALSE(table.state().map.in_sync(segment, kPs1));
  }
}

TEST(CoordinatorPlan, ASuspensionThatCannotBeWrittenIsTriedAgainLater) {
  TrainingSettings settings = training(1);
  settings.checkpoint_path = "/c";
  Coordinator table({kPs0}, settings);
  table.begin();
  table.hear(kOperator, plan(2, {}, true, settings));
  WriteCheckpoint order = only<WriteCheckpoint>(table.commit());
  Effects last;
  for (uint32_t attempt = 1; attempt <= 3; ++attempt) {
    last = table.hear(kPs0, CheckpointWritten{kTerm, 1, attempt, {}, "No space left"});
  }
  EXPECT_TRUE(sent<WriteCheckpoint>(last).empty());
  EXPECT_EQ(table.state().phase, JobPhase::kCheckpointing);
  EXPECT_TRUE(sent<WriteCheckpoint>(table.tick_after(4000)).empty());
  EXPECT_EQ(only<WriteCheckpoint>(table.tick_after(1000)).attempt, 4u);
}

TEST(CoordinatorPlan, CheckpointsByTime) {
  TrainingSettings settings = training(1);
  settings.checkpoint_path = "/c";
  settings.checkpoint_every_ms = 10'000;
  Coordinator table({kPs0}, settings);
  table.begin();
  EXPECT_TRUE(sent<WriteCheckpoint>(table.commit()).empty());
  table.now_ += 9'999;
  table.hear(kWorker0, WorkerHeartbeat{kTerm, 1, 1, {}, false});
  EXPECT_TRUE(sent<WriteCheckpoint>(table.commit()).empty());
  table.now_ += 1;
  EXPECT_EQ(only<WriteCheckpoint>(table.commit()).version, 3u);
}

TEST(CoordinatorPlan, ACoordinatorThatIsReplacedSendsItsWorkersOn) {
  Coordinator table({kPs0, kPs1}, training(2));
  table.begin();
  const Redirect redirect = only<Redirect>(table.hear(kPs1, Seal{kTerm + 1, {kPs1, "", ""}, 1}));
  EXPECT_EQ(redirect.term, kTerm + 1);
  EXPECT_EQ(redirect.coordinator->id, kPs1);
}

PlanChanged sharing(PlanNumber number, std::vector<Share> workers,
                    std::vector<Share> servers = {}) {
  PlanChanged changed = plan(number);
  changed.worker_shares = std::move(workers);
  changed.server_shares = std::move(servers);
  return changed;
}

TEST(CoordinatorPlan, GivesWorkersTheirSharesFromTheNextStepOn) {
  const TrainingSettings settings = training(1, 8);
  Coordinator table({kPs0}, settings);
  const auto first = table.assignments(table.begin({kWorker0, kWorker1}));
  EXPECT_EQ(first.at(kWorker0).microbatches.size(), 4u);
  EXPECT_TRUE(
      table.assignments(table.hear(kOperator, sharing(2, {{kWorker0.name, 2}, {kWorker1.name, 6}})))
          .empty())
      << "the step under way is not disturbed";
  const auto second = table.assignments(table.commit());
  EXPECT_EQ(second.at(kWorker0).microbatches, (std::vector<Microbatch>{4, 5}));
  EXPECT_EQ(second.at(kWorker1).microbatches, (std::vector<Microbatch>{0, 1, 2, 3, 6, 7}));
  EXPECT_EQ(table.state().plan, 2u);
}

TEST(CoordinatorPlan, ALaterAppointmentCarriesTheSharesToo) {
  const TrainingSettings settings = training(1, 8);
  Appoint appoint = Coordinator::appoint({kPs0}, settings, StartKind::kInitialise, 0);
  appoint.worker_shares = {{kWorker0.name, 1}, {kWorker1.name, 7}};
  appoint.server_shares = {{kPs0.name, 3}};
  const CoordinatorMachine machine(kPs0, kOperator, appoint);
  EXPECT_EQ(machine.state().worker_shares, appoint.worker_shares);
  EXPECT_EQ(machine.state().server_shares, appoint.server_shares);
}

TEST(CoordinatorPlan, PromotesBackupsByTheSharesOfServers) {
  Coordinator table({kPs0, kPs1}, training(2));
  table.begin({kWorker0}, 4);
  know_the_map(table);
  table.hear(kOperator, sharing(2, {}, {{kPs0.name, 1}, {kPs1.name, 3}}));
  table.commit();
  const SegmentMap& map = table.state().map;
  EXPECT_EQ(std::count_if(map.segments.begin(), map.segments.end(),
                          [&](const Placement& placement) {
                            return map.servers[placement.primary].id == kPs0;
                          }),
            1);
}

}  // namespace
}  // namespace ballast
