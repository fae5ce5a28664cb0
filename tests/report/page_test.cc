// The page: whole, self-contained, and safe whatever stands in the record.
#include "operator/report/page.h"

#include <regex>

#include <gmock/gmock.h>

#include "operator/report/html.h"
#include "operator/report/texts.h"

namespace ballast::report {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

const PageOptions kOptions{
    .held = false, .made_unix_ms = 5000, .record_folder = "/r", .build = "b"};

Record record_of(const std::string& events, const std::string& points = "") {
  return read_record({"", events, points});
}

// Without the library, whose text is its own.
std::string own_part(std::string page) {
  for (const auto text : {chart_script, chart_style, chart_license}) {
    const size_t at = page.find(text);
    if (at != std::string::npos) page.erase(at, text.size());
  }
  return page;
}

TEST(Page, OfAnEmptyRecordSaysSo) {
  const std::string page = page_of({}, kOptions);
  EXPECT_THAT(page, HasSubstr("No step has been committed yet"));
  EXPECT_THAT(page, HasSubstr("Nothing was lost"));
  EXPECT_THAT(page, HasSubstr("No checkpoint was written yet"));
  EXPECT_THAT(page, Not(HasSubstr("<figure>")));
}

TEST(Page, HasTheChartsTheNumbersAndTheStory) {
  const std::string page = page_of(
      record_of(
          "{\"event\":\"start\",\"unixTimeMs\":1,\"job\":{\"metadata\":{\"name\":\"nice\"}}}\n"
          "{\"event\":\"ended\",\"unixTimeMs\":2000,\"process\":\"worker-1\",\"signal\":9}\n"
          "{\"event\":\"checkpoint\",\"unixTimeMs\":2500,\"directory\":\"/c/step-5\"}\n",
          "{\"unixTimeMs\":1500,\"step\":5,\"loss\":[2,2.5,3]}\n"),
      kOptions);
  EXPECT_THAT(page, HasSubstr("<title>Run of nice</title>"));
  EXPECT_THAT(page, HasSubstr("worker-1 was ended by signal 9"));
  EXPECT_THAT(page, HasSubstr("/c/step-5"));
  EXPECT_THAT(page, HasSubstr("id=\"loss\" role=\"img\" aria-label=\"Loss, in nats per token."));
  EXPECT_THAT(page, HasSubstr("\"rows\":[[5.0,[2.0,2.5,3.0],null]]"));
  EXPECT_THAT(page, HasSubstr("ended without a word after 5 steps"));
}

TEST(Page, NeedsNothingFromElsewhere) {
  const std::string page =
      own_part(page_of(record_of("", "{\"unixTimeMs\":1,\"step\":5}\n"), kOptions));
  const std::regex fetches("(?:src|href)\\s*=|@import|url\\(|<link|<img|<iframe");
  EXPECT_FALSE(std::regex_search(page, fetches));
  EXPECT_THAT(page, HasSubstr("default-src 'none'"));
}

TEST(Page, CarriesTheLibraryAndItsLicense) {
  EXPECT_THAT(std::string(chart_script), HasSubstr("Dygraph"));
  EXPECT_THAT(std::string(chart_license), HasSubstr("MIT"));
  EXPECT_THAT(std::string(chart_script), Not(HasSubstr("</script")));
  EXPECT_THAT(page_of({}, kOptions), HasSubstr("Dan Vanderkam"));
}

TEST(Page, WhateverStandsInARecordIsText) {
  const std::string evil = "</script><script>alert(1)</script><img src=x onerror='alert(2)'>\\\"";
  nlohmann::json job = {{"metadata", {{"name", evil}}}};
  std::string events =
      to_line({{"event", "start"}, {"job", job}, {evil, evil}}, 1) + "\n" +
      to_line({{"event", "ended"}, {"process", evil}, {"signal", 9}}, 2) + "\n" +
      to_line({{"event", evil}, {"process", evil}}, 3) + "\n" +
      to_line({{"event", "policy"}, {"policy", evil}, {"message", evil}, {"action", "tell"}}, 4) +
      "\n" + to_line({{"event", "checkpoint"}, {"directory", evil}}, 5) + "\n" +
      to_line({{"event", "failed"}, {"message", evil}}, 6) + "\n";
  nlohmann::json point = {{"unixTimeMs", 1}, {"step", 1}};
  point["processes"][evil] = {{"microbatches", 4}};
  const std::string page = own_part(
      page_of(record_of(events, point.dump() + "\n" + evil + "\n"), {false, 5, evil, evil}));
  EXPECT_THAT(page, Not(HasSubstr("alert(1)</script>")));
  EXPECT_THAT(page, Not(HasSubstr("<img")));
  EXPECT_THAT(page, HasSubstr("&lt;img src=x"));
  EXPECT_THAT(page, HasSubstr("\\u003cimg"));
}

TEST(Page, ALongRunMakesASmallPage) {
  Record record;
  for (int64_t time = 1; time <= 20'000; ++time) {
    Point point;
    point.unix_time_ms = time;
    point.step = time;
    point.loss = Range{1, 1, 1};
    for (const char* name : {"ps-0", "ps-1", "worker-0", "worker-1"})
      point.processes[name] = {4, 5, 0.5, 1e9};
    record.points.push_back(point);
    if (time % 10 == 0)
      record.events.push_back({time, "checkpoint", {{"directory", "/checkpoints/some-folder"}}});
  }
  EXPECT_LT(page_of(record, kOptions).size(), 3'000'000u);
}

TEST(Html, Escapes) {
  EXPECT_EQ(escaped("<a href=\"x\">'&'</a>"),
            "&lt;a href=&quot;x&quot;&gt;&#39;&amp;&#39;&lt;/a&gt;");
  EXPECT_EQ(script_json("</script>"), "\"\\u003c/script>\"");
  EXPECT_EQ(table({"a"}, {}), "");
}

}  // namespace
}  // namespace ballast::report
