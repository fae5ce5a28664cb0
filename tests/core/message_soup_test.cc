// Any messages, in any order, from anybody: no machine may crash, and no server may name a buffer
// that is not there. Seeds are fixed, so that a failure comes again.
#include <set>

#include "tests/core/coordinator_fixture.h"

namespace ballast {
namespace {

using namespace core_test;

class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  uint64_t next() {  // splitmix64
    uint64_t z = (state_ += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  // Mostly small numbers that mean something, now and then anything.
  uint64_t number(uint64_t below) { return next() % 64 == 0 ? next() : next() % below; }
  bool chance(uint64_t of) { return next() % of == 0; }

 private:
  uint64_t state_;
};

constexpr uint32_t kSegments = 3;

class Soup {
 public:
  explicit Soup(uint64_t seed) : random_(seed) {}

  ProcessId process() {
    const ProcessId ids[] = {kPs0, kPs1, kPs2, kWorker0, kWorker1, kOperator, {"stranger", 5}};
    return ids[random_.next() % std::size(ids)];
  }

  Message message() {
    switch (random_.next() % 39) {
      case 0:
        return Seal{term(), {process(), "", ""}, random_.number(3)};
      case 1:
        return SealRefused{random_.chance(50) ? kTerm + 1 : kTerm};
      case 2:
        return sealed();
      case 3:
        return MapUpdate{term(), origin(), map(), identity(random_.chance(9) ? 4 : kSegments),
                         settings()};
      case 4:
        return MapAck{term(), version()};
      case 5:
        return InitialisedReport{term(), origin(), version(), segments()};
      case 6:
      case 7:
        return prepared();
      case 8:
        return OfferRecord{term(), record()};
      case 9:
        return RecordHeld{term(), step()};
      case 10:
        return Commit{term(), record()};
      case 11:
        return Applied{term(), version(), step()};
      case 12:
        return CaughtUp{term(), version(), segment(), step(), random_.chance(2)};
      case 13:
        return WriteCheckpoint{term(), step(), small(), "/checkpoints", segments()};
      case 14:
        return CheckpointWritten{term(), step(), small(), {}, "error"};
      case 15:
        return Join{identity(random_.chance(9) ? 4 : kSegments), "build"};
      case 16:
        return JoinAccepted{term(), origin()};
      case 17:
        return Redirect{term(), Member{process(), "", ""}};
      case 18:
      case 19:
        return Assignment{term(),    origin(),   step(),     small(),
                          version(), segments(), segments(), segments()};
      case 20:
        return EvaluationDone{term(), origin(), step(), small(), {1, 2}};
      case 21:
        return WorkerHeartbeat{term(), step(), small(), version(), random_.chance(9)};
      case 22:
        return OriginComplete{term(), origin()};
      case 23:
        return MembersChanged{term(), {random_.number(9), members({kPs0, kPs1, process()})}};
      case 24:
      case 25:
      case 26:
      case 27:
        return Push{term(), origin(), version(), step(), node(), segment(), {1, 2}};
      case 28:
        return PushAck{term(), step(), node(), segment(), status(), version(), step()};
      case 29:
        return Pull{term(), origin(),  version(),
                    step(), segment(), random_.chance(2) ? Precision::kBf16 : Precision::kFp32};
      case 30:
        return PullReply{term(), segment(), step(), status(), version(), step()};
      case 31:
        return PushInitial{term(), origin(), version(), segment()};
      case 32:
        return PushInitialAck{term(), origin(), version(), segment(), status()};
      case 33:
      case 34:
        return Root{term(), origin(), version(), step(), segment(), {1, 2}, 0, record()};
      case 35:
        return RootAck{term(), version(), step(), segment()};
      case 36:
      case 37:
        return Copy{term(), origin(), version(), step(), segment(), part(), 3};
      default:
        return CopyAck{term(), version(), step(), segment(), part()};
    }
  }

  Event event() {
    switch (random_.next() % 16) {
      case 0:
        return Tick{};
      case 1:
        return PeerLost{process()};
      case 2:
        return Summarised{segment(), step(), random_.number(40), 1.0, !random_.chance(9)};
      case 3:
        return ContributionReady{step(), node(), segment(), {1, 2}};
      case 4:
        return EvaluationReady{step(), small(), {1, 2}};
      case 5:
        return InitialReady{segment()};
      case 6:
        return CheckpointWrittenLocally{{term(), step(), small(), {}, ""}};
      case 7:
        return ManifestWritten{"/checkpoints/step-1-term-7-attempt-1",
                               random_.chance(2) ? "" : "error"};
      default:
        return from(process(), message());
    }
  }

  Random& random() { return random_; }

