// Points: what is kept when they are merged, and that a file of them stays bounded.
#include "operator/report/point.h"

#include <gtest/gtest.h>

#include "operator/report/point_log.h"
#include "operator/report/record.h"

namespace ballast::report {
namespace {

using nlohmann::json;

Point point(int64_t time, double loss) {
  Point out;
  out.unix_time_ms = time;
  out.step = time;
  out.longest_gap_ms = time % 7;
  out.loss = Range{loss, loss, loss};
  out.parts = std::vector<double>{0.5, 0.1, 0.2, 0.2};
  out.processes["worker-0"] = {4, {}, 0.5, 100};
  return out;
}

TEST(Point, MergingKeepsExtremesMeansAndTheLast) {
  Point a = point(10, 5);
  Point b = point(20, 2);
  b.samples = 3;
  b.parts = std::vector<double>{0.9, 0.1, 0, 0};
  b.processes["worker-0"] = {8, {}, 0.9, 50};
  b.processes["ps-0"] = {{}, 7, {}, {}};
  a.processes["gone"] = {1, {}, {}, {}};
  const Point merged = merge(a, b);
  EXPECT_EQ(merged.unix_time_ms, 20);
  EXPECT_EQ(merged.step, 20);
  EXPECT_EQ(merged.samples, 4);
  EXPECT_EQ(merged.longest_gap_ms, 6);
  EXPECT_EQ(merged.loss, (Range{2, 2, 5}));
  EXPECT_DOUBLE_EQ((*merged.parts)[0], 0.8);  // 3 samples of 0.9, one of 0.5
  EXPECT_EQ(merged.processes.at("worker-0").microbatches, 7);
  EXPECT_EQ(merged.processes.at("worker-0").bytes, 100);
  EXPECT_EQ(merged.processes.at("ps-0").primaries, 7);
  EXPECT_FALSE(merged.processes.contains("gone"));
}

TEST(Point, WhatOneSideDoesNotKnowTheOtherTells) {
  Point a = point(1, 3);
  a.learning_rate = 0.1;
  Point b;
  b.unix_time_ms = 2;
  const Point merged = merge(a, b);
  EXPECT_EQ(merged.loss, a.loss);
  EXPECT_EQ(merged.learning_rate, 0.1);
  EXPECT_EQ(merged.parts, a.parts);
}

TEST(Point, ALineAndBack) {
  Point one = point(1'700'000'000'123, 2.25);
  one.validation_loss = Range{1, 2, 3};
  one.learning_rate = 1e-3;
  const auto read = point_from_json(json::parse(to_line(one)));
  ASSERT_TRUE(read);
  EXPECT_EQ(*read, one);
}

TEST(Point, OfLinesThatAreNotOurs) {
  struct Case {
    const char* line;
    const char* error;  // empty: it is read
  };
  const Case cases[] = {
      {R"([1])", "expected an object"},
      {R"({"step":1})", "unixTimeMs: expected a number"},
      {R"({"unixTimeMs":1})", "step: expected a number"},
      {R"({"unixTimeMs":1,"step":"x"})", "step: expected a number"},
      {R"({"unixTimeMs":1,"step":2,"new":{"a":1},"loss":"none"})", ""},
      {R"({"unixTimeMs":1,"step":2,"loss":[1,2],"shareOfTime":[1,"a",2,3],"processes":[1]})", ""},
      {R"({"unixTimeMs":1e300,"step":2,"samples":-4})", ""},
  };
  for (const Case& one : cases) {
    const auto read = point_from_json(json::parse(one.line));
    EXPECT_EQ(read ? "" : read.error().message, one.error) << one.line;
    if (read) {
      EXPECT_FALSE(read->loss) << one.line;
      EXPECT_FALSE(read->parts) << one.line;
      EXPECT_EQ(read->samples, 1) << one.line;
    }
  }
}

TEST(Point, OfAProgressEvent) {
  const json event = json::parse(R"({"event":"progress","step":7,"workers":2,"skipped":1,
    "loss":2.5,"gradientNorm":null,"tokensPerSecond":1000.5,"longestGapMs":12,"medianStepMs":3.5,
    "shareOfTime":{"compute":0.75,"push":0,"wait":0.25,"pull":0},
    "processes":{"ps-0":{"primaries":3,"busy":0.5}}})");
  const auto read = point_of_progress(event, 99);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->unix_time_ms, 99);
  EXPECT_EQ(read->loss, (Range{2.5, 2.5, 2.5}));
  EXPECT_FALSE(read->gradient_norm);  // it was not finite
  EXPECT_EQ(read->parts, (std::vector<double>{0.75, 0, 0.25, 0}));
  EXPECT_EQ(read->processes.at("ps-0").busy, 0.5);
  EXPECT_FALSE(point_of_progress({{"event", "progress"}, {"steps", 10}}, 99));
}

TEST(Thinned, HasAtMostSoManyAndTheSameExtremes) {
  std::vector<Point> points;
  for (int64_t time = 1; time <= 10'007; ++time)
    points.push_back(point(time, time == 5'003 ? 1e6 : 1.0));
  for (const size_t most : {1u, 2u, 999u, 1'000u, 10'006u, 10'007u}) {
    const auto fewer = thinned(points, most);
    EXPECT_LE(fewer.size(), most);
    EXPECT_EQ(fewer.back().step, 10'007);
    double peak = 0;
    int64_t samples = 0;
    for (const Point& one : fewer) {
      peak = std::max(peak, one.loss->most);
      samples += one.samples;
    }
    EXPECT_EQ(peak, 1e6) << most;
    EXPECT_EQ(samples, 10'007) << most;
  }
  EXPECT_TRUE(thinned({}, 10).empty());
}

// A file as the shell would write it.
struct File {
  std::string text;
  size_t largest = 0;
  void take(const PointWrite& write) {
    text = write.anew ? write.text : text + write.text;
    largest = std::max(largest, text.size());
  }
};

TEST(PointLog, StaysBoundedAndKeepsExtremes) {
  constexpr size_t kMost = 20'000;
  PointLog log(kMost, {});
  File file;
  for (int64_t time = 1; time <= 20'000; ++time)
    file.take(log.add(point(time, time == 77 ? -5.0 : 1.0)));
  file.take(log.flush());
  EXPECT_LE(file.largest, kMost + 1'000);  // and a line
  EXPECT_GT(file.text.size(), kMost / 4);
  std::vector<std::string> problems;
  const auto points = read_points(file.text, problems);
  EXPECT_TRUE(problems.empty());
  int64_t samples = 0;
  double least = 0;
  for (const Point& one : points) {
    samples += one.samples;
    least = std::min(least, one.loss->least);
  }
  EXPECT_EQ(samples, 20'000);
  EXPECT_EQ(least, -5);
  EXPECT_EQ(points.back().step, 20'000);
}

TEST(PointLog, GoesOnWithWhatIsThere) {
  std::vector<Point> known = {point(1, 1), point(2, 1)};
  known[1].samples = 4;
  PointLog log(1'000'000, known);
  EXPECT_EQ(log.add(point(3, 1)).text, "");  // a line has four samples by now
  EXPECT_EQ(log.add(point(4, 1)).text, "");
  EXPECT_EQ(log.add(point(5, 1)).text, "");
  const PointWrite write = log.add(point(6, 1));
  EXPECT_FALSE(write.anew);
  EXPECT_EQ(point_from_json(json::parse(write.text))->samples, 4);
  EXPECT_EQ(log.flush().text, "");
}

}  // namespace
}  // namespace ballast::report
