// Checkpoints while training goes on, and an origin that begins with one.
#include "tests/core/coordinator_fixture.h"

namespace ballast {
namespace {

using namespace core_test;

TrainingSettings every_two_steps() {
  TrainingSettings settings = training();
  settings.steps = 9;
  settings.checkpoint_path = "/c";
  settings.checkpoint_every = 2;
  return settings;
}

CheckpointWritten part_of(const ProcessId& server, Step version, SegmentId segment,
                          uint32_t attempt = 1) {
  return {kTerm, version, attempt, CheckpointPart{segment, {segment}, server.name, 1, ""}, ""};
}

TEST(CheckpointInFlight, IsOrderedBetweenTwoStepsAndStopsNoStep) {
  Coordinator table({kPs0, kPs1}, every_two_steps());
  table.begin();
  EXPECT_TRUE(sent<WriteCheckpoint>(table.commit()).empty());
  const Effects second = table.commit();
  ASSERT_EQ(receivers<WriteCheckpoint>(second), (std::vector<ProcessId>{kPs0, kPs1}));
  const WriteCheckpoint order = sent<WriteCheckpoint>(second)[0];
  EXPECT_EQ(order.version, 2u);
  EXPECT_EQ(order.directory, "/c/step-2-term-7-attempt-1");
  table.commit();  // step 2 goes on meanwhile
  EXPECT_EQ(table.state().step, 3u);
  table.hear(kPs0, part_of(kPs0, 2, 0));
  const auto manifests = done<SaveManifest>(table.hear(kPs1, part_of(kPs1, 2, 1)));
  ASSERT_EQ(manifests.size(), 1u);
  EXPECT_EQ(manifests[0].version, 2u);
  EXPECT_EQ(manifests[0].last->step, 1u) << "of the version that was written";
  const Effects written = table.machine_.step(ManifestWritten{order.directory, ""}, table.now_);
  EXPECT_EQ(only<Progress>(written).checkpoint, order.directory);
  EXPECT_EQ(table.state().phase, JobPhase::kTraining);
}

TEST(CheckpointInFlight, TheNextOneWaitsUntilTheLastIsWritten) {
  Coordinator table({kPs0}, every_two_steps());
  table.begin();
  table.commit();
  table.commit();
  table.commit();
  EXPECT_TRUE(sent<WriteCheckpoint>(table.commit()).empty()) << "version 2 is being written";
  table.hear(kPs0, CheckpointWritten{kTerm, 2, 1, CheckpointPart{0, {0, 1}, "a", 1, ""}, ""});
  table.machine_.step(ManifestWritten{"/c/step-2-term-7-attempt-1", ""}, table.now_);
  EXPECT_EQ(only<WriteCheckpoint>(table.commit()).version, 5u);
}

// One that is due after four steps, and after each of the next two; then it is given up.
class NoSpace : public testing::Test {
 protected:
  NoSpace() : table_({kPs0}, every_four_steps()) {
    table_.begin();
    for (int step = 0; step < 4; ++step) table_.commit();
  }

  static TrainingSettings every_four_steps() {
    TrainingSettings settings = every_two_steps();
    settings.checkpoint_every = 4;
    return settings;
  }

  Effects fails(Step version, uint32_t attempt = 1) {
    return table_.hear(kPs0, CheckpointWritten{kTerm, version, attempt, {}, "no space left"});
  }

  Effects is_given_up() {
    for (const Step version : {4u, 5u}) {
      fails(version);
      EXPECT_EQ(table_.state().checkpoint_failure, "") << "it is tried again";
      table_.commit();
    }
    return fails(6);
  }

