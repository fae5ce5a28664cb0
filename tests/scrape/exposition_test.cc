// Sums and quantiles over several targets, and an exposition that prometheus-cpp wrote.
#include "operator/scrape/exposition.h"

#include <limits>

#include <gtest/gtest.h>
#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/summary.h>
#include <prometheus/text_serializer.h>

#include "operator/scrape/parse.h"

namespace ballast::scrape {
namespace {

Answer answer(const std::string& target, std::string_view text) {
  auto read = parse(text, Format::kPrometheus);
  EXPECT_TRUE(read) << read.error().message;
  return {target, std::make_shared<const Exposition>(std::move(*read))};
}

TEST(Exposition, SumsWhatMatchesOverAllTargets) {
  const std::vector<Answer> answers = {
      answer("a", "x_total 3\nx_total{part=\"push\"} 4.5\nd NaN\nd{x=\"1\"} +Inf\n"),
      answer("b", "x_total{part=\"push\",y=\"1\"} 100\nx 7\n")};
  EXPECT_EQ(sum_of(answers, "x_total"), 107.5);
  EXPECT_EQ(sum_of(answers, "x_total", {{"part", "push"}}), 104.5);
  EXPECT_EQ(sum_of(answers, "x_total", {{"part", "push"}, {"y", "1"}}), 100);
  EXPECT_EQ(sum_of(answers, "x_total", {{"part", ""}}), 3);
  EXPECT_EQ(sum_of(answers, "d"), 0);
  EXPECT_EQ(sum_of(answers, "nothing"), 0);
}

TEST(Exposition, EstimatesQuantilesOverAllTargets) {
  const char kHalf[] =
      "h_bucket{le=\"0.1\"} 25\nh_bucket{le=\"0.2\"} 45\nh_bucket{le=\"+Inf\"} 50\nh_count 50\n";
  const std::vector<Answer> answers = {answer("a", kHalf), answer("b", kHalf)};
  EXPECT_NEAR(quantile_of(answers, "h", 0.5), 0.1, 1e-12);
  EXPECT_NEAR(quantile_of(answers, "h", 0.7), 0.15, 1e-12);
  EXPECT_NEAR(quantile_of(answers, "h", 0.99), 0.2, 1e-12);
  EXPECT_EQ(quantile_of(answers, "nothing", 0.5), 0);
  const std::vector<Answer> empty = {answer("a", "e_bucket{le=\"+Inf\"} 0\n")};
  EXPECT_EQ(quantile_of(empty, "e", 0.5), 0);
}

TEST(Exposition, ReadsWhatPrometheusCppWrites) {
  prometheus::Registry registry;
  prometheus::BuildCounter()
      .Name("c_total")
      .Help("a \"b\"")
      .Register(registry)
      .Add({{"x", "a\"b\\c\nd"}})
      .Increment(1e22);
  prometheus::BuildGauge().Name("g").Help("").Register(registry).Add({}).Set(
      -std::numeric_limits<double>::infinity());
  auto& histogram = prometheus::BuildHistogram()
                        .Name("h_seconds")
                        .Help("h")
                        .Register(registry)
                        .Add({}, prometheus::Histogram::BucketBoundaries{0.1, 1});
  histogram.Observe(0.05);
  histogram.Observe(5);
  prometheus::BuildSummary().Name("s").Help("s").Register(registry).Add(
      {}, prometheus::Summary::Quantiles{{0.5, 0.05}});
  const std::vector<Answer> answers = {
      answer("a", prometheus::TextSerializer().Serialize(registry.Collect()))};
  const Exposition& read = *answers[0].exposition;
  EXPECT_EQ(sum_of(answers, "c_total", {{"x", "a\"b\\c\nd"}}), 1e22);
  EXPECT_EQ(sum_of(answers, "h_seconds_bucket", {{"le", "+Inf"}}), 2);
  EXPECT_EQ(sum_of(answers, "h_seconds_sum"), 5.05);
  ASSERT_EQ(read.families.size(), 4u);
  EXPECT_EQ(read.families[0].type, MetricType::kCounter);
  EXPECT_EQ(read.families[0].help, "a \"b\"");
  EXPECT_EQ(read.families[3].type, MetricType::kSummary);
}

}  // namespace
}  // namespace ballast::scrape
