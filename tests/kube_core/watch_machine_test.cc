// The rows of the watch machine: what it asks for next, in each phase, after each event.
#include "operator/core/watch_machine.h"

#include <gmock/gmock.h>

namespace ballast::kube {
namespace {

using ::testing::ElementsAre;

Object object(const std::string& name, const std::string& version) {
  return {"n", name, "uid-" + name, version, nullptr};
}

// An effect as a line, so that a row of effects reads like a transcript.
std::string line(const WatchEffect& effect) {
  struct Writer {
    std::string operator()(const SendList& list) const {
      return "list #" + std::to_string(list.request) + " from \"" + list.next + "\" limit " +
             std::to_string(list.limit);
    }
    std::string operator()(const OpenWatch& watch) const {
      return "watch #" + std::to_string(watch.request) + " from " + watch.version;
    }
    std::string operator()(const CancelRequest& cancel) const {
      return "cancel #" + std::to_string(cancel.request);
    }
    std::string operator()(const ReplaceAll& all) const {
      std::string text = "replace";
      for (const Object& each : all.objects) text += " " + each.key() + "@" + each.resource_version;
      return text;
    }
    std::string operator()(const PutObject& put) const {
      return "put " + put.object.key() + "@" + put.object.resource_version;
    }
    std::string operator()(const RemoveObject& remove) const {
      return "remove " + remove.object.key();
    }
    std::string operator()(const WatchTrouble& trouble) const {
      return "trouble " + std::to_string(trouble.code) + (trouble.relist ? ", list anew" : "");
    }
  };
  return std::visit(Writer{}, effect);
}

class WatchMachine : public ::testing::Test {
 protected:
  std::vector<std::string> on(const WatchEvent& event) {
    std::vector<std::string> lines;
    for (const WatchEffect& effect : step(state_, event, now_ms_)) lines.push_back(line(effect));
    return lines;
  }
  // Listing "a" at version 7 is done, and the stream #2 was asked for.
  void watching() {
    on(WatchStart{});
    on(ListPage{1, {object("a", "5")}, "", "7"});
  }
  WatchFrame frame(FrameKind kind, const std::string& name, const std::string& version) {
    return {state_.request, kind, object(name, version), 0, ""};
  }

