#include "common/mutex.h"

#include <chrono>
#include <condition_variable>
#include <deque>
#include <thread>

#include <gtest/gtest.h>

namespace ballast {
namespace {

// The shape that the header shows: a queue with one reader.
class Queue {
 public:
  void push(int value) {
    const MutexLock lock(mutex_);
    values_.push_back(value);
    changed_.notify_one();
  }
  int pop() {
    const MutexLock lock(mutex_);
    while (values_.empty()) changed_.wait_for(mutex_, std::chrono::seconds(10));
    const int value = values_.front();
    values_.pop_front();
    return value;
  }

 private:
  Mutex mutex_;
  std::deque<int> values_ BALLAST_GUARDED_BY(mutex_);
  std::condition_variable_any changed_;
};

TEST(Mutex, GuardsAQueueBetweenThreads) {
  Queue queue;
  std::jthread writer([&] {
    for (int i = 0; i < 1000; ++i) queue.push(i);
  });
  for (int i = 0; i < 1000; ++i) ASSERT_EQ(queue.pop(), i);
}

TEST(Mutex, TryLockFailsWhileItIsHeld) {
  Mutex mutex;
  const MutexLock lock(mutex);
  bool taken = false;
  std::jthread([&] {
    if (mutex.try_lock()) {
      taken = true;
      mutex.unlock();
    }
  }).join();
  EXPECT_FALSE(taken);
}

}  // namespace
}  // namespace ballast
