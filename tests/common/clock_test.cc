#include "common/clock.h"

#include <gtest/gtest.h>

namespace ballast {
namespace {

TEST(Clock, SteadyClockNeverGoesBack) {
  const SteadyClock clock;
  int64_t last_ms = clock.now_ms();
  for (int i = 0; i < 1000; ++i) {
    const int64_t now_ms = clock.now_ms();
    ASSERT_GE(now_ms, last_ms);
    last_ms = now_ms;
  }
}

TEST(Clock, ManualClockMovesOnlyWhenTold) {
  ManualClock clock(100);
  EXPECT_EQ(clock.now_ms(), 100);
  clock.advance_ms(7 * 24 * 3600 * 1000LL);
  EXPECT_EQ(clock.now_ms(), 100 + 7 * 24 * 3600 * 1000LL);
}

TEST(ClockDeathTest, ManualClockRefusesToGoBack) {
  ManualClock clock;
  EXPECT_DEATH(clock.advance_ms(-1), "CHECK failed");
}

}  // namespace
}  // namespace ballast
