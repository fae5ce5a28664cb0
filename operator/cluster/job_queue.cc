#include "operator/cluster/job_queue.h"

#include <algorithm>
#include <chrono>

namespace ballast::cluster {
namespace {

constexpr kube::TimeMs kLongestWaitMs = 1'000;

}  // namespace

void JobQueue::add(const std::string& key) {
  const MutexLock lock(mutex_);
  queue_.add(key);
  changed_.notify_one();
}

void JobQueue::add_at(const std::string& key, kube::TimeMs due_ms) {
  const MutexLock lock(mutex_);
  queue_.add_at(key, due_ms);
  changed_.notify_one();
}

void JobQueue::add_after_failure(const std::string& key) {
  const MutexLock lock(mutex_);
  queue_.add_after_failure(key, clock_.now_ms());
  changed_.notify_one();
}

void JobQueue::forget(const std::string& key) {
  const MutexLock lock(mutex_);
  queue_.forget(key);
}

void JobQueue::done(const std::string& key) {
  const MutexLock lock(mutex_);
  queue_.done(key);
  changed_.notify_one();
}

std::optional<std::string> JobQueue::wait(const std::stop_token& stop) {
  const MutexLock lock(mutex_);
  while (!stop.stop_requested()) {
    if (auto key = queue_.get(clock_.now_ms())) return key;
    const kube::TimeMs now_ms = clock_.now_ms();
    const kube::TimeMs due_ms = queue_.next_due_ms().value_or(now_ms + kLongestWaitMs);
    const kube::TimeMs wait_ms = std::clamp<kube::TimeMs>(due_ms - now_ms, 1, kLongestWaitMs);
    changed_.wait_for(mutex_, std::chrono::milliseconds(wait_ms));
  }
  return std::nullopt;
}

}  // namespace ballast::cluster
