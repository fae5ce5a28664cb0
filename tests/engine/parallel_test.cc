#include "services/engine/parallel.h"

#include <gtest/gtest.h>

namespace ballast {
namespace {

TEST(ThreadPool, RunsEachTaskOnce) {
  for (const size_t threads : {1u, 2u, 4u}) {
    ThreadPool pool(threads);
    EXPECT_EQ(pool.threads(), threads);
    for (size_t count = 0; count < 200; ++count) {
      std::vector<int> calls(count, 0);
      pool.run(count, [&](size_t i) { ++calls[i]; });
      EXPECT_EQ(calls, std::vector<int>(count, 1));
    }
  }
}

TEST(ThreadPool, ManyShortJobsDoNotMixUp) {
  ThreadPool pool(4);
  for (int round = 0; round < 5000; ++round) {
    // On the stack: a thread that touched a job that is over would write into the next one.
    int values[8] = {};
    pool.run(8, [&](size_t i) { values[i] = round; });
    for (const int value : values) {
      ASSERT_EQ(value, round);
    }
  }
}

TEST(ThreadPool, RangesTouchAndCover) {
  ThreadPool pool(3);
  for (const size_t count : {0u, 1u, 9u, 10u, 11u, 100u}) {
    std::vector<int> calls(count, 0);
    pool.run_ranges(count, 10, [&](size_t begin, size_t end) {
      ASSERT_EQ(begin % 10, 0u);
      ASSERT_LE(end - begin, 10u);
      for (size_t i = begin; i < end; ++i) {
        ++calls[i];
      }
    });
    EXPECT_EQ(calls, std::vector<int>(count, 1));
  }
}

TEST(ThreadPool, SharesWorkOut) {
  ThreadPool pool(2);
  std::atomic<int> inside{0};
  // Both tasks must be inside at once, or neither returns.
  pool.run(2, [&](size_t) {
    ++inside;
    while (inside < 2) {
      std::this_thread::yield();
    }
  });
  EXPECT_EQ(inside, 2);
}

}  // namespace
}  // namespace ballast
