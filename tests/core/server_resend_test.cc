// What a primary sends to other servers again, and when: one that is slow would else read nothing
// but what it has already.
#include "tests/core/server_fixture.h"

namespace ballast {
namespace {

using namespace core_test;

class Resends : public Replicas {
 protected:
  // Primary of these segments, with their initial values.
  void begin(std::vector<Placement> segments) {
    seal();
    const auto count = static_cast<SegmentId>(segments.size());
    map(1, std::move(segments));
    for (SegmentId segment = 0; segment < count; ++segment) {
      initialise(segment);
      hear(kPs1, PushInitialAck{kTerm, 5, version(1), segment, DataStatus::kOk});
    }
  }
  Effects push(SegmentId segment, Step step = 0) {
    return hear(kWorker0, Push{kTerm, 5, version(1), step, 1, segment, {1, 1}});
  }
  void acknowledge(SegmentId segment, Step step = 0) {
    hear(kPs1, RootAck{kTerm, version(1), step, segment});
  }
  // Ticks for so long; when a message went, from `begin_` on, and its segment.
  template <typename M>
  std::vector<std::pair<TimeMs, SegmentId>> again(TimeMs duration_ms) {
    std::vector<std::pair<TimeMs, SegmentId>> found;
    for (const TimeMs end = now_ + duration_ms; now_ < end; now_ += 50) {
      for (const M& message : sent<M>(machine_.step(Tick{}, now_))) {
        found.emplace_back(now_ - begin_, message.segment);
      }
    }
    return found;
  }
  using Times = std::vector<std::pair<TimeMs, SegmentId>>;
  const TimeMs begin_ = now_;
};

TEST_F(Resends, WhatIsNotAcknowledgedGoesAgainMoreAndMoreRarely) {
  begin({{0, {1}, {}}});
  push(0);
  EXPECT_EQ(again<Root>(10'000),
            (Times{{250, 0}, {750, 0}, {1750, 0}, {3750, 0}, {5750, 0}, {7750, 0}, {9750, 0}}));
  // The next step's is sent at once, and again as soon as the first was.
  hear(kPs1, Commit{kTerm, record(0)});
  EXPECT_EQ(sent<Root>(push(0, 1)).size(), 1u);
  now_ += 250;
  EXPECT_EQ(sent<Root>(machine_.step(Tick{}, now_)).size(), 1u);
}

TEST_F(Resends, NothingGoesAgainWhileWhatWasSentBeforeItIsAcknowledged) {
  begin({{0, {1}, {}}, {0, {1}, {}}, {0, {1}, {}}});
  for (const SegmentId segment : {2u, 1u, 0u}) push(segment);
  EXPECT_TRUE(again<Root>(200).empty());
  acknowledge(2);
  EXPECT_TRUE(again<Root>(200).empty());
  acknowledge(1);
  EXPECT_TRUE(again<Root>(200).empty());
  acknowledge(0);
  EXPECT_TRUE(again<Root>(5000).empty());
}

TEST_F(Resends, WhatWasPassedOverGoesAgainThoughMoreIsAcknowledged) {
  begin({{0, {1}, {}}, {0, {1}, {}}, {0, {1}, {}}});
  for (const SegmentId segment : {2u, 1u, 0u}) push(segment);
  EXPECT_TRUE(again<Root>(200).empty());
  acknowledge(1);  // so 2 did not arrive, while 0 may be on its way
  EXPECT_EQ(again<Root>(200), (Times{{250, 2}}));
}

TEST_F(Resends, WhoTakesLongIsWaitedForLonger) {
  begin({{0, {1}, {}}, {0, {1}, {}}});
  push(0);
  EXPECT_TRUE(again<Root>(250).empty());
  acknowledge(0);
  push(1);
  EXPECT_EQ(again<Root>(1000), (Times{{250 + 500, 1}}));
}

TEST_F(Resends, UnderANewMapNobodyIsWaitedForLonger) {
  begin({{0, {1}, {}}, {0, {1}, {}}});
  push(0);
  EXPECT_TRUE(again<Root>(250).empty());
  acknowledge(0);
  map(2, {{0, {1}, {}}, {0, {1}, {}}});  // ps-1 may not have it yet, and then does not answer
  push(1);
  EXPECT_EQ(again<Root>(300), (Times{{500, 0}, {500, 1}}));
}

TEST_F(Resends, WhatWasOnItsWayWhenASessionBrokeIsLost) {
  begin({{0, {1}, {}}});
  push(0);
  again<Root>(2000);  // the last time at 1750
  machine_.step(PeerLost{kPs1}, now_);
  EXPECT_EQ(again<Root>(1000), (Times{{2000, 0}, {2500, 0}}));
}

// A server that has a tenth of a core needs it for more than to say the same of each segment.
TEST_F(Resends, PreparedGoesAgainMoreAndMoreRarelyUntilTheCommit) {
  begin({{0, {1}, {}}});
  push(0);
  machine_.step(Summarised{0, 0, replica().root, 1, true}, now_);
  EXPECT_EQ(again<Prepared>(4000), (Times{{250, 0}, {750, 0}, {1750, 0}, {3750, 0}}));
  machine_.step(PeerLost{kPs1}, now_);
  EXPECT_EQ(again<Prepared>(600), (Times{{4000, 0}, {4500, 0}}));
  hear(kPs1, Commit{kTerm, record(0)});
  EXPECT_TRUE(again<Prepared>(5000).empty());
}

TEST_F(Resends, InitialValuesThatWereNotWantedYetGoAgain) {
  seal();
  map(1, {{0, {1}, {}}});
  initialise(0);
  EXPECT_TRUE(again<PushInitial>(200).empty());
  hear(kPs1, PushInitialAck{kTerm, 5, version(1), 0, DataStatus::kNotYet});
  EXPECT_EQ(again<PushInitial>(200), (Times{{250, 0}}));
}

TEST_F(Resends, OfACopyWhatIsMissingGoesAgain) {
  begin({{0, {}, {1}}});
  EXPECT_EQ(sent<Copy>(machine_.step(Tick{}, now_)).size(), 3u);
  hear(kPs1, CopyAck{kTerm, version(1), 0, 0, 0});
  hear(kPs1, CopyAck{kTerm, version(1), 0, 0, 2});
  now_ += 250;
  const auto copies = sent<Copy>(machine_.step(Tick{}, now_));
  ASSERT_EQ(copies.size(), 1u);
  EXPECT_EQ(copies[0].part, 1);
}

// Else one that takes longer than a step would be sent ever more, and have nothing of it.
TEST_F(Resends, NoCopyBeginsWhileAnEarlierOneMayBeOnItsWay) {
  begin({{0, {}, {1}}});
  EXPECT_EQ(sent<Copy>(machine_.step(Tick{}, now_)).size(), 3u);
  for (Step step = 0; step < 4; ++step) {
    EXPECT_TRUE(sent<Copy>(push(0, step)).empty());
    EXPECT_TRUE(sent<Copy>(hear(kPs1, Commit{kTerm, record(step)})).empty());
    EXPECT_TRUE(again<Copy>(50).empty());
  }
  EXPECT_TRUE(sent<Root>(push(0, 4)).empty()) << "it has nothing that this could be added to";
  for (uint8_t part = 0; part < 2; ++part) {
    EXPECT_TRUE(sent<Copy>(hear(kPs1, CopyAck{kTerm, version(1), 0, 0, part})).empty());
  }
  const Effects next = hear(kPs1, CopyAck{kTerm, version(1), 0, 0, 2});
  EXPECT_EQ(sent<Copy>(next).size(), 3u);
  EXPECT_EQ(only<Root>(next).step, 4u);
}

TEST_F(Resends, ACopyThatTakesTwoStepsIsFollowedByTheNextRoot) {
  begin({{0, {}, {1}}});
  EXPECT_EQ(sent<Copy>(machine_.step(Tick{}, now_)).size(), 3u);
  push(0);
  acknowledge(0);
  hear(kPs1, Commit{kTerm, record(0)});
  push(0, 1);
  for (uint8_t part = 0; part < 2; ++part) {
    hear(kPs1, CopyAck{kTerm, version(1), 0, 0, part});
  }
  const Effects last = hear(kPs1, CopyAck{kTerm, version(1), 0, 0, 2});
  EXPECT_TRUE(sent<Copy>(last).empty());
  EXPECT_EQ(only<Root>(last).previous->step, 0u);
  EXPECT_TRUE(replica().peers[0].copied);
}

}  // namespace
}  // namespace ballast
