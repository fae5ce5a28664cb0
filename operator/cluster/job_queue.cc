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
  changed_.notify_one();
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
  changed_.notify_one();
}

void JobQueue::add_after_failure(const std::string& key) {
  const MutexLock lock(mutex_);
  queue_.add_after_failure(key, clock_.now_ms());
  metrics_->queue_retries.Increment();
  changed_.notify_one();
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
    changed_.notify_all();
  });
  const MutexLock lock(mutex_);
  while (!stop.stop_requested()) {
    if (auto key = queue_.get(clock_.now_ms())) {
      metrics_->queue_depth.Set(static_cast<double>(queue_.waiting()));
      metrics_->queue_seconds.Observe(seconds(clock_.now_ms() - queue_.waited_since_ms(*key)));
      return key;
    }
    const kube::TimeMs now_ms = clock_.now_ms();
    const kube::TimeMs due_ms = queue_.next_due_ms().value_or(now_ms + kLongestWaitMs);
    const kube::TimeMs wait_ms = std::clamp<kube::TimeMs>(due_ms - now_ms, 1, kLongestWaitMs);
    changed_.wait_for(mutex_, std::chrono::milliseconds(wait_ms));
  }
  return std::nullopt;
}

kube::TimeMs JobQueue::longest_work_ms() const {
  const MutexLock lock(mutex_);
  const auto oldest_ms = queue_.oldest_work_ms();
  return oldest_ms ? clock_.now_ms() - *oldest_ms : 0;
}

}  // namespace ballast::cluster
