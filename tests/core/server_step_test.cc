// The server machine during a step: what it answers to pushes and pulls, what it does to buffers,
// and what follows from a commit. ps-0 is the server; ps-1 coordinates.
#include "tests/core/machine_test_helpers.h"

namespace ballast {
namespace {

using namespace core_test;

constexpr MapVersion kMap{kTerm, 1};

class Server {
 public:
  explicit Server(std::vector<Placement> segments, TrainingSettings settings = training())
      : machine_(kPs0) {
    const auto count = static_cast<uint32_t>(segments.size());
    hear(kPs1, Seal{kTerm, {kPs1, "", ""}, 1});
    hear(kPs1, MapUpdate{kTerm, kTerm, map_of(kMap, {kPs0, kPs1, kPs2}, std::move(segments)),
                         identity(count), settings});
    for (SegmentId segment = 0; segment < count; ++segment) {
      hear(machine_.state().map.primary(segment) == kPs0 ? kWorker0 : kPs1,
           PushInitial{kTerm, kTerm, kMap, segment});
    }
  }
  Effects hear(const ProcessId& sender, Message message) {
    return machine_.step(from(sender, std::move(message)), now_);
  }
  Effects step(const Event& event) { return machine_.step(event, now_); }
  Effects tick_after(TimeMs wait) {
    now_ += wait;
    return machine_.step(Tick{}, now_);
  }
  Push push(TreeNode node, SegmentId segment = 0, Step step = 0) const {
    return {kTerm, kTerm, kMap, step, node, segment, {1.5, 10}};
  }
  Pull pull(Step version, SegmentId segment = 0) const {
    return {kTerm, kTerm, kMap, version, segment};
  }
  Record record(Step step) const {
    Record result;
    result.step = step;
    result.origin = kTerm;
    result.map = kMap;
    return result;
  }
  ServerMachine machine_;
  TimeMs now_ = 1000;
};

const Placement kAlone{0, {}, {}};
const Placement kWithBackup{0, {1}, {}};
const Placement kElsewhere{1, {}, {}};
const Placement kBackupHere{1, {0}, {}};

TEST(ServerPush, IsAnsweredRowByRow) {
  Server server({kAlone, kElsewhere});
  const Push good = server.push(4);
  struct Row {
    const char* what;
    Push push;
    DataStatus status;
  };
  std::vector<Row> rows{{"good", good, DataStatus::kOk}};
  const auto add = [&](const char* what, DataStatus status, auto change) {
    Push push = good;
    change(push);
    rows.push_back({what, push, status});
  };
  add("lower term", DataStatus::kStale, [](Push& p) { p.term = kTerm - 1; });
  add("higher term", DataStatus::kNotYet, [](Push& p) { p.term = kTerm + 1; });
  add("other origin", DataStatus::kStale, [](Push& p) { p.origin = 3; });
  add("newer map", DataStatus::kNotYet, [](Push& p) { p.map.number = 2; });
  add("older map", DataStatus::kOk, [](Push& p) { p.map.number = 0; });
  add("no such segment", DataStatus::kRefused, [](Push& p) { p.segment = 2; });
  add("no tree node 0", DataStatus::kRefused, [](Push& p) { p.node = 0; });
  add("tree node too high", DataStatus::kRefused, [](Push& p) { p.node = 8; });
  add("not the primary", DataStatus::kWrongServer, [](Push& p) { p.segment = 1; });
  add("a later step", DataStatus::kNotYet, [](Push& p) { p.step = 1; });
  for (const Row& row : rows) {
    const PushAck ack = only<PushAck>(server.hear(kWorker0, row.push));
    EXPECT_EQ(ack.status, row.status) << row.what;
    EXPECT_EQ(ack.node, row.push.node) << row.what;
    EXPECT_EQ(ack.term, kTerm) << row.what;
    EXPECT_EQ(ack.map, kMap) << row.what;
  }
  EXPECT_EQ(server.machine_.state().replicas[0].tree.entries().size(), 1u);
}

TEST(ServerPush, AcknowledgesBehindTheBufferAndDropsWhatItHas) {
  Server server({kAlone});
  EXPECT_EQ(outline(server.hear(kWorker0, server.push(4))), "store 1, ack");
  EXPECT_EQ(outline(server.hear(kWorker0, server.push(4))), "ack");
  EXPECT_EQ(outline(server.hear(kWorker1, server.push(6))), "store 3, ack");
  EXPECT_EQ(outline(server.hear(kWorker1, server.push(2))), "release 1, store 4, ack");
  EXPECT_EQ(outline(server.hear(kWorker1, server.push(7))),
            "add to 3, add 3 to 4, summarise 4, ack");
  // The root is there: whatever comes now is contained in it.
  EXPECT_EQ(outline(server.hear(kWorker1, server.push(1))), "ack");
}

TEST(ServerPush, BeforeInitialValuesIsNotYet) {
  ServerMachine machine(kPs0);
  machine.step(from(kPs1, Seal{kTerm, {kPs1, "", ""}, 1}), 0);
  const Push push{kTerm, kTerm, kMap, 0, 1, 0, {}};
  EXPECT_EQ(only<PushAck>(machine.step(from(kWorker0, push), 0)).status, DataStatus::kNotYet);
  machine.step(from(kPs1, MapUpdate{kTerm, kTerm, map_of(kMap, {kPs0, kPs1}, {kAlone}), identity(1),
                                    training()}),
               0);
  EXPECT_EQ(only<PushAck>(machine.step(from(kWorker0, push), 0)).status, DataStatus::kNotYet);
}

TEST(ServerRoot, GoesToTheBackupsAndEachReplicaReportsForItself) {
  Server primary({kWithBackup}, training(2));
  const Effects effects = primary.hear(kWorker0, primary.push(1));
  EXPECT_EQ(outline(effects), "store 1, summarise 1, root to ps-1, ack");
  const Root root = only<Root>(effects);
  EXPECT_EQ(root.sum, (LossSum{1.5, 10}));
  EXPECT_FALSE(root.previous);

  const Prepared prepared = only<Prepared>(primary.step(Summarised{0, 0, 1, 2.5, true}));
  EXPECT_EQ(prepared.map, kMap);
  EXPECT_EQ(prepared.sum_squares, 2.5);
  EXPECT_EQ(prepared.sum, (LossSum{1.5, 10}));

  Server backup({kBackupHere}, training(2));
  const Effects held = backup.hear(kPs1, root);
  EXPECT_EQ(outline(held), "store 1, summarise 1, send");
  EXPECT_EQ(only<RootAck>(held).step, 0u);
  EXPECT_EQ(receivers<Prepared>(backup.step(Summarised{0, 0, 1, 2.5, true})),
            (std::vector<ProcessId>{kPs1}));
  // Again: acknowledged, not stored.
  EXPECT_EQ(outline(backup.hear(kPs1, root)), "send");
  // From someone who is not the primary: nothing.
  EXPECT_TRUE(backup.hear(kPs2, root).empty());
}

Summarise summarised(const Effects& effects) {
  for (const Effect& effect : effects) {
    if (const auto* found = std::get_if<Summarise>(&effect)) {
      return *found;
    }
  }
  ADD_FAILURE() << "nothing is summarised";
  return {};
}

TEST(ServerRoot, ValuesAreComparedWhereTheyAreDue) {
  Server primary({kWithBackup}, training(2));
  EXPECT_TRUE(summarised(primary.hear(kWorker0, primary.push(1))).checksum);
  EXPECT_EQ(only<Prepared>(primary.step(Summarised{0, 0, 1, 2.5, true, 77})).checksum, 77u);
  Server alone({kAlone});
  EXPECT_FALSE(summarised(alone.hear(kWorker0, alone.push(1))).checksum);

  uint64_t due = 0;
  for (Step step = 1000; step < 1000 + kChecksumEvery; ++step) {
    due += checksum_due(training(2), step, 3) ? 1 : 0;
    EXPECT_EQ(checksum_due(training(2), step, 3), checksum_due(training(2), step - 3, 6));
  }
  EXPECT_EQ(due, 1u);
}

TEST(ServerRoot, IsSentAgainUntilAcknowledgedAndPreparedUntilCommitted) {
  Server server({kWithBackup}, training(2));
  server.hear(kPs1, PushInitialAck{kTerm, kTerm, {kTerm, 1}, 0, DataStatus::kOk});
  server.hear(kWorker0, server.push(1));
  server.step(Summarised{0, 0, 1, 2.5, true});
  EXPECT_TRUE(sent<Root>(server.tick_after(100)).empty());
  Effects later = server.tick_after(200);
  EXPECT_EQ(sent<Root>(later).size(), 1u);
  EXPECT_EQ(sent<Prepared>(later).size(), 1u);
  server.hear(kPs1, RootAck{kTerm, kMap, 0, 0});
  later = server.tick_after(500);
  EXPECT_TRUE(sent<Root>(later).empty());
  EXPECT_EQ(sent<Prepared>(later).size(), 1u);
  server.hear(kPs1, Commit{kTerm, server.record(0)});
  later = server.tick_after(300);
  EXPECT_TRUE(sent<Prepared>(later).empty());
}

TEST(ServerRoot, CarriesTheRecordThatABackupHasMissed) {
  Server server({kBackupHere}, training(2));
  server.hear(kPs1, Root{kTerm, kTerm, kMap, 0, 0, {1, 1}, 0, {}});
  const Root next{kTerm, kTerm, kMap, 1, 0, {1, 1}, 0, server.record(0)};
  EXPECT_EQ(outline(server.hear(kPs1, next)), "apply 0, store 2, summarise 2, send");
  EXPECT_EQ(server.machine_.state().replicas[0].version, 1u);
  // Without it a replica that is behind takes nothing.
  Server behind({kBackupHere}, training(2));
  EXPECT_TRUE(behind.hear(kPs1, next).empty());
}

TEST(ServerPull, IsAnsweredRowByRow) {
  Server server({kAlone, kElsewhere});
  const auto status = [&](const Pull& pull) {
    return only<PullReply>(server.hear(kWorker0, pull)).status;
  };
  EXPECT_EQ(status(server.pull(0)), DataStatus::kOk);
  EXPECT_EQ(status(server.pull(2)), DataStatus::kNotYet);
  EXPECT_EQ(status(server.pull(0, 1)), DataStatus::kWrongServer);
  EXPECT_EQ(status(server.pull(0, 9)), DataStatus::kRefused);
  Pull pull = server.pull(0);
  pull.term = kTerm - 1;
  EXPECT_EQ(status(pull), DataStatus::kStale);
  pull.term = kTerm + 1;
  EXPECT_EQ(status(pull), DataStatus::kNotYet);
  pull = server.pull(0);
  pull.origin = 1;
  EXPECT_EQ(status(pull), DataStatus::kStale);
  EXPECT_TRUE(server.hear(kWorker0, server.pull(1)).empty());  // parked
  server.hear(kWorker0, server.push(1));
  server.hear(kPs1, Commit{kTerm, server.record(0)});
  const PullReply gone = only<PullReply>(server.hear(kWorker0, server.pull(0)));
  EXPECT_EQ(gone.status, DataStatus::kGone);
  EXPECT_EQ(gone.now, 1u);
}

TEST(ServerCommit, AppliesInOrderAndAnswersParkedPullsBehindTheirSegment) {
  Server server({kAlone, kAlone, kAlone});
  for (const SegmentId segment : {2u, 0u, 1u}) {
    server.hear(kWorker0, server.push(1, segment));
  }
  server.hear(kWorker0, server.pull(1, 1));
  server.hear(kWorker0, server.pull(1, 1));  // the same worker again: one answer
  server.hear(kWorker1, server.pull(1, 1));
  server.hear(kWorker0, server.pull(1, 0));
  const Effects effects = server.hear(kPs1, Commit{kTerm, server.record(0)});
  EXPECT_EQ(outline(effects), "apply 0, reply, apply 1, reply, reply, apply 2, applied");
  EXPECT_EQ(only<Applied>(effects).version, 1u);
  // Again: nothing is applied twice.
  EXPECT_EQ(outline(server.hear(kPs1, Commit{kTerm, server.record(0)})), "applied");
}

TEST(ServerCommit, IsTakenFromItsCoordinatorOfItsTermAndOriginAlone) {
  Server server({kAlone});
  server.hear(kWorker0, server.push(1));
  EXPECT_TRUE(server.hear(kPs2, Commit{kTerm, server.record(0)}).empty());
  EXPECT_TRUE(server.hear(kPs1, Commit{kTerm - 1, server.record(0)}).empty());
  EXPECT_TRUE(server.hear(kPs1, Commit{kTerm + 1, server.record(0)}).empty());
  Record other = server.record(0);
  other.origin = 1;
  EXPECT_TRUE(server.hear(kPs1, Commit{kTerm, other}).empty());
  EXPECT_EQ(server.machine_.state().replicas[0].version, 0u);
  EXPECT_TRUE(server.machine_.state().records.empty());
}

TEST(ServerCommit, OfAStepWhoseRootIsMissingWaits) {
  Server server({kAlone});
  EXPECT_EQ(only<Applied>(server.hear(kPs1, Commit{kTerm, server.record(0)})).version, 0u);
  EXPECT_EQ(server.machine_.state().replicas[0].version, 0u);
}

TEST(ServerRecords, KeepsTheLastTwo) {
  Server server({kAlone});
  for (Step step = 0; step < 4; ++step) {
    EXPECT_EQ(only<RecordHeld>(server.hear(kPs1, OfferRecord{kTerm, server.record(step)})).step,
              step);
  }
  const auto& records = server.machine_.state().records;
  ASSERT_EQ(records.size(), 2u);
  EXPECT_EQ(records[0].step, 2u);
  EXPECT_EQ(records[1].step, 3u);
  EXPECT_TRUE(sent<RecordHeld>(server.hear(kPs2, OfferRecord{kTerm, server.record(5)})).empty());
}

}  // namespace
}  // namespace ballast
