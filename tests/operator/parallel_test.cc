#include "operator/cluster/parallel.h"

#include <atomic>
#include <future>
#include <latch>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>

namespace ballast::cluster {
namespace {

TEST(Parallel, DoesEachItemOnce) {
  Parallel parallel(8);
  Mutex mutex;
  std::multiset<size_t> done;
  EXPECT_TRUE(parallel.for_each(1000, [&](size_t i) -> Result<void> {
    const MutexLock lock(mutex);
    done.insert(i);
    return {};
  }));
  EXPECT_EQ(done.size(), 1000U);
  EXPECT_EQ(std::set<size_t>(done.begin(), done.end()).size(), 1000U);
}

TEST(Parallel, TheCallerHasSomethingElseToDoMeanwhile) {
  Parallel parallel(1);
  std::promise<void> begun;
  std::promise<void> seen;
  bool told = false;
  const auto item = [&](size_t) -> Result<void> {
    begun.set_value();
    seen.get_future().wait();
    return {};
  };
  const auto meanwhile = [&] {
    begun.get_future().wait();
    seen.set_value();
    told = true;
  };
  EXPECT_TRUE(parallel.for_each(1, item, {"", 1, meanwhile}));
  EXPECT_TRUE(told);
}

TEST(Parallel, AnEmptyBatchIsDone) {
  Parallel parallel(1);
  EXPECT_TRUE(
      parallel.for_each(0, [](size_t) -> Result<void> { return fail(ErrorCode::kInternal, ""); }));
}

TEST(Parallel, BeginsNothingMoreAfterAnError) {
  Parallel parallel(8);
  std::atomic<int> begun = 0;
  const auto result = parallel.for_each(1000, [&](size_t i) -> Result<void> {
    ++begun;
    return fail(ErrorCode::kDenied, "item " + std::to_string(i));
  });
  ASSERT_FALSE(result);
  EXPECT_THAT(result.error().message, ::testing::StartsWith("item "));
  EXPECT_LE(begun, static_cast<int>(kFirstAtOnce)) << "few are tried before one has succeeded";
}

TEST(Parallel, BeginsWithAsManyAsItIsTold) {
  Parallel parallel(8);
  std::atomic<int> begun = 0;
  const auto refuse = [&](size_t) -> Result<void> {
    ++begun;
    return fail(ErrorCode::kDenied, "no");
  };
  EXPECT_FALSE(parallel.for_each(1000, refuse, {"", kCarefullyAtOnce, {}}));
  EXPECT_EQ(begun, 1);
}

TEST(Parallel, DoesNoMoreAtOnceThanThereAreThreads) {
  Parallel parallel(4);
  std::atomic<int> now = 0, most = 0;
  ASSERT_TRUE(parallel.for_each(200, [&](size_t) -> Result<void> {
    const int here = ++now;
    int before = most;
    while (before < here && !most.compare_exchange_weak(before, here)) {
    }
    --now;
    return {};
  }));
  EXPECT_LE(most, 4);
}

// The large batch goes on until the small one, which came later, is done.
TEST(Parallel, ASmallBatchDoesNotWaitForALargeOne) {
  Parallel parallel(2);
  std::atomic<bool> large_begun = false, small_done = false;
  std::jthread large([&] {
    const auto ended = parallel.for_each(size_t{1} << 40, [&](size_t) -> Result<void> {
      large_begun = true;
      if (small_done) return fail(ErrorCode::kInternal, "enough");
      return {};
    });
    EXPECT_FALSE(ended);
  });
  while (!large_begun) std::this_thread::yield();
  EXPECT_TRUE(parallel.for_each(3, [](size_t) -> Result<void> { return {}; }));
  small_done = true;
}

// One thread; while it is held, five batches of one group line up, and then one of another.
TEST(Parallel, GroupsTakeTurns) {
  constexpr size_t kItems = 4;
  constexpr int kMany = 5;
  Parallel parallel(1);
  std::promise<void> release;
  std::promise<void> held;
  std::jthread holder([&] {
    EXPECT_TRUE(parallel.for_each(1, [&](size_t) -> Result<void> {
      held.set_value();
      release.get_future().wait();
      return {};
    }));
  });
  held.get_future().wait();
  Mutex mutex;
  std::string order;
  std::vector<std::jthread> callers;
  const auto bring = [&](const std::string& group) {
    const auto in_line = std::make_shared<std::promise<void>>();
    callers.emplace_back([&, group, in_line] {
      const auto item = [&](size_t) -> Result<void> {
        const MutexLock lock(mutex);
        order += group;
        return {};
      };
      EXPECT_TRUE(
          parallel.for_each(kItems, item, {group, kItems, [in_line] { in_line->set_value(); }}));
    });
    in_line->get_future().wait();
  };
  for (int i = 0; i < kMany; ++i) bring("a");
  bring("b");
  release.set_value();
  callers.clear();
  EXPECT_EQ(order, "abababab" + std::string((kMany - 1) * kItems, 'a'));
}

// Four threads and two groups: while one item of b is under way, two of a are and no more; when b
// has ended, four are, of the same batch.
TEST(Parallel, AGroupHasNoMoreThanItsShareUnderWay) {
  constexpr int kAtOnce = 4, kShare = 2;
  Parallel parallel(kAtOnce);
  std::promise<void> held;
  std::promise<void> release;
  std::jthread other([&] {
    const auto item = [&](size_t) -> Result<void> {
      held.set_value();
      release.get_future().wait();
      return {};
    };
    EXPECT_TRUE(parallel.for_each(1, item, {"b", 1, {}}));
  });
  held.get_future().wait();
  std::latch both(kShare);
  std::atomic<int> now = 0, most = 0;
  const auto count = [&](size_t i) -> Result<void> {
    const int here = ++now;
    int before = most;
    while (before < here && !most.compare_exchange_weak(before, here)) {
    }
    if (i < kShare) both.arrive_and_wait();
    std::this_thread::yield();
    --now;
    return {};
  };
  EXPECT_TRUE(parallel.for_each(2'000, count, {"a", kAtOnce, {}}));
  EXPECT_EQ(most, kShare);
  std::latch all(kAtOnce);
  std::promise<void> begun;
  const auto meet = [&](size_t i) -> Result<void> {
    if (i == 0) begun.set_value();
    all.arrive_and_wait();
    return {};
  };
  std::jthread waiting([&] { EXPECT_TRUE(parallel.for_each(kAtOnce, meet, {"a", kAtOnce, {}})); });
  begun.get_future().wait();
  release.set_value();
}

// What the caller does meanwhile is no item: it has no share.
TEST(Parallel, ABatchThatIsOverTakesNothingFromOthers) {
  constexpr int kAtOnce = 4;
  Parallel parallel(kAtOnce);
  const auto nothing = [](size_t) -> Result<void> { return {}; };
  std::latch all(kAtOnce);
  const auto meet = [&](size_t) -> Result<void> {
    all.arrive_and_wait();
    return {};
  };
  const auto meanwhile = [&] { EXPECT_TRUE(parallel.for_each(kAtOnce, meet, {"a", kAtOnce, {}})); };
  EXPECT_TRUE(parallel.for_each(0, nothing, {"b", 1, meanwhile}));
}

}  // namespace
}  // namespace ballast::cluster
