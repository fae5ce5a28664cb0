// Reading Prometheus text.
#include "operator/local/metrics_text.h"

#include <gtest/gtest.h>

namespace ballast::local {
namespace {

const char kText[] =
    "# HELP a_total x\n# TYPE a_total counter\n"
    "a_total 3\na_total{part=\"push\"} 4.5\na_total{part=\"pull\",x=\"q\\\"\\\\\\n\"} 1e2 "
    "1700000000000\n"
    "bad line\nb{\nc{x=1} 2\nd NaN\nd +Inf\ne \n{} 3\n"
    "h_bucket{le=\"0.1\"} 50\nh_bucket{le=\"0.2\"} 90\nh_bucket{le=\"+Inf\"} 100\nh_count 100\n";

TEST(MetricsText, ReadsSamplesAndPassesOverBadLines) {
  const auto samples = parse_metrics(kText);
  EXPECT_EQ(sum_of(samples, "a_total"), 107.5);
  EXPECT_EQ(sum_of(samples, "a_total", {{"part", "push"}}), 4.5);
  EXPECT_EQ(sum_of(samples, "a_total", {{"x", "q\"\\\n"}}), 100);
  EXPECT_EQ(sum_of(samples, "d"), 0);
  EXPECT_EQ(sum_of(samples, "c"), 0);
  EXPECT_EQ(sum_of(samples, "nothing"), 0);
}

TEST(MetricsText, EstimatesQuantiles) {
  const auto samples = parse_metrics(kText);
  EXPECT_NEAR(quantile_of(samples, "h", 0.5), 0.1, 1e-12);
  EXPECT_NEAR(quantile_of(samples, "h", 0.7), 0.15, 1e-12);
  EXPECT_NEAR(quantile_of(samples, "h", 0.99), 0.2, 1e-12);
  EXPECT_EQ(quantile_of(samples, "nothing", 0.5), 0);
  EXPECT_EQ(quantile_of(parse_metrics("e_bucket{le=\"+Inf\"} 0\n"), "e", 0.5), 0);
}

}  // namespace
}  // namespace ballast::local
