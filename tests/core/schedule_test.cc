// Schedules: rows of values, each formula as it stands in books, and what all of them keep.
#include "services/core/schedule.h"

#include <cmath>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace ballast {
namespace {

constexpr double kPi = 3.14159265358979323846;
constexpr ScheduleKind kConstant = ScheduleKind::kConstant;
constexpr ScheduleKind kCosine = ScheduleKind::kWarmupCosine;
constexpr ScheduleKind kLinear = ScheduleKind::kLinear;
constexpr ScheduleKind kStableDecay = ScheduleKind::kWarmupStableDecay;
constexpr ScheduleKind kRoot = ScheduleKind::kInverseSquareRoot;

TEST(LearningRate, Rows) {
  const struct {
    ScheduleSettings schedule;
    Step step;
    double expected;  // of a peak of 1
  } rows[] = {
      {{}, 0, 1},
      {{kConstant, 0, 0, 0.5}, 1000000, 1},
      {{kCosine, 10, 110, 0.1}, 0, 0.1},
      {{kCosine, 10, 110, 0.1}, 9, 1},
      {{kCosine, 10, 110, 0.1}, 10, 1},
      {{kCosine, 10, 110, 0.1}, 60, 0.55},
      {{kCosine, 10, 110, 0.1}, 110, 0.1},
      {{kCosine, 10, 110, 0.1}, 100000, 0.1},
      {{kCosine, 10, 5, 0.1}, 7, 0.8},  // a length within the warm-up
      {{kCosine, 10, 5, 0.1}, 10, 0.1},
      {{kLinear, 10, 110, 0.1}, 4, 0.5},
      {{kLinear, 10, 110, 0.1}, 10, 1},
      {{kLinear, 10, 110, 0.1}, 35, 0.775},
      {{kLinear, 10, 110, 0.1}, 110, 0.1},
      {{kLinear, 0, 100, 0}, 0, 1},
      {{kLinear, 0, 100, 0}, 99, 0.01},
      {{kLinear, 0, 0, 0.25}, 0, 0.25},
      {{kStableDecay, 10, 110, 0.1, 20}, 4, 0.5},
      {{kStableDecay, 10, 110, 0.1, 20}, 10, 1},
      {{kStableDecay, 10, 110, 0.1, 20}, 90, 1},
      {{kStableDecay, 10, 110, 0.1, 20}, 100, 0.55},
      {{kStableDecay, 10, 110, 0.1, 20}, 110, 0.1},
      {{kStableDecay, 10, 110, 0.1, 1000}, 60, 0.55},  // no more than the warm-up leaves
      {{kStableDecay, 0, 100, 0.1, 0}, 99, 1},
      {{kStableDecay, 0, 100, 0.1, 0}, 100, 0.1},
      {{kRoot, 100, 0, 0}, 49, 0.5},
      {{kRoot, 100, 0, 0}, 99, 1},
      {{kRoot, 100, 0, 0}, 399, 0.5},
      {{kRoot, 100, 0, 0.25}, 1599, 0.25},
      {{kRoot, 100, 0, 0.25}, 1000000, 0.25},
      {{kRoot, 0, 0, 0}, 0, 1},
      {{kRoot, 0, 0, 0}, 3, 0.5},
  };
  for (const auto& row : rows) {
    EXPECT_NEAR(learning_rate(row.schedule, 1.0, row.step), row.expected, 1e-15)
        << "kind " << static_cast<int>(row.schedule.kind) << " step " << row.step;
  }
}

RC_GTEST_PROP(LearningRate, FollowsTheCosineToTwelveDigits, ()) {
  const auto warmup = *rc::gen::inRange<uint64_t>(0, 1000);
  const auto length = warmup + *rc::gen::inRange<uint64_t>(1, 100000);
  const ScheduleSettings schedule{kCosine, warmup, length, 0.125};
  const auto step = *rc::gen::inRange<uint64_t>(warmup, length);
  const double progress = static_cast<double>(step - warmup) / static_cast<double>(length - warmup);
  const double expected = 0.125 + 0.875 * 0.5 * (1 + std::cos(kPi * progress));
  RC_ASSERT(std::abs(learning_rate(schedule, 1.0, step) - expected) < 1e-12);
}

ScheduleSettings any_schedule() {
  const auto kinds = static_cast<int>(kLastSchedule) + 1;
  return {.kind = static_cast<ScheduleKind>(*rc::gen::inRange(0, kinds)),
          .warmup_steps = *rc::gen::inRange<uint64_t>(0, 300),
          .length_steps = *rc::gen::inRange<uint64_t>(0, 1000),
          .min_learning_rate = *rc::gen::element(0.0, 0.125, 1.0),
          .decay_steps = *rc::gen::inRange<uint64_t>(0, 1000)};
}

RC_GTEST_PROP(LearningRate, RisesInTheWarmupAndNeverAfterIt, ()) {
  const ScheduleSettings schedule = any_schedule();
  double before = learning_rate(schedule, 1.0, 0);
  for (Step step = 1; step < 1200; ++step) {
    const double now = learning_rate(schedule, 1.0, step);
    RC_ASSERT(now >= 0.0 && now <= 1.0);
    if (step < schedule.warmup_steps) {
      RC_ASSERT(now >= before);
    } else {
      RC_ASSERT(now <= before || step == schedule.warmup_steps);
      RC_ASSERT(now >= schedule.min_learning_rate);
    }
    before = now;
  }
}

RC_GTEST_PROP(LearningRate, IsProportionalToThePeakWithoutAMinimum, ()) {
  ScheduleSettings schedule = any_schedule();
  schedule.min_learning_rate = 0;
  const auto step = *rc::gen::inRange<Step>(0, 1200);
  RC_ASSERT(learning_rate(schedule, 0.25, step) == 0.25 * learning_rate(schedule, 1.0, step));
}

}  // namespace
}  // namespace ballast
