// OpenMetrics 1.0: what it allows and what it forbids beyond the Prometheus text format.
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "operator/scrape/parse.h"

namespace ballast::scrape {
namespace {

using testing::HasSubstr;

TEST(ParseOpenMetrics, ReadsEveryType) {
  const auto read = parse(
      "# TYPE a_seconds counter\n# UNIT a_seconds seconds\n# HELP a_seconds Say \\\"a\\\" \\q.\n"
      "a_seconds_total{x=\"\\q\"} 1.5 12.5 # {trace=\"t\"} 0.5 11\na_seconds_created 9\n"
      "# TYPE h histogram\nh_bucket{le=\"0.5\"} 1 # {} 0.25\nh_bucket{le=\"+Inf\"} 2\nh_count 2\n"
      "h_sum 3\nh_created 1\n"
      "# TYPE g gaugehistogram\ng_bucket{le=\"+Inf\"} 2\ng_gcount 2\ng_gsum -3\n"
      "# TYPE s summary\ns{quantile=\"0.5\"} 1\ns_count 2\ns_sum 3\n"
      "# TYPE i info\ni_info{v=\"1\"} 1\n# TYPE e stateset\ne{e=\"on\"} 1\ne{e=\"off\"} 0\n"
      "# TYPE u unknown\nu NaN\n# HELP v nothing said of its type\nv -1\nw 1\n# EOF\n",
      Format::kOpenMetrics);
  ASSERT_TRUE(read) << read.error().message;
  ASSERT_EQ(read->samples.size(), 19u);
  ASSERT_EQ(read->families.size(), 9u);
  EXPECT_EQ(read->families[0].unit, "seconds");
  EXPECT_EQ(read->families[0].help, "Say \"a\" \\q.");
  const Sample& counter = read->samples[0];
  EXPECT_EQ(read->label_of(counter, "x"), "\\q");
  EXPECT_EQ(counter.timestamp_ms, 12'500);
  const Exemplar& exemplar = read->exemplars.at(counter.exemplar.value());
  EXPECT_EQ(exemplar.value, 0.5);
  EXPECT_EQ(exemplar.timestamp_ms, 11'000);
  EXPECT_EQ(read->labels_of(exemplar.labels)[0], (Label{"trace", "t"}));
  EXPECT_EQ(read->families[read->samples[2].family].type, MetricType::kHistogram);
}

TEST(ParseOpenMetrics, TheLastPointInTimeStands) {
  const auto read = parse("a 1 1\na 2 2\na 3 2.5\n# EOF", Format::kOpenMetrics);
  ASSERT_TRUE(read) << read.error().message;
  ASSERT_EQ(read->samples.size(), 1u);
  EXPECT_EQ(read->samples[0].value, 3);
}

TEST(ParseOpenMetrics, RefusesTheRestAndSaysWhere) {
  const std::string long_label(129, 'x');
  const struct {
    std::string text;
    const char* error;
  } kRows[] = {
      {"", "line 1, byte 1: no # EOF"},
      {"a 1\n", "line 2, byte 1: no # EOF"},
      {"# EOF\na 1\n", "line 2, byte 1: text after # EOF"},
      {"# EOF \n", "text after # EOF"},
      {"\n# EOF\n", "line 1, byte 1: not a metric name"},
      {" a 1\n# EOF\n", "not a metric name"},
      {"a  1\n# EOF\n", "expected a number as value"},
      {"a 1 \n# EOF\n", "expected seconds as timestamp"},
      {"a\t1\n# EOF\n", "expected a label set or a value"},
      {"a{x=\"1\",} 1\n# EOF\n", "expected a label after the comma"},
      {"a{x=\"1\"}1\n# EOF\n", "expected one space before the value"},
      {"# a comment\n# EOF\n", "expected # HELP"},
      {"# TYPE a  gauge\n# EOF\n", "unknown metric type"},
      {"# TYPE a untyped\n# EOF\n", "unknown metric type"},
      {"# TYPE a Gauge\n# EOF\n", "unknown metric type"},
      {"# TYPE a\n# EOF\n", "expected one space"},
      {"a 1 nan\n# EOF\n", "expected seconds"},
      {"a 1 1e30\n# EOF\n", "expected seconds"},
      {"# TYPE a gauge\na 1\n# HELP a x\n# EOF\n", "metadata after a sample"},
      {"# TYPE a gauge\n# TYPE a gauge\n# EOF\n", "a second time"},
      {"a 1\nb 1\na 2\n# EOF\n", "line 3, byte 3: a family must be in one piece"},
      {"# TYPE a gauge\n# TYPE b gauge\n# HELP a x\n# EOF\n", "a family must be in one piece"},
      {"# TYPE a counter\na 1\n# EOF\n", "a sample of this type must have a suffix"},
      {"# TYPE a counter\na_total -1\n# EOF\n", "neither negative nor NaN"},
      {"# TYPE a counter\na_total NaN\n# EOF\n", "neither negative nor NaN"},
      {"# UNIT a seconds\na 1\n# EOF\n", "must end with its unit"},
      {"# TYPE a_x info\n# UNIT a_x x\n# EOF\n", "has no unit"},
      {"# TYPE a info\na_info 2\n# EOF\n", "the value of an info is 1"},
      {"# TYPE a stateset\na{a=\"x\"} 2\n# EOF\n", "0 or 1"},
      {"# TYPE a stateset\na{b=\"x\"} 1\n# EOF\n", "label of its family's name"},
      {"a 1\na 1\n# EOF\n", "a stands there more than once"},
      {"a 1 2\na 1 1\n# EOF\n", "a stands there more than once"},
      {"# TYPE h histogram\nh_bucket 1\n# EOF\n", "label le must be a number"},
      {"# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"1\"} 1\n# EOF\n", "must ascend"},
      {"# TYPE h histogram\nh_bucket{le=\"1\"} 2\nh_bucket{le=\"+Inf\"} 1\n# EOF\n",
       "must count what is below"},
      {"# TYPE h histogram\nh_bucket{le=\"1\"} 2\n# EOF\n", "no bucket le=\"+Inf\""},
      {"# TYPE h histogram\nh_bucket{le=\"1\"} 2\na 1\n# EOF\n", "line 3, byte 3: a histogram"},
      {"# TYPE h histogram\nh_bucket{le=\"+Inf\"} 1.5\n# EOF\n", "a count must be whole"},
      {"# TYPE h histogram\nh_bucket{le=\"inf\"} 1\n# EOF\n", "the last bucket is le=\"+Inf\""},
      {"# TYPE s summary\ns{quantile=\"2\"} 1\n# EOF\n", "within 0 and 1"},
      {"a 1 # {x=\"1\"} 1\n# EOF\n", "only counters and buckets have exemplars"},
      {"# TYPE a counter\na_total 1 # {x=\"" + long_label + "\"} 1\n# EOF\n", "too long"},
      {"# TYPE a counter\na_total 1 # {}\n# EOF\n", "expected one space"},
      {"# TYPE a counter\na_total 1 # {} 1 2 3\n# EOF\n", "text after the exemplar"},
      {"# TYPE a counter\na_total 1 # x\n# EOF\n", "expected an exemplar"},
  };
  for (const auto& row : kRows) {
    const auto read = parse(row.text, Format::kOpenMetrics);
    ASSERT_FALSE(read) << row.text;
    EXPECT_EQ(read.error().code, ErrorCode::kInvalid);
    EXPECT_THAT(read.error().message, HasSubstr(row.error)) << row.text;
  }
}

}  // namespace
}  // namespace ballast::scrape
