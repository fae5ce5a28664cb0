#include "operator/cmd/stall_watch.h"

#include <gtest/gtest.h>

namespace ballast::cmd {
namespace {

TEST(Gaps, TellTheLongestAndTheMedianStep) {
  Gaps gaps;
  EXPECT_EQ(gaps.longest_ms(), 0);
  EXPECT_EQ(gaps.median_step_ms(), 0);
  for (const int64_t gap : {50, 52, 400, 51}) gaps.add(gap, 1);
  EXPECT_EQ(gaps.longest_ms(), 400);
  EXPECT_EQ(gaps.median_step_ms(), 51);
}

TEST(Gaps, StepsWhoseNewsCameTogetherShareTheirTime) {
  Gaps gaps;
  gaps.add(90, 3);
  gaps.add(50, 1);
  EXPECT_EQ(gaps.longest_ms(), 90);
  EXPECT_EQ(gaps.median_step_ms(), 30);
}

TEST(StallWatch, TellsTheLongestTimeWithoutAStepAroundALoss) {
  StallWatch watch;
  for (int64_t step = 1; step <= 10; ++step) watch.committed(step, 50 * step);
  EXPECT_TRUE(watch.take().empty());
  watch.lost("ps-1");
  watch.committed(11, 560);    // it was almost done
  watch.committed(12, 1'000);  // this one had to wait
  for (int64_t step = 13; step <= 14; ++step) watch.committed(step, 1'000 + 50 * (step - 12));
  EXPECT_TRUE(watch.take().empty()) << "it is still being watched";
  watch.committed(15, 1'150);
  const auto losses = watch.take();
  ASSERT_EQ(losses.size(), 1U);
  EXPECT_EQ(losses[0].process, "ps-1");
  EXPECT_EQ(losses[0].step, 10);
  EXPECT_EQ(losses[0].stalled_ms, 440);
  EXPECT_TRUE(watch.take().empty()) << "once";
  EXPECT_EQ(watch.losses(), 1);
  EXPECT_EQ(watch.longest_ms(), 440);
}

TEST(StallWatch, WhatHappensLaterIsNotTheLosss) {
  StallWatch watch;
  watch.committed(1, 0);
  watch.lost("worker-0");
  for (int64_t step = 2; step <= 6; ++step) watch.committed(step, 10 * step);
  watch.committed(7, 5'000);
  EXPECT_EQ(watch.take().at(0).stalled_ms, 20);
  EXPECT_EQ(watch.longest_ms(), 20);
}

TEST(StallWatch, TwoLossesShareOneStall) {
  StallWatch watch;
  watch.committed(1, 0);
  watch.lost("worker-0");
  watch.lost("worker-1");
  for (int64_t step = 2; step <= 6; ++step) watch.committed(step, 100 * step);
  EXPECT_EQ(watch.take().size(), 2U);
  EXPECT_EQ(watch.losses(), 2);
}

TEST(StallWatch, ALossBeforeTheFirstStepHasNothingToMeasure) {
  StallWatch watch;
  watch.lost("ps-0");
  for (int64_t step = 1; step <= 5; ++step) watch.committed(step, 1'000 * step);
  EXPECT_EQ(watch.take().at(0).stalled_ms, 1'000);
}

}  // namespace
}  // namespace ballast::cmd
