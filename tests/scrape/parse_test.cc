// The Prometheus text format, line by line: what is read, and where what is refused is told.
#include "operator/scrape/parse.h"

#include <cmath>
#include <limits>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ballast::scrape {
namespace {

using testing::HasSubstr;

Exposition read(std::string_view text) {
  auto read = parse(text, Format::kPrometheus);
  EXPECT_TRUE(read) << text << ": " << read.error().message;
  return read ? std::move(*read) : Exposition{};
}

// "name{label="value",...} value" of each sample, a line each.
std::string shown(const Exposition& exposition) {
  std::string text;
  for (const Sample& sample : exposition.samples) {
    text += std::string(sample.name);
    for (const Label& label : exposition.labels_of(sample.labels))
      text += " " + std::string(label.name) + "=" + std::string(label.value);
    text += " " + std::to_string(sample.value);
    if (sample.timestamp_ms) text += " @" + std::to_string(*sample.timestamp_ms);
    text += "\n";
  }
  return text;
}

TEST(ParseText, ReadsWhatTheFormatAllows) {
  const struct {
    const char* text;
    const char* samples;
  } kRows[] = {
      {"", ""},
      {"\n \n\t\n", ""},
      {"a 1\n", "a 1.000000\n"},
      {"  a\t{ x = \"1\" , }\t2\t-5 \n", "a x=1 2.000000 @-5\n"},
      {"a{y=\"2\",x=\"1\"}1\n", "a x=1 y=2 1.000000\n"},
      {"a{}1\n", "a 1.000000\n"},
      {"a:b_9 +1\n", "a:b_9 1.000000\n"},
      {"a{x=\"q\\\"\\\\\\n,}\"} 1\n", "a x=q\"\\\n,} 1.000000\n"},
      {"a 1.\na2 .5\na3 5e-1\na4 -2E0\n", "a 1.000000\na2 0.500000\na3 0.500000\na4 -2.000000\n"},
      {"a Inf\nb +Inf\nc -inf\nd Infinity\n", "a inf\nb inf\nc -inf\nd inf\n"},
      {"a 1e-999\nb 0.0e999999999999999999999\nc 1e-99999999999999999999\n",
       "a 0.000000\nb 0.000000\nc 0.000000\n"},
      {"# a comment\n#\n# HELP a x\n# TYPE a counter\na 1\n", "a 1.000000\n"},
      {"#TYPE a gauge\na 1\n# HELP a late help\n", "a 1.000000\n"},
      {"# TYPE a\n# HELP\n# EOF\n", ""},
      {"# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"+Inf\"} 2\nh_sum 3\nh_count 2\n",
       "h_bucket le=1 1.000000\nh_bucket le=+Inf 2.000000\nh_sum 3.000000\nh_count 2.000000\n"},
      {"a{x=\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"} 1\n",
       "a x=\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80 1.000000\n"},
      {"a 1 9223372036854775807\n", "a 1.000000 @9223372036854775807\n"},
  };
  for (const auto& row : kRows) EXPECT_EQ(shown(read(row.text)), row.samples) << row.text;
  EXPECT_TRUE(std::isnan(read("a NaN\n").samples.at(0).value));
}