  Coordinator table_;
};

TEST_F(NoSpace, IsToldAndTriedAgainButNeverEndsTheJob) {
  EXPECT_EQ(only<Progress>(is_given_up()).checkpoint_failure, "ps-0: no space left");
  table_.commit();
  EXPECT_FALSE(table_.state().writing) << "given up until the next is due";
  EXPECT_EQ(table_.state().phase, JobPhase::kTraining);
  EXPECT_EQ(only<WriteCheckpoint>(table_.commit()).version, 8u);
}

TEST_F(NoSpace, SaysNothingOfTheCheckpointThatSuspends) {
  is_given_up();
  ASSERT_FALSE(table_.state().checkpoint_failure.empty());
  table_.hear(kOperator, PlanChanged{kTerm, 9, {}, true, table_.state().training()});
  const Effects suspended = table_.commit();
  EXPECT_EQ(only<WriteCheckpoint>(suspended).version, 7u);
  for (const Progress& progress : sent<Progress>(suspended)) {
    EXPECT_EQ(progress.checkpoint_failure, "");
  }
  for (const uint32_t attempt : {1u, 2u, 3u}) {
    EXPECT_EQ(table_.state().checkpoint_failure, "");
    fails(7, attempt);
  }
  EXPECT_EQ(table_.state().checkpoint_failure, "ps-0: no space left");
}

TEST(CheckpointInFlight, IsAbandonedWhenAWriterIsLost) {
  TrainingSettings settings = every_two_steps();
  settings.replication = 2;
  Coordinator table({kPs0, kPs1, kPs2}, settings);
  table.begin();
  table.commit();
  table.commit();
  ASSERT_TRUE(table.state().writing);
  table.members_are(2, {kPs0, kPs1, kPs2});
  EXPECT_TRUE(table.state().writing);
  const ProcessId lost = table.state().writing->writers.rbegin()->first;
  std::vector<ProcessId> left = {kPs0, kPs1, kPs2};
  std::erase(left, lost);
  table.members_are(3, left);
  EXPECT_FALSE(table.state().writing);
  EXPECT_TRUE(table.state().checkpoint_wanted);
  table.commit();
  ASSERT_TRUE(table.state().writing);
  EXPECT_EQ(table.state().writing->version, 3u);
}

class Restoring : public testing::Test {
 protected:
  Restoring() : table_({kPs0, kPs1}, settings(), StartKind::kRestore) {}

  static TrainingSettings settings() {
    TrainingSettings settings = training(2);
    settings.steps = 30;
    return settings;
  }

  ManifestRead manifest() const {
    return {.directory = "",
            .error = "",
            .identity = identity(2),
            .version = 20,
            .applied_steps = 19,
            .skipped_in_a_row = 1};
  }
  Effects manifest_is(const ManifestRead& read) { return table_.machine_.step(read, table_.now_); }

