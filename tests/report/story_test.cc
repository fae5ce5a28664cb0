// What the events of a run say.
#include "operator/report/story.h"

#include <gtest/gtest.h>

namespace ballast::report {
namespace {

// "TIME {json}" a line.
Record record_of(const std::string& lines, const std::string& points = "") {
  std::string text;
  for (size_t first = 0; first < lines.size();) {
    const size_t end = lines.find('\n', first);
    const std::string line = lines.substr(first, end - first);
    const size_t space = line.find(' ');
    text += to_line(nlohmann::json::parse(line.substr(space)), std::stoll(line.substr(0, space))) +
            "\n";
    first = end + 1;
  }
  const Record record = read_record({"", text, points});
  EXPECT_TRUE(record.problems.empty()) << record.problems.front();
  return record;
}

const char* const kBegin =
    R"(1000 {"event":"start","job":{"metadata":{"name":"j"},"spec":{"training":{"steps":9}}}}
1100 {"event":"ready","process":"ps-0","incarnation":"1"}
1100 {"event":"ready","process":"ps-1","incarnation":"2"}
1200 {"event":"appointed","term":1,"coordinator":"ps-0"}
)";

TEST(Story, ACoordinatorThatIsKilledAndComesBack) {
  const Record record =
      record_of(std::string(kBegin) +
                    R"(5000 {"event":"ended","process":"ps-0","code":0,"signal":9,"wanted":false}
5010 {"event":"removed","process":"ps-0","incarnation":"1"}
5020 {"event":"appointed","term":2,"coordinator":"ps-1"}
5030 {"event":"degraded"}
5600 {"event":"ready","process":"ps-0","incarnation":"3"}
6000 {"event":"recovered","process":"ps-0","step":7,"stalledMs":321}
7000 {"event":"whole"}
)",
                "{\"unixTimeMs\":4000,\"step\":6}\n{\"unixTimeMs\":8000,\"step\":8}\n");
  const auto lost = lost_processes(record);
  ASSERT_EQ(lost.size(), 1u);
  EXPECT_EQ(lost[0].process, "ps-0");
  EXPECT_EQ(lost[0].how, "was ended by signal 9");
  EXPECT_EQ(lost[0].step, 6);
  EXPECT_EQ(lost[0].coordinator, "ps-1");
  EXPECT_EQ(lost[0].back_after_ms, 600);
  EXPECT_EQ(lost[0].stalled_ms, 321);
  EXPECT_EQ(lost[0].whole_after_ms, 2000);
}

TEST(Story, WhatAnEarlierStartSaidIsNoneOfThisOne) {
  const std::string begun = kBegin;
  const Story again = story_of(record_of(begun + R"(5000 {"event":"interrupted","message":"Ctrl-C"}
6000 {"event":"start"}
7000 {"event":"end","steps":9}
)"),
                               false);
  EXPECT_EQ(again.state, RunState::kSucceeded);
  EXPECT_EQ(again.message, "");
  const Story longer = story_of(record_of(begun + R"(5000 {"event":"end","steps":9}
6000 {"event":"start"}
)"),
                                true);
  EXPECT_EQ(longer.state, RunState::kGoingOn);
  EXPECT_FALSE(longer.end.is_object());
}

