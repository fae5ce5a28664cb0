#include "operator/cluster/job_queue.h"

#include <algorithm>
#include <chrono>

namespace ballast::cluster {
namespace {

constexpr kube::TimeMs kLongestWaitMs = 1'000;

double seconds(kube::TimeMs ms) { return static_cast<double>(std::max<kube::TimeMs>(ms, 0)) / 1e3; }

}  // namespace

void JobQueue::changed() {
  metrics_->queue_depth.Set(static_cast<double>(queue_.waiting()));
  wake_one();
}

// If there is something for anybody.
void JobQueue::wake_one() {
  if (queue_.waiting() > 0 && asleep_ > 0) return sleep_.notify_one();
  const auto due_ms = queue_.next_due_ms();
  const bool sooner = minded_until_ms_ && due_ms && *due_ms < *minded_until_ms_;
  if (minded_until_ms_ && (queue_.waiting() > 0 || sooner)) time_.notify_one();
}

void JobQueue::add(const std::string& key) {
  const MutexLock lock(mutex_);
  const size_t before = queue_.waiting();
  queue_.add(key, clock_.now_ms());
  if (queue_.waiting() > before) metrics_->queue_adds.Increment();
  changed();
}

void JobQueue::add_new(const std::string& key) {
  const MutexLock lock(mutex_);
  const size_t before = queue_.waiting();
  queue_.add_new(key, clock_.now_ms());
  if (queue_.waiting() > before) metrics_->queue_adds.Increment();
  changed();
}

void JobQueue::add_at(const std::string& key, kube::TimeMs due_ms) {
  const MutexLock lock(mutex_);
  queue_.add_at(key, due_ms);
  wake_one();
}

void JobQueue::add_after_failure(const std::string& key) {
  const MutexLock lock(mutex_);
  queue_.add_after_failure(key, clock_.now_ms());
  metrics_->queue_retries.Increment();
  wake_one();
}

void JobQueue::forget(const std::string& key) {
  const MutexLock lock(mutex_);
  queue_.forget(key);
}

void JobQueue::done(const std::string& key) {
  const MutexLock lock(mutex_);
  queue_.done(key);
  changed();
}

std::optional<std::string> JobQueue::wait(const std::stop_token& stop) {
  const std::stop_callback wake(stop, [this] {
    const MutexLock lock(mutex_);
    time_.notify_all();
    sleep_.notify_all();
  });
  const MutexLock lock(mutex_);
  while (!stop.stop_requested()) {
    if (auto key = queue_.get(clock_.now_ms())) {
      metrics_->queue_depth.Set(static_cast<double>(queue_.waiting()));
      metrics_->queue_seconds.Observe(seconds(clock_.now_ms() - queue_.waited_since_ms(*key)));
      // Somebody else minds the time now, or takes what is left.
      if (!minded_until_ms_ && asleep_ > 0) {
        sleep_.notify_one();
      } else {
        wake_one();
      }
      return key;
    }
    if (!minded_until_ms_) {
      mind_the_time();
    } else {
      ++asleep_;
      sleep_.wait_for(mutex_, std::chrono::milliseconds(kLongestWaitMs));
      --asleep_;
    }
  }
  return std::nullopt;
}

void JobQueue::mind_the_time() {
  const kube::TimeMs now_ms = clock_.now_ms();
  const kube::TimeMs due_ms = queue_.next_due_ms().value_or(now_ms + kLongestWaitMs);
  minded_until_ms_ = std::clamp<kube::TimeMs>(due_ms, now_ms + 1, now_ms + kLongestWaitMs);
  time_.wait_for(mutex_, std::chrono::milliseconds(*minded_until_ms_ - now_ms));
  minded_until_ms_.reset();
}

kube::TimeMs JobQueue::longest_work_ms() const {
  const MutexLock lock(mutex_);
  const auto oldest_ms = queue_.oldest_work_ms();
  return oldest_ms ? clock_.now_ms() - *oldest_ms : 0;
}

}  // namespace ballast::cluster
