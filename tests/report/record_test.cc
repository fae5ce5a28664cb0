// Records as they are found on disks: torn, damaged, of later versions.
#include "operator/report/record.h"

#include <gmock/gmock.h>

namespace ballast::report {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const char* const kStart = R"({"event":"start","unixTimeMs":1})";

std::vector<std::string> kinds(const Record& record) {
  std::vector<std::string> out;
  for (const Event& event : record.events) out.push_back(event.kind);
  return out;
}

TEST(Record, OfNothingIsEmpty) {
  const Record record = read_record({});
  EXPECT_THAT(record.events, IsEmpty());
  EXPECT_THAT(record.points, IsEmpty());
  EXPECT_THAT(record.problems, IsEmpty());
}

TEST(Record, OlderEventsComeFirst) {
  const Record record =
      read_record({std::string(kStart) + "\n", "{\"event\":\"end\",\"unixTimeMs\":3}\n",
                   "{\"unixTimeMs\":2,\"step\":5}\n"});
  EXPECT_THAT(kinds(record), ElementsAre("start", "end"));
  ASSERT_EQ(record.points.size(), 1u);
  EXPECT_EQ(record.points[0].step, 5);
  EXPECT_THAT(record.problems, IsEmpty());
}

TEST(Record, TellsWhatItCannotReadAndLosesNothingElse) {
  struct Case {
    const char* lines;
    const char* problem;
  };
  const Case cases[] = {
      {"{\"event\":\"end\",\"unixT", "events.jsonl: its last line is not whole"},
      {"{\"event\":\"en\n{\"event\":\"end\",\"unixTimeMs\":3}\n",
       "events.jsonl: 1 lines cannot be read; the first is line 2: no JSON"},
      {"[]\n7\n", "events.jsonl: 2 lines cannot be read; the first is line 2: event: expected"},
      {"{\"event\":7,\"unixTimeMs\":3}\n", "line 2: event: expected a word"},
      {"{\"event\":\"end\"}\n", "line 2: unixTimeMs: expected milliseconds since 1970"},
      {"{\"event\":\"end\",\"unixTimeMs\":\"x\"}\n", "line 2: unixTimeMs"},
      {"\xff\xfe\n", "line 2: no JSON"},
  };
  for (const Case& one : cases) {
    const Record record = read_record({"", std::string(kStart) + "\n" + one.lines, ""});
    ASSERT_FALSE(record.events.empty()) << one.lines;
    EXPECT_EQ(record.events[0].kind, "start");
    ASSERT_EQ(record.problems.size(), 1u) << one.lines;
    EXPECT_THAT(record.problems[0], HasSubstr(one.problem));
  }
}

TEST(Record, ALastLineWithoutItsEndThatIsWholeIsRead) {
  const Record record = read_record({"", kStart, ""});
  EXPECT_THAT(kinds(record), ElementsAre("start"));
  EXPECT_THAT(record.problems, IsEmpty());
}

TEST(Record, KeepsEventsAndFieldsThatItDoesNotKnow) {
  const Record record = read_record(
      {"", std::string(kStart) + "\n{\"event\":\"moon\",\"unixTimeMs\":2,\"phase\":[1]}\n", ""});
  ASSERT_EQ(record.events.size(), 2u);
  EXPECT_EQ(record.events[1].value["phase"][0], 1);
  EXPECT_EQ(record.events[1].text("phase"), "");
  EXPECT_EQ(record.events[1].number("phase"), 0);
  EXPECT_FALSE(record.events[1].truth("none"));
}

TEST(Record, TellsThatTheBeginningIsNotKept) {
  const Record record = read_record({"", "{\"event\":\"whole\",\"unixTimeMs\":2}\n", ""});
  ASSERT_EQ(record.problems.size(), 1u);
  EXPECT_THAT(record.problems[0], HasSubstr("earliest events"));
}

}  // namespace
}  // namespace ballast::report