 private:
  Term term() { return random_.chance(12) ? random_.number(9) : kTerm; }
  Origin origin() { return random_.chance(12) ? random_.number(9) : kTerm; }
  Step step() { return random_.number(4); }
  uint32_t small() { return static_cast<uint32_t>(random_.number(6)); }
  SegmentId segment() { return static_cast<SegmentId>(random_.number(kSegments + 1)); }
  TreeNode node() { return static_cast<TreeNode>(random_.number(9)); }
  uint8_t part() { return static_cast<uint8_t>(random_.number(4)); }
  MapVersion version() { return {term(), random_.number(5)}; }
  DataStatus status() { return static_cast<DataStatus>(random_.next() % 6); }
  std::vector<uint32_t> segments() {
    std::vector<uint32_t> result;
    for (uint64_t left = random_.next() % 4; left > 0; --left) {
      result.push_back(random_.chance(30) ? 1000 : segment());
    }
    return result;
  }
  TrainingSettings settings() {
    TrainingSettings result = training(2, random_.chance(20) ? 3 : 4);
    result.max_skipped_in_a_row = 1000;
    return result;
  }
  SegmentMap map() {
    SegmentMap result = map_of(version(), {kPs0, kPs1, kPs2}, {});
    const Placement choices[] = {{0, {}, {}},  {0, {1}, {}}, {0, {}, {1}}, {1, {0}, {}},
                                 {1, {}, {0}}, {1, {}, {}},  {0, {0}, {}}, {9, {}, {}}};
    for (uint32_t i = 0; i < kSegments; ++i) {
      result.segments.push_back(choices[random_.next() % (random_.chance(9) ? 8 : 6)]);
    }
    return result;
  }
  Record record() {
    Record result;
    result.step = step();
    result.origin = origin();
    result.map = version();
    return result;
  }
  Prepared prepared() {
    return {.term = term(),
            .map = version(),
            .step = step(),
            .segment = segment(),
            .sum = {1, random_.chance(500) ? 3u : 2u},
            .sum_squares = 1,
            .finite = !random_.chance(30)};
  }
  Sealed sealed() {
    Sealed result;
    result.term = term();
    if (random_.chance(2)) {
      result.identity = identity(kSegments);
      result.map = map();
    }
    for (uint32_t i = 0; i < 4; ++i) {
      result.replicas.push_back({segment(), version(), origin(), step(), random_.chance(2), false});
    }
    result.records = {record(), record()};
    return result;
  }

  Random random_;
};

// The buffers of a tensor store, by name alone.
class BufferBook {
 public:
  void perform(const Effects& effects) {
    for (const Effect& effect : effects) {
      if (const auto* store = std::get_if<StorePayload>(&effect)) {
        EXPECT_TRUE(store->buffer != 0 && used_.insert(store->buffer).second);
        there_.insert(store->buffer);
      } else if (const auto* add = std::get_if<AddPayload>(&effect)) {
        EXPECT_TRUE(there_.contains(add->buffer));
      } else if (const auto* sum = std::get_if<AddBuffer>(&effect)) {
        EXPECT_TRUE(there_.contains(sum->into) && there_.erase(sum->from) == 1);
      } else if (const auto* release = std::get_if<Release>(&effect)) {
        EXPECT_EQ(there_.erase(release->buffer), 1u);
      } else if (const auto* apply = std::get_if<Apply>(&effect)) {
        EXPECT_EQ(there_.erase(apply->root), 1u);
      } else if (const auto* summary = std::get_if<Summarise>(&effect)) {
        EXPECT_TRUE(there_.contains(summary->buffer));
      } else if (const auto* send = std::get_if<Send>(&effect)) {
        const auto* payload = std::get_if<FromBuffer>(&send->payload);
        EXPECT_TRUE(payload == nullptr || there_.contains(payload->buffer));
      }
    }
  }
  size_t count() const { return there_.size(); }

 private:
  std::set<BufferId> used_;
  std::set<BufferId> there_;
};

TEST(MessageSoup, ServerKeepsItsBooks) {
  for (uint64_t seed = 1; seed <= 150; ++seed) {
    Soup soup(seed);
    ServerMachine machine(kPs0);
    BufferBook buffers;
    machine.step(from(kPs1, Seal{kTerm, {kPs1, "", ""}, 0}), 0);
    for (TimeMs now = 0; now < 1500; ++now) {
      const Effects effects = machine.step(soup.event(), now * 7);
      buffers.perform(effects);
      ASSERT_FALSE(HasFailure()) << "seed " << seed << " event " << now << ": " << outline(effects);
      size_t held = 0;
      for (const Replica& replica : machine.state().replicas) {
        held += replica.tree.entries().size() + (replica.root != 0 ? 1 : 0);
      }
      ASSERT_EQ(held, buffers.count()) << "seed " << seed << " event " << now;
    }
  }
}

TEST(MessageSoup, CoordinatorLivesOn) {
  for (uint64_t seed = 1; seed <= 150; ++seed) {
    Soup soup(seed);
    const StartKind start = seed % 2 == 0 ? StartKind::kInitialise : StartKind::kContinue;
    TrainingSettings settings = training(2);
    settings.evaluation_batches = 2;
    settings.evaluation_every = 2;
    settings.checkpoint_path = "/checkpoints";
    Coordinator table({kPs0, kPs1}, settings, start, kTerm);
    Step committed = 0;
    if (start == StartKind::kInitialise) {
      table.begin({kWorker0}, kSegments);
    }
    for (int i = 0; i < 1500; ++i) {
      table.now_ += 7;
      table.machine_.step(soup.event(), table.now_);
      if (soup.random().chance(20)) {
        table.commit();  // so that it gets anywhere
      }
      ASSERT_GE(table.state().step, committed) << "seed " << seed;
      committed = table.state().step;
    }
  }
}

TEST(MessageSoup, WorkerLivesOnWithinItsCredits) {
  for (uint64_t seed = 1; seed <= 150; ++seed) {
    Soup soup(seed);
    WorkerMachine machine(kWorker0, members({kPs0, kPs1}), identity(kSegments), 4, kSegmentElements,
                          "build");
    machine.start(0);
    for (TimeMs now = 0; now < 1500; ++now) {
      machine.step(soup.event(), now * 7);
      for (const ServerQueue& queue : machine.state().queues) {
        ASSERT_LE(queue.pushes_in_flight, 8u) << "seed " << seed;
        ASSERT_LE(queue.pulls_in_flight, 8u) << "seed " << seed;
      }
    }
  }
}

}  // namespace
}  // namespace ballast