TEST(ParseText, RefusesTheRestAndSaysWhere) {
  const struct {
    std::string text;
    const char* error;
  } kRows[] = {
      {"a 1", "line 1, byte 4: the last line has no line feed"},
      {"a 1\n b", "line 2, byte 3: expected a label set or a value"},
      {"1a 1\n", "line 1, byte 1: not a metric name"},
      {"{x=\"1\"} 1\n", "line 1, byte 1: not a metric name"},
      {"a\n", "line 1, byte 2: expected a label set or a value"},
      {"a \n", "line 1, byte 3: expected a number as value"},
      {"a-b 1\n", "line 1, byte 2: expected a label set or a value"},
      {"a 1\r\n", "line 1, byte 5: expected a number as value"},
      {"a 0x1p3\n", "expected a number"},
      {"a 1_0\n", "expected a number"},
      {"a 1e999\n", "expected a number"},
      {"a +nan\n", "expected a number"},
      {"a nan(1)\n", "expected a number"},
      {"a --1\n", "expected a number"},
      {"a 1e\n", "expected a number"},
      {"a 1,5\n", "expected a number"},
      {"a 1 2.5\n", "expected whole milliseconds"},
      {"a 1 9999999999999999999\n", "expected whole milliseconds"},
      {"a 1 2 3\n", "text after the timestamp"},
      {"a 1 # {x=\"1\"} 1\n", "expected whole milliseconds"},
      {"a{x=\"1\n", "line 1, byte 7: label value without a closing quote"},
      {"a{x=\"a\nb\"} 1\n", "line 1, byte 7: label value without a closing quote"},
      {"a{x=\"\\q\"} 1\n", "line 1, byte 6: unknown escape \\q"},
      {"a{x=\"\\", "line 1, byte 6: ends with a backslash"},
      {"a{x=1} 1\n", "expected a quoted label value"},
      {"a{x:y=\"1\"} 1\n", "expected = after the label's name"},
      {"a{1=\"1\"} 1\n", "not a label name"},
      {"a{,} 1\n", "not a label name"},
      {"a{x=\"1\" y=\"2\"} 1\n", "expected a comma or a closing brace"},
      {"a{x=\"1\",x=\"2\"} 1\n", "a label stands there twice"},
      {"a{__name__=\"b\"} 1\n", "__name__ is reserved"},
      {"a{x=\"1\"\n", "expected a comma or a closing brace"},
      {"# HELP a \\q\n", "unknown escape"},
      {"# HELP a x\n# HELP a y\n", "line 2, byte 11: metadata of a family stands there a second"},
      {"# TYPE a gauge\n# TYPE a gauge\n", "a second time"},
      {"a 1\n# TYPE a gauge\n", "metadata after a sample"},
      {"# TYPE a foo\n", "unknown metric type"},
      {"# TYPE a info\n", "unknown metric type"},
      {"# TYPE a counter x\n", "unknown metric type"},
      {"# TYPE 1a counter\n", "not a metric name"},
      {"# TYPE h histogram\nh_bucket{le=\"x\"} 1\n", "line 2, byte 19: label le must be a number"},
      {"# TYPE s summary\ns{quantile=\"x\"} 1\n", "label quantile must be a number"},
      {"a 1\nb{x=\"\xff\"} 1\n", "line 2, byte 6: not UTF-8"},
      {"\xed\xa0\x80\n", "line 1, byte 1: not UTF-8"},
      {std::string("a\0 1\n", 5), "line 1, byte 2: expected a label set or a value"},
      {"<html><body>404</body></html>\n", "line 1, byte 1: not a metric name"},
      {"\x1f\x8b\x08\n", "not UTF-8"},
  };
  for (const auto& row : kRows) {
    const auto read = parse(row.text, Format::kPrometheus);
    ASSERT_FALSE(read) << row.text;
    EXPECT_EQ(read.error().code, ErrorCode::kInvalid);
    EXPECT_THAT(read.error().message, HasSubstr(row.error)) << row.text;
  }
}

TEST(ParseText, TypesReachTheParts) {
  const Exposition exposition = read(
      "# HELP h Latency\\nof \\\\ it.\n# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_sum 3\nh_count "
      "2\n"
      "h_other 1\n# TYPE a_sum counter\na_sum 1\n# TYPE a Histogram\na_sum 2\n");
  const auto type = [&](size_t i) {
    return exposition.families[exposition.samples[i].family].type;
  };
  EXPECT_EQ(exposition.families[0].help, "Latency\nof \\ it.");
  EXPECT_EQ(type(0), MetricType::kHistogram);
  EXPECT_EQ(type(2), MetricType::kHistogram);
  EXPECT_EQ(type(3), MetricType::kUnknown);
}

TEST(ParseText, RepeatedSeriesAreNoSamples) {
  const Exposition exposition =
      read("a{x=\"1\",y=\"2\"} 1\nb 2\na{y=\"2\",x=\"1\"} 1\nc 3\na{x=\"1\"} 4\nc 3\nc 5\n");
  EXPECT_EQ(shown(exposition), "b 2.000000\na x=1 4.000000\n");
  EXPECT_THAT(exposition.contradictory, testing::ElementsAre("a{x=\"1\",y=\"2\"}", "c"));
}

TEST(ParseText, LimitsHold) {
  const Limits limits{.bytes = 100,
                      .lines = 4,
                      .line_bytes = 40,
                      .samples = 2,
                      .labels = 2,
                      .label_name_bytes = 5,
                      .label_value_bytes = 6};
  const struct {
    std::string text;
    const char* error;
  } kRows[] = {
      {std::string(101, '\n'), "101 bytes, more than the 100 that are read"},
      {"\n\n\n\n\n", "5 lines, more than the 4 that are read"},
      {"#" + std::string(40, 'x') + "\n", "a line of more than 40 bytes"},
      {"a 1\nb 1\nc 1\n", "3 samples, more than the 2 that are read"},
      {"a{x=\"1\",y=\"2\",z=\"3\"} 1\n", "too many labels"},
      {"abcdef 1\n", "the name is too long"},
      {"a{abcdef=\"1\"} 1\n", "the name is too long"},
      {"a{x=\"1234567\"} 1\n", "the label value is too long"},
  };
  for (const auto& row : kRows) {
    const auto read = parse(row.text, Format::kPrometheus, limits);
    ASSERT_FALSE(read) << row.text;
    EXPECT_THAT(read.error().message, HasSubstr(row.error));
  }
  EXPECT_TRUE(parse("abcde{x=\"123456\",y=\"\"} 1\nb 1\n\n\n", Format::kPrometheus, limits));
}

TEST(ParseText, TheContentTypeNamesTheFormat) {
  EXPECT_EQ(format_of("application/openmetrics-text; version=1.0.0; charset=utf-8"),
            Format::kOpenMetrics);
  EXPECT_EQ(format_of("text/plain; version=0.0.4"), Format::kPrometheus);
  EXPECT_EQ(format_of(""), Format::kPrometheus);
}

}  // namespace
}  // namespace ballast::scrape
