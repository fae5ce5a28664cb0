// Many threads at one queue: each key comes to one of them, when it is due and no later for it.
#include "operator/cluster/job_queue.h"

#include <atomic>
#include <map>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "tests/local/wait.h"

namespace ballast::cluster {
namespace {

using local::eventually;

constexpr int kThreads = 8;
constexpr kube::TimeMs kNeverMs = 600'000;  // from now

class Queue : public ::testing::Test {
 protected:
  ~Queue() override {
    for (std::jthread& thread : threads_) thread.request_stop();
  }

  // They take keys, and are done with each at once.
  void take_keys() {
    for (int i = 0; i < kThreads; ++i) {
      threads_.emplace_back([this](const std::stop_token& stop) {
        while (const auto key = queue_->wait(stop)) {
          {
            const MutexLock lock(mutex_);
            taken_[*key].push_back(clock_.now_ms());
          }
          queue_->done(*key);
        }
      });
    }
  }

  size_t taken() const {
    const MutexLock lock(mutex_);
    return taken_.size();
  }

  const SteadyClock clock_{};
  const std::shared_ptr<OperatorMetrics> metrics_ = std::make_shared<OperatorMetrics>("host");
  const std::shared_ptr<JobQueue> queue_ = std::make_shared<JobQueue>(metrics_, kThreads);
  mutable Mutex mutex_;
  std::map<std::string, std::vector<kube::TimeMs>> taken_ BALLAST_GUARDED_BY(mutex_);
  std::vector<std::jthread> threads_;  // last: they use all of the above
};

TEST_F(Queue, EachKeyIsTakenOnceAndNotTooSoon) {
  take_keys();
  std::map<std::string, kube::TimeMs> due_ms;
  for (int i = 0; i < 1'000; ++i) {
    const std::string key = "n/" + std::to_string(i);
    const kube::TimeMs now_ms = clock_.now_ms();
    if (i % 3 == 0) {
      due_ms[key] = now_ms;
      queue_->add(key);
    } else if (i % 3 == 1) {
      due_ms[key] = now_ms;
      queue_->add_new(key);
    } else {
      due_ms[key] = now_ms + i % 50;
      queue_->add_at(key, due_ms[key]);
    }
  }
  ASSERT_TRUE(eventually([&] { return taken() == 1'000; })) << taken();
  const MutexLock lock(mutex_);
  for (const auto& [key, times] : taken_) {
    EXPECT_EQ(times.size(), 1U) << key;
    EXPECT_GE(times.front(), due_ms[key]) << key;
  }
}

// Who minds a time that is far away is told of one that is near.
TEST_F(Queue, WhatIsDueSoonDoesNotWaitForWhatIsDueLate) {
  queue_->add_at("n/late", clock_.now_ms() + kNeverMs);
  take_keys();
  for (int i = 0; i < 50; ++i) {
    const std::string key = "n/" + std::to_string(i);
    queue_->add_at(key, clock_.now_ms() + 2);
    ASSERT_TRUE(eventually([&] { return taken() == static_cast<size_t>(i) + 1; })) << key;
  }
}

TEST_F(Queue, AKeyThatIsAddedWhileItIsWorkedOnComesBack) {
  queue_->add("n/j");
  std::stop_source stop;
  ASSERT_EQ(queue_->wait(stop.get_token()), "n/j");
  queue_->add("n/j");
  take_keys();
  queue_->add("n/k");
  ASSERT_TRUE(eventually([&] { return taken() == 1; })) << "nobody works on a key twice at once";
  queue_->done("n/j");
  EXPECT_TRUE(eventually([&] { return taken() == 2; }));
}

TEST_F(Queue, AStopEndsAllWhoWait) {
  take_keys();
  queue_->add("n/j");
  ASSERT_TRUE(eventually([&] { return taken() == 1; }));
  for (std::jthread& thread : threads_) thread.request_stop();
  for (std::jthread& thread : threads_) thread.join();
}

}  // namespace
}  // namespace ballast::cluster
