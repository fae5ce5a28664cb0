// The load of a server: time in which anything was done, and never more than there was.
#include "services/server/busy_time.h"

#include <chrono>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace ballast {
namespace {

constexpr TimeUs kSecond = 1'000'000;

TEST(BusyTime, WorkOfTwoThreadsAtOnceCountsOnce) {
  BusyTime busy;
  busy.begin(1 * kSecond);
  busy.begin(2 * kSecond);
  busy.end(3 * kSecond);
  busy.end(5 * kSecond);
  busy.begin(8 * kSecond);
  busy.end(9 * kSecond);
  EXPECT_DOUBLE_EQ(busy.take_seconds(10 * kSecond), 5);
  EXPECT_DOUBLE_EQ(busy.take_seconds(11 * kSecond), 0);
}

TEST(BusyTime, WorkThatIsUnderWayCountsAsFarAsItIs) {
  BusyTime busy;
  busy.begin(1 * kSecond);
  EXPECT_DOUBLE_EQ(busy.take_seconds(3 * kSecond), 2);
  EXPECT_DOUBLE_EQ(busy.take_seconds(4 * kSecond), 1);
  busy.end(6 * kSecond);
  EXPECT_DOUBLE_EQ(busy.take_seconds(9 * kSecond), 2);
}

TEST(BusyTime, ATimeThatComesLateTakesNothingBack) {
  BusyTime busy;
  busy.begin(2 * kSecond);
  busy.begin(1 * kSecond);  // it read the clock before the other, and got the lock after
  busy.end(3 * kSecond);
  busy.end(4 * kSecond);
  EXPECT_DOUBLE_EQ(busy.take_seconds(5 * kSecond), 2);
}

TEST(BusyTime, ThreadsNeverCountMoreThanThereWas) {
  BusyTime busy;
  const auto begin = std::chrono::steady_clock::now();
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&busy] {
        for (int turn = 0; turn < 10'000; ++turn) const BusyTime::Work work(busy);
      });
    }
  }
  const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - begin;
  const double counted = busy.take_seconds(std::chrono::duration_cast<std::chrono::microseconds>(
                                               std::chrono::steady_clock::now().time_since_epoch())
                                               .count());
  EXPECT_GT(counted, 0);
  EXPECT_LE(counted, passed.count() + 1e-3);
}

TEST(BusyTimeDeathTest, AnEndWithoutABeginningIsAnError) {
  BusyTime busy;
  EXPECT_DEATH(busy.end(1), "working_ > 0");
}

}  // namespace
}  // namespace ballast
