#include "operator/core/work_queue.h"

#include <algorithm>

namespace ballast::kube {

void WorkQueue::add(const std::string& key) {
  if (!dirty_.insert(key).second) return;
  if (!in_work_.contains(key)) waiting_.push_back(key);
}

void WorkQueue::add_at(const std::string& key, TimeMs due_ms) {
  const auto [place, fresh] = due_.try_emplace(key, due_ms);
  if (!fresh) {
    if (place->second <= due_ms) return;
    by_time_.erase({place->second, key});
    place->second = due_ms;
  }
  by_time_.insert({due_ms, key});
}

void WorkQueue::add_after_failure(const std::string& key, TimeMs now_ms) {
  const int before = failures_[key]++;
  const TimeMs wait_ms =
      before > 20 ? kLongestBackOffMs : std::min(kFirstBackOffMs << before, kLongestBackOffMs);
  add_at(key, now_ms + wait_ms);
}

void WorkQueue::forget(const std::string& key) { failures_.erase(key); }

std::optional<std::string> WorkQueue::get(TimeMs now_ms) {
  while (!by_time_.empty() && by_time_.begin()->first <= now_ms) {
    const std::string key = by_time_.begin()->second;
    by_time_.erase(by_time_.begin());
    due_.erase(key);
    add(key);
  }
  if (waiting_.empty()) return std::nullopt;
  std::string key = std::move(waiting_.front());
  waiting_.pop_front();
  dirty_.erase(key);
  in_work_.insert(key);
  return key;
}

void WorkQueue::done(const std::string& key) {
  if (in_work_.erase(key) == 0) return;
  if (dirty_.contains(key)) waiting_.push_back(key);
}

std::optional<TimeMs> WorkQueue::next_due_ms() const {
  if (by_time_.empty()) return std::nullopt;
  return by_time_.begin()->first;
}

int WorkQueue::failures(const std::string& key) const {
  const auto found = failures_.find(key);
  return found == failures_.end() ? 0 : found->second;
}

}  // namespace ballast::kube
