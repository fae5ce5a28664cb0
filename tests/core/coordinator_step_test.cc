// The coordinator during a step: prepared, record, holders, commit, skips, evaluation, the end.
#include <cmath>

#include "tests/core/coordinator_fixture.h"

namespace ballast {
namespace {

using namespace core_test;

TEST(CoordinatorStep, RecordComesWhenEveryReplicaOfEverySegmentIsPrepared) {
  Coordinator table({kPs0, kPs1}, training(2));
  table.begin();
  EXPECT_TRUE(table.hear(kPs0, table.prepared(0)).empty());
  EXPECT_TRUE(table.hear(kPs0, table.prepared(0)).empty());  // doubled: counted once
  EXPECT_TRUE(table.hear(kPs1, table.prepared(0)).empty());
  EXPECT_TRUE(table.hear(kPs0, table.prepared(1)).empty());
  const Effects offers = table.hear(kPs1, table.prepared(1));
  EXPECT_EQ(receivers<OfferRecord>(offers), (std::vector<ProcessId>{kPs0, kPs1}));
  const Record record = sent<OfferRecord>(offers).front().record;
  EXPECT_EQ(record.step, 0u);
  EXPECT_EQ(record.training, (LossSum{8, 4}));
  EXPECT_EQ(record.gradient_norm, std::sqrt(8.0) / 4);
  EXPECT_EQ(record.origin, kTerm);
  EXPECT_EQ(record.map, table.state().map.version);

  EXPECT_TRUE(sent<Commit>(table.hear(kPs0, RecordHeld{kTerm, 0})).empty());
  EXPECT_TRUE(sent<Commit>(table.hear(kPs0, RecordHeld{kTerm, 0})).empty());
  EXPECT_TRUE(sent<Commit>(table.hear(kPs2, RecordHeld{kTerm, 0})).empty());  // no member
  const Effects commit = table.hear(kPs1, RecordHeld{kTerm, 0});
  EXPECT_EQ(outline(commit), "committed, commit to ps-0, commit to ps-1, assignment, send");
  EXPECT_EQ(table.state().step, 1u);
}

TEST(CoordinatorStep, PreparedCountsUnderTheMapInForceAlone) {
  Coordinator table({kPs0});
  table.begin();
  Prepared message = table.prepared(0);
  const auto ignored = [&](auto change) {
    Prepared other = message;
    change(other);
    table.hear(kPs0, other);
    EXPECT_EQ(table.state().unprepared, 2u);
  };
  ignored([](Prepared& p) { p.map.number += 1; });
  ignored([](Prepared& p) { p.map.number -= 1; });
  ignored([](Prepared& p) { p.term -= 1; });
  ignored([](Prepared& p) { p.step += 1; });
  ignored([](Prepared& p) { p.segment = 99; });
  table.hear(kPs1, message);  // not in sync
  EXPECT_EQ(table.state().unprepared, 2u);
  table.hear(kPs0, message);
  EXPECT_EQ(table.state().unprepared, 1u);
}

TEST(CoordinatorStep, ReplicasThatDisagreeEndTheJob) {
  Coordinator table({kPs0, kPs1}, training(2));
  table.begin();
  table.hear(kPs0, table.prepared(0));
  Prepared other = table.prepared(0);
  other.sum_squares = 4.000001;
  const Effects effects = table.hear(kPs1, other);
  EXPECT_EQ(sent<Progress>(effects).back().failure,
            "replicas of segment 0 disagree about step 0: ps-1 differs");
  EXPECT_TRUE(only<Finish>(effects).failed);
}

TEST(CoordinatorStep, ReplicasWithOtherValuesEndTheJobAndAreNamed) {
  Coordinator table({kPs0, kPs1}, training(2));
  table.begin();
  table.hear(kPs0, table.prepared(0));
  Prepared other = table.prepared(0);
  other.checksum = 0xab;
  EXPECT_EQ(sent<Progress>(table.hear(kPs1, other)).back().failure,
            "replicas of segment 0 differ at version 0: ps-0 has checksum 0000000000000000, ps-1 "
            "has 00000000000000ab");
}

TEST(CoordinatorStep, SegmentsThatCountedDifferentlyEndTheJob) {
  Coordinator table({kPs0});
  table.begin();
  table.hear(kPs0, table.prepared(0));
  Prepared other = table.prepared(1);
  other.sum.tokens = 5;
  table.hear(kPs0, other);
  EXPECT_EQ(table.state().failure, "segments 0 and 1 counted step 0 differently: 4 and 5 tokens");
}

TEST(CoordinatorStep, NoStepCommitsBeforeTheOriginIsComplete) {
  Coordinator table({kPs0});
  table.seal_all();
  table.join(kWorker0);
  table.hear(kPs0, InitialisedReport{kTerm, kTerm, table.state().map.version, {0, 1}});
  table.prepare_all();
  EXPECT_FALSE(table.state().pending);
}

TEST(CoordinatorStep, RunOfSkippedStepsEndsTheJob) {
  Coordinator table({kPs0});
  table.begin();
  table.commit(false);
  EXPECT_EQ(table.state().last->skipped_in_a_row, 1u);
  table.commit();
  EXPECT_EQ(table.state().last->skipped_in_a_row, 0u);
  table.commit(false);
  const Effects effects = table.commit(false);
  EXPECT_EQ(sent<Progress>(effects).back().failure,
            "2 steps in a row were not finite, the last was step 3");
  EXPECT_EQ(sent<Progress>(effects).back().skipped, 3u);
  EXPECT_TRUE(only<Finish>(effects).failed);
}

TEST(CoordinatorStep, LostMessagesAreSentAgain) {
  Coordinator table({kPs0, kPs1}, training(2));
  table.begin();
  table.prepare_all();
  table.hear(kPs0, RecordHeld{kTerm, 0});
  EXPECT_EQ(receivers<OfferRecord>(table.tick_after(300)), (std::vector<ProcessId>{kPs1}));
  table.hear(kPs1, RecordHeld{kTerm, 0});
  const MapVersion map = table.state().map.version;
  table.hear(kPs0, Applied{kTerm, map, 1});
  table.hear(kPs1, Applied{kTerm, {kTerm, 0}, 0});  // it has not got the map either
  const Effects again = table.tick_after(300);
  EXPECT_EQ(receivers<Commit>(again), (std::vector<ProcessId>{kPs1}));
}

TEST(CoordinatorStep, CommitWaitsForTheEvaluation) {
  TrainingSettings settings = training();
  settings.evaluation_every = 1;
  settings.evaluation_batches = 3;
  Coordinator table({kPs0}, settings);
  table.begin();
  const auto given = table.assignments(table.commit());
  EXPECT_EQ(given.at(kWorker0).evaluations, (std::vector<uint32_t>{0, 1, 2}));
  table.prepare_all();
  for (const uint32_t index : {1u, 1u, 0u, 7u}) {
    table.hear(kWorker0, EvaluationDone{kTerm, kTerm, 1, index, {1.5, 2}});
  }
  EXPECT_FALSE(table.state().pending);
  const Effects effects = table.hear(kWorker0, EvaluationDone{kTerm, kTerm, 1, 2, {1.5, 2}});
  EXPECT_EQ(only<OfferRecord>(effects).record.evaluation, (LossSum{4.5, 6}));
}

TEST(CoordinatorEnd, EvaluatesWritesACheckpointAndDismissesWorkers) {
  TrainingSettings settings = training();
  settings.steps = 1;
  settings.evaluation_batches = 1;
  settings.checkpoint_path = "/checkpoints";
  Coordinator table({kPs0, kPs1}, settings);
  table.begin();
  const auto given = table.assignments(table.commit());
  EXPECT_EQ(table.state().phase, JobPhase::kFinalEvaluation);
  EXPECT_TRUE(given.at(kWorker0).microbatches.empty());
  EXPECT_EQ(given.at(kWorker0).evaluations, (std::vector<uint32_t>{0}));
  const Effects orders = table.hear(kWorker0, EvaluationDone{kTerm, kTerm, 1, 0, {3, 2}});
  ASSERT_EQ(receivers<WriteCheckpoint>(orders), (std::vector<ProcessId>{kPs0, kPs1}));
  const std::string directory = sent<WriteCheckpoint>(orders)[0].directory;
  EXPECT_EQ(directory, "/checkpoints/step-1-term-7-attempt-1");

  EXPECT_TRUE(
      done<SaveManifest>(
          table.hear(kPs0, CheckpointWritten{kTerm, 1, 1, CheckpointPart{1, {1}, "b", 1, ""}, ""}))
          .empty());
  EXPECT_EQ(receivers<WriteCheckpoint>(table.tick_after(300)), (std::vector<ProcessId>{kPs1}));
  const auto manifests = done<SaveManifest>(
      table.hear(kPs1, CheckpointWritten{kTerm, 1, 1, CheckpointPart{0, {0}, "a", 1, ""}, ""}));
  ASSERT_EQ(manifests.size(), 1u);
  EXPECT_EQ(manifests[0].parts[0].file, "a");  // ascending by segment
  const Effects end = table.machine_.step(ManifestWritten{directory, ""}, table.now_);
  EXPECT_FALSE(only<Finish>(end).failed);
  const Progress progress = sent<Progress>(end).back();
  EXPECT_EQ(progress.phase, JobPhase::kDone);
  EXPECT_EQ(progress.checkpoint, directory);
  EXPECT_EQ(progress.evaluation, (LossSum{3, 2}));
  EXPECT_EQ(progress.evaluation_version, 1u);
  // Whoever comes late is told as well.
  EXPECT_EQ(only<JoinRefused>(table.join(kWorker1)).code, RefusalCode::kFinished);
  EXPECT_FALSE(only<Finish>(table.hear(kWorker0, WorkerHeartbeat{})).failed);
}

TEST(CoordinatorEnd, CheckpointThatFailsIsTriedThreeTimes) {
  TrainingSettings settings = training();
  settings.steps = 1;
  settings.checkpoint_path = "/checkpoints";
  Coordinator table({kPs0}, settings);
  table.begin();
  table.commit();
  for (const uint32_t attempt : {1u, 2u, 3u}) {
    EXPECT_EQ(table.state().phase, JobPhase::kCheckpointing);
    table.hear(kPs0, CheckpointWritten{kTerm, 1, attempt, {}, "no space left"});
  }
  EXPECT_EQ(table.state().failure,
            "the checkpoint of version 1 could not be written: ps-0: no space left");
}

}  // namespace
}  // namespace ballast