  WatchState state_;
  TimeMs now_ms_ = 1000;
};

TEST_F(WatchMachine, ListsInPagesAndSwapsInWhole) {
  EXPECT_THAT(on(WatchStart{}), ElementsAre("list #1 from \"\" limit 1000"));
  EXPECT_THAT(on(ListPage{1, {object("a", "5")}, "next", "7"}),
              ElementsAre("list #2 from \"next\" limit 1000"));
  EXPECT_THAT(on(ListPage{2, {object("b", "6")}, "", "7"}),
              ElementsAre("replace n/a@5 n/b@6", "watch #3 from 7"));
}

TEST_F(WatchMachine, AppliesFramesAndGoesOnFromTheLast) {
  watching();
  EXPECT_THAT(on(frame(FrameKind::kAdded, "b", "8")), ElementsAre("put n/b@8"));
  EXPECT_THAT(on(frame(FrameKind::kModified, "a", "9")), ElementsAre("put n/a@9"));
  EXPECT_THAT(on(frame(FrameKind::kDeleted, "b", "10")), ElementsAre("remove n/b"));
  EXPECT_THAT(on(frame(FrameKind::kBookmark, "", "40")), ElementsAre());
  EXPECT_THAT(on(StreamEnded{2}), ElementsAre("watch #3 from 40"));
}

TEST_F(WatchMachine, IgnoresWhatBelongsToAnEarlierRequest) {
  watching();
  EXPECT_THAT(on(ListPage{1, {object("z", "1")}, "", "1"}), ElementsAre());
  EXPECT_THAT(on(RequestFailed{1, 500, "", {}}), ElementsAre());
  EXPECT_THAT(on(StreamEnded{1}), ElementsAre());
  EXPECT_THAT(on(WatchFrame{1, FrameKind::kAdded, object("z", "1"), 0, ""}), ElementsAre());
  EXPECT_EQ(state_.phase, WatchPhase::kWatching);
}

TEST_F(WatchMachine, AVersionThatIsTooOldIsListedAnew) {
  for (const int code : {410, 400, 404}) {
    state_ = {};
    watching();
    EXPECT_THAT(on(RequestFailed{2, code, "", {}}),
                ElementsAre("trouble " + std::to_string(code) + ", list anew"));
    EXPECT_THAT(on(WatchTick{}), ElementsAre("list #3 from \"\" limit 1000"));
  }
  state_ = {};
  watching();
  EXPECT_THAT(on(WatchFrame{2, FrameKind::kError, {}, 410, "too old"}),
              ElementsAre("cancel #2", "trouble 410, list anew"));
}

TEST_F(WatchMachine, OtherTroubleGoesOnWhereItWas) {
  for (const int code : {0, 401, 403, 429, 500, 503, 504}) {
    state_ = {};
    watching();
    on(frame(FrameKind::kAdded, "b", "8"));
    EXPECT_THAT(on(RequestFailed{2, code, "", {}}), ElementsAre("trouble " + std::to_string(code)));
    EXPECT_THAT(on(WatchTick{}), ElementsAre("watch #3 from 8"));
  }
}

TEST_F(WatchMachine, WaitsLongerWithEachFailureUntilThereIsLife) {
  watching();
  TimeMs longest = 0;
  for (int i = 0; i < 20; ++i) {
    on(RequestFailed{state_.request, 500, "", {}});
    const TimeMs wait = *wake_at(state_) - now_ms_;
    if (i < 2) {
      EXPECT_GE(wait, i == 0 ? 0 : kFirstRetryMs);
      EXPECT_LE(wait, i == 0 ? 0 : kFirstRetryMs * 3 / 2);
    }
    EXPECT_LT(wait, 2 * kLongestRetryMs);
    longest = std::max(longest, wait);
    now_ms_ += wait - 1;
    EXPECT_EQ(on(WatchTick{}).size(), 0U);
    now_ms_ += 1;
    EXPECT_EQ(on(WatchTick{}).size(), 1U);
  }
  EXPECT_GE(longest, kLongestRetryMs);
  on(frame(FrameKind::kBookmark, "", "50"));
  on(RequestFailed{state_.request, 500, "", {}});
  EXPECT_EQ(*wake_at(state_), now_ms_);
}

TEST_F(WatchMachine, WaitsAsLongAsItIsTold) {
  on(WatchStart{});
  EXPECT_THAT(on(RequestFailed{1, 429, "", 12'000}), ElementsAre("trouble 429, list anew"));
  EXPECT_EQ(*wake_at(state_), now_ms_ + 12'000);
}

TEST_F(WatchMachine, ASilentStreamIsGivenUp) {
  watching();
  EXPECT_EQ(*wake_at(state_), now_ms_ + kIdleStreamMs);
  now_ms_ += kIdleStreamMs - 1;
  EXPECT_THAT(on(WatchTick{}), ElementsAre());
  now_ms_ += 1;
  EXPECT_THAT(on(WatchTick{}), ElementsAre("cancel #2", "trouble 0"));
  EXPECT_THAT(on(WatchTick{}), ElementsAre("watch #3 from 7"));
}

TEST_F(WatchMachine, AListThatIsNotAnsweredIsGivenUp) {
  on(WatchStart{});
  now_ms_ += kListDeadlineMs;
  EXPECT_THAT(on(WatchTick{}), ElementsAre("cancel #1", "trouble 0, list anew"));
}

TEST_F(WatchMachine, AStreamThatEndsAtOnceIsNotOpenedInALoop) {
  watching();
  EXPECT_THAT(on(StreamEnded{2}), ElementsAre("trouble 0"));
  on(WatchTick{});
  on(StreamEnded{3});
  EXPECT_GE(*wake_at(state_), now_ms_ + kFirstRetryMs);
}

TEST_F(WatchMachine, AQuietStreamThatEndsInPeaceIsOpenedAtOnce) {
  watching();
  now_ms_ += kHealthyStreamMs;
  EXPECT_THAT(on(StreamEnded{2}), ElementsAre("watch #3 from 7"));
}

TEST_F(WatchMachine, PagesThatExpireAgainAndAgainAreGivenUp) {
  on(WatchStart{});
  for (int i = 0; i < kExpiredListsBeforeWhole; ++i) {
    on(ListPage{state_.request, {object("a", "5")}, "next", "7"});
    EXPECT_THAT(on(RequestFailed{state_.request, 410, "", {}}),
                ElementsAre("trouble 410, list anew"));
    now_ms_ = *wake_at(state_);
    const auto asked = on(WatchTick{});
    EXPECT_THAT(asked, ElementsAre(::testing::EndsWith(
                           i + 1 < kExpiredListsBeforeWhole ? "limit 1000" : "limit 0")));
  }
  EXPECT_THAT(on(ListPage{state_.request, {object("a", "9")}, "", "9"}),
              ElementsAre("replace n/a@9", "watch #6 from 9"));
}

TEST_F(WatchMachine, StopsAndStarts) {
  watching();
  EXPECT_THAT(on(WatchStop{}), ElementsAre("cancel #2"));
  EXPECT_FALSE(wake_at(state_));
  EXPECT_THAT(on(StreamEnded{2}), ElementsAre());
  EXPECT_THAT(on(WatchStart{}), ElementsAre("list #3 from \"\" limit 1000"));
  EXPECT_THAT(on(WatchStart{}), ElementsAre());
}

}  // namespace
}  // namespace ballast::kube
