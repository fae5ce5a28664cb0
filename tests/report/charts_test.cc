// Charts as data: what stands on them, bounded, and without what was undone.
#include "operator/report/charts.h"

#include <gmock/gmock.h>

namespace ballast::report {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Point point(int64_t time, int64_t step, double loss) {
  Point out;
  out.unix_time_ms = time;
  out.step = step;
  out.loss = Range{loss, loss, loss};
  return out;
}

const Chart* find(const std::vector<Chart>& charts, const std::string& id) {
  for (const Chart& chart : charts) {
    if (chart.id == id) return &chart;
  }
  return nullptr;
}

std::vector<double> xs(const Chart& chart) {
  std::vector<double> out;
  for (const Row& row : chart.rows) out.push_back(row.x);
  return out;
}

TEST(Charts, OfNothingAreNone) { EXPECT_TRUE(charts_of({}).empty()); }

TEST(Charts, LossIsOverStepsWithoutThoseThatAReturnUndid) {
  Record record;
  record.points = {point(1, 10, 5), point(2, 20, 4), point(3, 30, 3), point(4, 15, 9),
                   point(5, 25, 8)};
  const auto charts = charts_of(record);
  const Chart* loss = find(charts, "loss");
  ASSERT_NE(loss, nullptr);
  EXPECT_THAT(xs(*loss), ElementsAre(10, 15, 25));
  EXPECT_THAT(loss->labels, ElementsAre("training", "validation"));
  EXPECT_EQ((*loss->rows[1].cells[0])[1], 9);
  EXPECT_FALSE(loss->rows[1].cells[1]);
  const Chart* gap = find(charts, "gap");  // over time all of it is shown
  ASSERT_NE(gap, nullptr);
  EXPECT_EQ(gap->rows.size(), 5u);
}

TEST(Charts, ProcessesThatComeAndGoHaveTheirOwnLines) {
  Record record;
  record.points = {point(1, 1, 1), point(2, 2, 1)};
  record.points[0].processes["worker-0"] = {8, {}, {}, {}};
  record.points[1].processes["worker-0"] = {4, {}, {}, {}};
  record.points[1].processes["worker-1"] = {4, {}, {}, 2.0 * 1024 * 1024};
  const auto charts = charts_of(record);
  const Chart* shares = find(charts, "shares");
  ASSERT_NE(shares, nullptr);
  EXPECT_THAT(shares->labels, ElementsAre("worker-0", "worker-1"));
  EXPECT_FALSE(shares->rows[0].cells[1]);
  EXPECT_EQ((*shares->rows[1].cells[1])[1], 4);
  ASSERT_NE(find(charts, "memory"), nullptr);
  EXPECT_EQ((*find(charts, "memory")->rows[0].cells[0])[1], 2);  // MiB
  EXPECT_EQ(find(charts, "primaries"), nullptr);
}

TEST(Charts, ALineIsBrokenWhereTheRunWasNotThere) {
  Record record;
  record.points = {point(100, 1, 1), point(900, 2, 1)};
  record.events = {{50, "start", {}}, {500, "start", {}}};
  const auto charts = charts_of(record);
  const Chart* gap = find(charts, "gap");
  ASSERT_NE(gap, nullptr);
  EXPECT_THAT(xs(*gap), ElementsAre(100, 500, 900));
  EXPECT_FALSE(gap->rows[1].cells[0]);
}

TEST(Charts, AreBoundedAscendingAndKeepPeaks) {
  Record record;
  for (int64_t time = 1; time <= 50'000; ++time)
    record.points.push_back(point(time, time, time == 31'234 ? 77.0 : 1.0));
  record.points[10].unix_time_ms = 3;  // a clock that was set back
  for (const Chart& chart : charts_of(record)) {
    EXPECT_LE(chart.rows.size(), kMostRows) << chart.id;
    for (size_t row = 1; row < chart.rows.size(); ++row)
      ASSERT_LT(chart.rows[row - 1].x, chart.rows[row].x) << chart.id;
    if (chart.id != "loss") continue;
    EXPECT_THAT(in_words(chart), HasSubstr("least 1, most 77"));
  }
}

TEST(Charts, NumbersAreShort) {
  EXPECT_EQ(short_number(2.34567), "2.346");
  EXPECT_EQ(short_number(0.00012345), "0.0001234");
  EXPECT_EQ(short_number(12'345), "12.3k");
  EXPECT_EQ(short_number(-20'000), "-2e+04");
  EXPECT_EQ(short_number(1e300), "1e+300");
}

TEST(Charts, InWords) {
  Record record;
  record.points = {point(1, 1, 5.5), point(2, 2, 2.25)};
  EXPECT_EQ(in_words(charts_of(record)[0]),
            "Loss, in nats per token. training: from 5.5 to 2.25, least 2.25, most 5.5.");
}

}  // namespace
}  // namespace ballast::report
