// The server machine between steps: the promise to a coordinator, roles under a new map, initial
// values, new replicas, checkpoints.
#include "tests/core/server_fixture.h"

namespace ballast {
namespace {

using namespace core_test;

TEST_F(Replicas, PromiseIsKept) {
  EXPECT_EQ(only<Sealed>(seal(4)).term, 4u);
  EXPECT_EQ(only<Sealed>(seal(4)).term, 4u);  // asked again
  EXPECT_EQ(only<SealRefused>(hear(kPs2, Seal{4, {kPs2, "", ""}, 1})).term, 4u);
  EXPECT_EQ(only<SealRefused>(seal(3)).term, 4u);
  EXPECT_EQ(only<Sealed>(seal(6)).term, 6u);
  EXPECT_EQ(only<SealRefused>(hear(kPs1, Seal{7, {kPs1, "", ""}, 0})).term,
            6u);  // an older member list
}

TEST_F(Replicas, AppointmentIsAPromiseToo) {
  Appoint appoint;
  appoint.term = 3;
  appoint.members.number = 2;
  appoint.plan = 4;
  EXPECT_TRUE(machine_.accept_appointment(appoint));
  EXPECT_FALSE(machine_.accept_appointment(appoint));
  appoint.term = 4;
  appoint.members.number = 1;
  EXPECT_FALSE(machine_.accept_appointment(appoint));
  appoint.members.number = 2;
  appoint.plan = 3;
  EXPECT_FALSE(machine_.accept_appointment(appoint));
  appoint.plan = 4;
  EXPECT_TRUE(machine_.accept_appointment(appoint));
  // The coordinator of this process answers workers itself.
  EXPECT_TRUE(hear(kWorker0, Join{}).empty());
}

TEST_F(Replicas, WorkersAreSentToTheCoordinator) {
  EXPECT_FALSE(only<Redirect>(hear(kWorker0, Join{})).coordinator);
  // Before there is a map: the worker may know of no other server.
  hear(kPs1, Seal{kTerm, {kPs1, "unix:/ps-1", ""}, 1});
  EXPECT_EQ(only<Redirect>(hear(kWorker0, WorkerHeartbeat{})).coordinator->id, kPs1);
  EXPECT_EQ(only<Redirect>(hear(kWorker0, Join{})).coordinator->address, "unix:/ps-1");
}

TEST_F(Replicas, MapIsTakenOnceFromTheCoordinatorOfTheTerm) {
  EXPECT_TRUE(map(1, {{0, {}, {}}}).empty());  // nothing was promised yet
  seal();
  EXPECT_TRUE(hear(kPs2, MapUpdate{kTerm, 5, map_of(version(1), {kPs0}, {{0, {}, {}}}), identity(1),
                                   training()})
                  .empty());
  EXPECT_EQ(done<Configure>(map(2, {{0, {}, {}}})).size(), 1u);
  const Effects again = map(1, {{1, {}, {}}});
  EXPECT_TRUE(done<Configure>(again).empty());
  EXPECT_EQ(only<MapAck>(again).map, version(2));
  EXPECT_EQ(replica().role, ReplicaRole::kPrimary);
}

TEST_F(Replicas, MapThatDoesNotFitIsRefused) {
  seal();
  EXPECT_EQ(outline(map(1, {{3, {}, {}}})), "refused");
  EXPECT_EQ(outline(map(1, {{0, {0}, {}}})), "refused");
  EXPECT_EQ(outline(hear(kPs1, MapUpdate{kTerm, 5, map_of(version(1), {kPs0}, {{0, {}, {}}}),
                                         identity(2), training()})),
            "refused");
  TrainingSettings odd = training();
  odd.microbatches = 3;
  EXPECT_EQ(outline(hear(kPs1, MapUpdate{kTerm, 5, map_of(version(1), {kPs0}, {{0, {}, {}}}),
                                         identity(1), odd})),
            "refused");
  EXPECT_FALSE(machine_.state().configured);
}

TEST_F(Replicas, InitialValuesGoOnToTheBackupsAndTheFirstWin) {
  seal();
  map(1, {{0, {1}, {}}});
  const Effects first = hear(kWorker0, PushInitial{kTerm, 5, version(1), 0});
  EXPECT_EQ(done<InitialiseSegment>(first).size(), 1u);
  EXPECT_EQ(receivers<PushInitial>(first), (std::vector<ProcessId>{kPs1}));
  EXPECT_EQ(only<InitialisedReport>(first).segments, (std::vector<SegmentId>{0}));
  EXPECT_EQ(only<PushInitialAck>(first).status, DataStatus::kOk);
  const Effects again = hear(kWorker1, PushInitial{kTerm, 5, version(1), 0});
  EXPECT_TRUE(done<InitialiseSegment>(again).empty());
  EXPECT_EQ(only<PushInitialAck>(again).status, DataStatus::kOk);
  now_ += 300;
  EXPECT_EQ(sent<PushInitial>(machine_.step(Tick{}, now_)).size(), 1u);
  hear(kPs1, PushInitialAck{kTerm, 5, {kTerm, 1}, 0, DataStatus::kOk});
  now_ += 300;
  EXPECT_TRUE(sent<PushInitial>(machine_.step(Tick{}, now_)).empty());
}

TEST_F(Replicas, SealReportsWhatIsHeldAndStopsTheLowerTerm) {
  seal();
  map(1, {{0, {}, {}}, {1, {0}, {}}, {1, {}, {}}});
  initialise(0);
  hear(kWorker0, Push{kTerm, 5, version(1), 0, 1, 0, {1, 1}});
  hear(kWorker0, Pull{kTerm, 5, version(1), 1, 0});  // parked
  const Effects effects = hear(kPs2, Seal{kTerm + 1, {kPs2, "", ""}, 1});
  EXPECT_EQ(only<PullReply>(effects).status, DataStatus::kStale);
  const Sealed sealed = only<Sealed>(effects);
  ASSERT_EQ(sealed.replicas.size(), 1u);  // the others hold no values yet
  EXPECT_EQ(sealed.replicas[0].segment, 0u);
  EXPECT_EQ(sealed.replicas[0].in_sync_under, version(1));
  EXPECT_TRUE(sealed.replicas[0].has_root);
  EXPECT_TRUE(sealed.replicas[0].was_primary);
  EXPECT_EQ(sealed.identity, identity(3));
  EXPECT_EQ(sealed.map->version, version(1));
  EXPECT_EQ(only<PushAck>(hear(kWorker0, Push{kTerm, 5, version(1), 0, 1, 0, {}})).status,
            DataStatus::kStale);
  EXPECT_TRUE(hear(kPs1, Commit{kTerm, record(0)}).empty());
}

TEST_F(Replicas, BackupWithTheRootReportsItAgainWhenItIsPromoted) {
  seal();
  map(1, {{1, {0}, {}}});
  initialise(0);
  hear(kPs1, root(0));
  machine_.step(Summarised{0, 0, replica().root, 2.0, true}, now_);
  const Effects promoted = map(2, {{0, {2}, {}}});
  EXPECT_EQ(only<Prepared>(promoted).map, version(2));
  EXPECT_EQ(receivers<Root>(promoted), (std::vector<ProcessId>{kPs2}));
  EXPECT_EQ(only<PushAck>(hear(kWorker0, Push{kTerm, 5, version(2), 0, 4, 0, {}})).status,
            DataStatus::kOk);
}

TEST_F(Replicas, APullIsAnsweredInThePrecisionThatItNames) {
  const auto precisions = [](const Effects& effects) {
    std::map<ProcessId, Precision> out;
    for (const Send& send : done<Send>(effects)) {
      const auto* from = std::get_if<FromParameters>(&send.payload);
      if (std::holds_alternative<PullReply>(send.message) && from != nullptr) {
        out[send.to] = from->precision;
      }
    }
    return out;
  };
  using Precisions = std::map<ProcessId, Precision>;
  seal();
  map(1, {{0, {}, {}}});
  initialise(0);
  EXPECT_EQ(precisions(hear(kWorker0, Pull{kTerm, 5, version(1), 0, 0, Precision::kBf16})),
            (Precisions{{kWorker0, Precision::kBf16}}));
  EXPECT_EQ(precisions(hear(kWorker1, Pull{kTerm, 5, version(1), 0, 0})),
            (Precisions{{kWorker1, Precision::kFp32}}));
  hear(kWorker0, Pull{kTerm, 5, version(1), 1, 0, Precision::kBf16});  // parked
  hear(kWorker1, Pull{kTerm, 5, version(1), 1, 0});
  hear(kWorker0, Push{kTerm, 5, version(1), 0, 1, 0, {1, 1}});
  EXPECT_EQ(precisions(hear(kPs1, Commit{kTerm, record(0)})),
            (Precisions{{kWorker0, Precision::kBf16}, {kWorker1, Precision::kFp32}}));
}

TEST_F(Replicas, BackupWithoutTheRootOpensAllLeaves) {
  seal();
  map(1, {{1, {0}, {}}});
  initialise(0);
  EXPECT_TRUE(sent<Prepared>(map(2, {{0, {}, {}}})).empty());
  EXPECT_EQ(replica().tree.missing().size(), 4u);
}

TEST_F(Replicas, PrimaryThatIsMadeABackupForgetsItsTree) {
  seal();
  map(1, {{0, {1}, {}}});
  initialise(0);
  hear(kWorker0, Push{kTerm, 5, version(1), 0, 4, 0, {1, 1}});
  hear(kWorker0, Pull{kTerm, 5, version(1), 1, 0});
  const Effects effects = map(2, {{1, {0}, {}}});
  EXPECT_EQ(done<Release>(effects).size(), 1u);
  EXPECT_EQ(only<PullReply>(effects).status, DataStatus::kWrongServer);
  EXPECT_TRUE(done<DropSegment>(effects).empty());
}

TEST_F(Replicas, SegmentThatIsHeldElsewhereNowIsDropped) {
  seal();
  map(1, {{0, {}, {}}});
  initialise(0);
  hear(kWorker0, Push{kTerm, 5, version(1), 0, 1, 0, {1, 1}});
  EXPECT_EQ(outline(map(2, {{1, {}, {}}})), "release 1, drop 0, send, applied");
  EXPECT_FALSE(replica().filled);
}

TEST_F(Replicas, JoiningReplicaIsThereWhenAllPartsOfOneVersionAre) {
  seal();
  map(1, {{1, {}, {0}}});
  EXPECT_EQ(outline(hear(kPs1, copy(0, 3))), "part 0, send");
  EXPECT_EQ(outline(hear(kPs1, copy(0, 3))), "send");  // doubled
  EXPECT_EQ(outline(hear(kPs1, copy(1, 4))),
            "part 1, send");  // a later version: from the beginning
  EXPECT_TRUE(hear(kPs1, copy(2, 3)).empty());
  hear(kPs1, copy(0, 4));
  const CaughtUp caught = only<CaughtUp>(hear(kPs1, copy(2, 4)));
  EXPECT_EQ(caught.version, 4u);
  EXPECT_FALSE(caught.has_root);
  EXPECT_TRUE(only<CaughtUp>(hear(kPs1, root(4))).has_root);
  EXPECT_TRUE(
      sent<Prepared>(machine_.step(Summarised{0, 4, replica().root, 1, true}, now_)).empty());
  hear(kPs1, Commit{kTerm, record(4)});
  EXPECT_EQ(replica().version, 5u);
}

TEST_F(Replicas, ReplicaThatSaidItCaughtUpIsNotCopiedOver) {
  seal();
  map(1, {{1, {}, {0}}});
  for (uint8_t part = 0; part < 3; ++part) {
    hear(kPs1, copy(part, 4));
  }
  hear(kPs1, root(4));
  // The next version: it may be in sync by now, and gets there by the record.
  const Effects effects = hear(kPs1, copy(0, 5));
  EXPECT_TRUE(done<StoreCopyPart>(effects).empty());
  EXPECT_EQ(only<CopyAck>(effects).version, 5u);
  EXPECT_EQ(replica().version, 4u);
  EXPECT_NE(replica().root, 0u);
  // Two versions on it cannot be: that step was committed without it.
  EXPECT_EQ(done<StoreCopyPart>(hear(kPs1, copy(0, 6))).size(), 1u);
}

TEST_F(Replicas, PrimaryCopiesTwoSegmentsAtATimeAndAgainWhatWasMissed) {
  seal();
  map(1, {{0, {}, {1}}, {0, {}, {1}}, {0, {}, {1}}});
  for (SegmentId segment = 0; segment < 3; ++segment) {
    initialise(segment);
  }
  EXPECT_EQ(sent<Copy>(machine_.step(Tick{}, now_)).size(),
            6u);  // parameters and two states, twice
  for (uint8_t part = 0; part < 2; ++part) {
    EXPECT_TRUE(sent<Copy>(hear(kPs1, CopyAck{kTerm, version(1), 0, 0, part})).empty());
  }
  const auto next = sent<Copy>(hear(kPs1, CopyAck{kTerm, version(1), 0, 0, 2}));
  ASSERT_EQ(next.size(), 3u);
  EXPECT_EQ(next[0].segment, 2u);
  // Segment 0 is committed without an acknowledgement of its root: it is copied again.
  hear(kWorker0, Push{kTerm, 5, version(1), 0, 1, 0, {1, 1}});
  hear(kPs1, Commit{kTerm, record(0)});
  EXPECT_FALSE(replica().peers[0].copied);
  // Acknowledgements of nothing, or of what is not there, are harmless.
  hear(kPs1, CopyAck{kTerm, version(1), 0, 77, 0});
  hear(kPs1, CopyAck{kTerm, version(1), 0, 0, 200});
}

TEST_F(Replicas, CheckpointPartIsWrittenOnceAtItsVersion) {
  seal();
  map(1, {{0, {}, {}}});
  initialise(0);
  const WriteCheckpoint order{kTerm, 1, 1, "/checkpoints/a", {0}};
  EXPECT_TRUE(hear(kPs1, order).empty());  // not there yet
  hear(kWorker0, Push{kTerm, 5, version(1), 0, 1, 0, {1, 1}});
  hear(kPs1, Commit{kTerm, record(0)});
  const auto saves = done<SaveCheckpointPart>(hear(kPs1, order));
  ASSERT_EQ(saves.size(), 1u);
  EXPECT_EQ(saves[0].last.step, 0u);
  EXPECT_TRUE(hear(kPs1, order).empty());  // being written
  const CheckpointWritten written{kTerm, 1, 1, CheckpointPart{}, ""};
  EXPECT_EQ(sent<CheckpointWritten>(machine_.step(CheckpointWrittenLocally{written}, now_)).size(),
            1u);
  EXPECT_EQ(sent<CheckpointWritten>(hear(kPs1, order)).size(), 1u);
  EXPECT_FALSE(
      only<CheckpointWritten>(hear(kPs1, WriteCheckpoint{kTerm, 0, 2, "/b", {0}})).error.empty());
  EXPECT_FALSE(
      only<CheckpointWritten>(hear(kPs1, WriteCheckpoint{kTerm, 1, 3, "/c", {9}})).error.empty());
}

TEST_F(Replicas, PayloadSizesAreThoseOfTheSegments) {
  EXPECT_FALSE(machine_.payload_elements(0));
  seal();
  map(1, {{0, {}, {}}, {1, {}, {}}});
  EXPECT_EQ(machine_.payload_elements(1), kSegmentElements);
  EXPECT_FALSE(machine_.payload_elements(2));
}

}  // namespace
}  // namespace ballast