  Coordinator table_;
};

TEST_F(Restoring, ServersReadTheirSegmentsAndTheJobGoesOnFromThere) {
  table_.join(kWorker0);  // waits
  table_.hear(kPs0, Coordinator::sealed());
  EXPECT_EQ(done<ReadManifest>(table_.hear(kPs1, Coordinator::sealed())).size(), 1u);
  const Effects effects = manifest_is(manifest());
  const auto updates = sent<MapUpdate>(effects);
  ASSERT_FALSE(updates.empty());
  ASSERT_TRUE(updates[0].restore);
  EXPECT_EQ(updates[0].restore->version, 20u);
  EXPECT_EQ(updates[0].restore->last.step, 19u);
  EXPECT_EQ(updates[0].restore->last.applied_steps, 19u);
  EXPECT_EQ(updates[0].origin, kTerm);
  for (const auto& [worker, assignment] : table_.assignments(effects)) {
    EXPECT_TRUE(assignment.initialise.empty()) << "nobody makes initial values";
  }
  for (const ProcessId& server : {kPs0, kPs1}) {
    table_.hear(server, InitialisedReport{kTerm, kTerm, table_.state().map.version, {0, 1}});
  }
  table_.hear(kOperator, OriginComplete{kTerm, kTerm});
  EXPECT_EQ(table_.state().phase, JobPhase::kTraining);
  EXPECT_EQ(table_.state().step, 20u);
  table_.commit();
  EXPECT_EQ(table_.state().last->step, 20u);
  EXPECT_EQ(table_.state().last->applied_steps, 20u);
}

TEST_F(Restoring, WhatCannotBeReadEndsTheJobWithItsReason) {
  table_.seal_all();
  ManifestRead damaged = manifest();
  damaged.error = "checksum";
  manifest_is(damaged);
  EXPECT_EQ(table_.state().phase, JobPhase::kFailed);
  EXPECT_NE(table_.state().failure.find("checksum"), std::string::npos);
}

TEST_F(Restoring, AWorkerWithOtherDataIsRefused) {
  table_.seal_all();
  manifest_is(manifest());
  JobIdentity other = identity(2);
  other.data_fingerprint = "other";
  EXPECT_EQ(only<JoinRefused>(table_.hear(kWorker0, Join{other, "build"})).code,
            RefusalCode::kOtherData);
}

class RestoringServer : public testing::Test {
 protected:
  Effects hear(Message message) { return machine_.step(from(kPs1, std::move(message)), now_); }
  Effects map(uint64_t number, std::vector<Placement> segments, bool restored = true) {
    MapUpdate update{kTerm, kTerm, map_of({kTerm, number}, {kPs0, kPs1}, std::move(segments)),
                     identity(2), training(2)};
    if (restored) {
      Record last;
      last.step = 19;
      last.origin = kTerm;
      update.restore = Restore{"/from", 20, last};
    }
    return hear(std::move(update));
  }

  ServerMachine machine_{kPs0};
  TimeMs now_ = 1000;
};

TEST_F(RestoringServer, ReadsWhatItHoldsInSync) {
  hear(Seal{kTerm, {kPs1, "", ""}, 1});
  const Effects first = map(1, {{0, {1}, {}}, {1, {}, {0}}});
  const auto opened = done<OpenCheckpoint>(first);
  ASSERT_EQ(opened.size(), 1u);
  EXPECT_EQ(opened[0].segments, (std::vector<SegmentId>{0})) << "a joining one is copied to";
  EXPECT_TRUE(done<OpenCheckpoint>(machine_.step(Tick{}, now_ += 500)).empty()) << "once";
  const Effects restored = machine_.step(CheckpointOpened{"/from", {0}, ""}, now_);
  EXPECT_EQ(done<RestoreSegments>(restored).size(), 1u);
  EXPECT_EQ(only<InitialisedReport>(restored).segments, (std::vector<SegmentId>{0}));
  EXPECT_EQ(machine_.state().replicas[0].version, 20u);
  EXPECT_FALSE(machine_.state().replicas[1].filled);
}

TEST_F(RestoringServer, TriesAgainWhenTheDiskFails) {
  hear(Seal{kTerm, {kPs1, "", ""}, 1});
  map(1, {{0, {}, {}}, {0, {}, {}}});
  const Effects failed = machine_.step(CheckpointOpened{"/from", {0, 1}, "a read error"}, now_);
  EXPECT_EQ(done<FactRefused>(failed).size(), 1u);
  EXPECT_EQ(done<OpenCheckpoint>(machine_.step(Tick{}, now_ += 500)).size(), 1u);
}

TEST_F(RestoringServer, WhatALaterMapGivesItIsReadToo) {
  hear(Seal{kTerm, {kPs1, "", ""}, 1});
  map(1, {{0, {}, {}}, {1, {}, {}}});
  map(2, {{0, {}, {}}, {0, {}, {}}});
  machine_.step(CheckpointOpened{"/from", {0}, ""}, now_);
  EXPECT_FALSE(machine_.state().replicas[1].filled) << "that was not opened";
  const auto again = done<OpenCheckpoint>(machine_.step(Tick{}, now_ += 500));
  ASSERT_EQ(again.size(), 1u);
  EXPECT_EQ(again[0].segments, (std::vector<SegmentId>{1}));
}

}  // namespace
}  // namespace ballast