TEST(Story, OneThatFallsSilentIsToldOnceAndMayStayAway) {
  const auto lost =
      lost_processes(record_of(std::string(kBegin) +
                               R"(5000 {"event":"removed","process":"ps-1","incarnation":"2"}
6000 {"event":"ended","process":"ps-1","code":0,"signal":15,"wanted":false}
)"));
  ASSERT_EQ(lost.size(), 1u);
  EXPECT_EQ(lost[0].unix_time_ms, 5000);
  EXPECT_EQ(lost[0].how, "was ended by signal 15");
  EXPECT_FALSE(lost[0].back_after_ms);
  EXPECT_EQ(lost[0].coordinator, "");
}

TEST(Story, WhatWasWantedOrEndedWellIsNoLoss) {
  const auto lost = lost_processes(
      record_of(std::string(kBegin) +
                R"(5000 {"event":"ended","process":"worker-1","code":0,"signal":15,"wanted":true}
6000 {"event":"ended","process":"worker-0","code":0,"signal":0,"wanted":false}
7000 {"event":"left","process":"ps-1","incarnation":"2"}
8000 {"event":"stopping"}
8100 {"event":"ended","process":"ps-0","code":1,"signal":0,"wanted":false}
)"));
  EXPECT_TRUE(lost.empty());
}

TEST(Story, EachLossOfTheSameProcessCounts) {
  const auto lost = lost_processes(
      record_of(std::string(kBegin) +
                R"(5000 {"event":"ended","process":"ps-1","code":3,"signal":0,"wanted":false}
5500 {"event":"ready","process":"ps-1","incarnation":"5"}
6000 {"event":"ended","process":"ps-1","code":0,"signal":11,"wanted":false}
6001 {"event":"recovered","process":"ps-1","step":7,"stalledMs":10}
6002 {"event":"recovered","process":"ps-1","step":7,"stalledMs":20}
)"));
  ASSERT_EQ(lost.size(), 2u);
  EXPECT_EQ(lost[0].how, "ended with code 3");
  EXPECT_EQ(lost[0].back_after_ms, 500);
  EXPECT_EQ(lost[0].stalled_ms, 10);
  EXPECT_EQ(lost[1].stalled_ms, 20);
}

TEST(Story, ALifeThatIsRemovedLateIsNoSecondLoss) {
  const auto lost = lost_processes(
      record_of(std::string(kBegin) +
                R"(5000 {"event":"ended","process":"ps-1","code":0,"signal":9,"wanted":false}
5500 {"event":"ready","process":"ps-1","incarnation":"5"}
6000 {"event":"removed","process":"ps-1","incarnation":"2"}
)"));
  EXPECT_EQ(lost.size(), 1u);
}

TEST(Story, WhatWasLostBeforeAStartDoesNotComeBackWithIt) {
  const auto lost = lost_processes(
      record_of(std::string(kBegin) +
                R"(5000 {"event":"ended","process":"ps-1","code":0,"signal":9,"wanted":false}
5001 {"event":"degraded"}
9000 {"event":"start"}
9100 {"event":"ready","process":"ps-1","incarnation":"7"}
9200 {"event":"appointed","term":2,"coordinator":"ps-1"}
9300 {"event":"degraded"}
9400 {"event":"whole"}
)"));
  ASSERT_EQ(lost.size(), 1u);
  EXPECT_FALSE(lost[0].back_after_ms);
  EXPECT_FALSE(lost[0].whole_after_ms);
  EXPECT_EQ(lost[0].coordinator, "");
}

TEST(Story, HowARunStands) {
  struct Case {
    const char* events;
    bool held;
    RunState state;
  };
  const Case cases[] = {
      {"", true, RunState::kGoingOn},
      {"", false, RunState::kUnknown},
      {"9 {\"event\":\"end\",\"steps\":9}\n", true, RunState::kSucceeded},
      {"9 {\"event\":\"end\",\"steps\":9}\n", false, RunState::kSucceeded},
      {"9 {\"event\":\"failed\",\"message\":\"m\"}\n", false, RunState::kFailed},
      {"9 {\"event\":\"interrupted\"}\n", false, RunState::kInterrupted},
      {"9 {\"event\":\"suspended\"}\n", true, RunState::kSuspended},
      {"9 {\"event\":\"suspended\"}\n10 {\"event\":\"resumed\"}\n", true, RunState::kGoingOn},
      {"9 {\"event\":\"interrupted\"}\n20 {\"event\":\"start\"}\n", true, RunState::kGoingOn},
      {"9 {\"event\":\"interrupted\"}\n20 {\"event\":\"start\"}\n", false, RunState::kUnknown},
  };
  for (const Case& one : cases) {
    const Story story = story_of(record_of(std::string(kBegin) + one.events), one.held);
    EXPECT_EQ(story.state, one.state) << one.events;
    EXPECT_EQ(story.job_name, "j");
    EXPECT_EQ(story.planned_steps, 9);
    EXPECT_EQ(story.started_unix_ms, 1000);
  }
}

TEST(Story, OfAnEmptyRecord) {
  const Story story = story_of({}, false);
  EXPECT_EQ(story.state, RunState::kUnknown);
  EXPECT_EQ(story.step, 0);
  EXPECT_TRUE(story.job.is_null());
}

TEST(Story, OfAJobThatIsNone) {
  const Story story =
      story_of(record_of("1 {\"event\":\"start\",\"job\":{\"metadata\":7}}\n"), true);
  EXPECT_EQ(story.job_name, "");
  EXPECT_EQ(story.planned_steps, 0);
}

}  // namespace
}  // namespace ballast::report
