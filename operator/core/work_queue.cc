#include "operator/core/work_queue.h"

#include <algorithm>

namespace ballast::kube {

void WorkQueue::add(const std::string& key, TimeMs now_ms) {
  if (!dirty_.try_emplace(key, now_ms).second) return;
  if (!in_work_.contains(key)) waiting_.push_back(key);
}

void WorkQueue::add_new(const std::string& key, TimeMs now_ms) {
  if (!dirty_.try_emplace(key, now_ms).second) return;
  if (!in_work_.contains(key)) new_.push_back(key);
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
    const auto [due_ms, key] = *by_time_.begin();
    by_time_.erase(by_time_.begin());
    due_.erase(key);
    add(key, due_ms);
  }
  if (waiting() == 0) return std::nullopt;
  std::string key = take_next();
  const auto since = dirty_.find(key);
  in_work_[key] = {since->second, now_ms};
  dirty_.erase(since);
  return key;
}

std::string WorkQueue::take_next() {
  const bool from_new = waiting_.empty() || (!new_.empty() && new_is_next_);
  new_is_next_ = !from_new;
  const bool newest = from_new && newest_is_next_;
  if (from_new) newest_is_next_ = !newest_is_next_;
  std::deque<std::string>& line = from_new ? new_ : waiting_;
  std::string key = std::move(newest ? line.back() : line.front());
  if (newest) {
    line.pop_back();
  } else {
    line.pop_front();
  }
  return key;
}

TimeMs WorkQueue::waited_since_ms(const std::string& key) const {
  const auto found = in_work_.find(key);
  return found == in_work_.end() ? 0 : found->second.waited_since_ms;
}

std::optional<TimeMs> WorkQueue::oldest_work_ms() const {
  std::optional<TimeMs> oldest;
  for (const auto& [key, work] : in_work_) {
    oldest = std::min(oldest.value_or(work.begun_ms), work.begun_ms);
  }
  return oldest;
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
