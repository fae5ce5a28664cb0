#include "operator/core/work_queue.h"

#include <algorithm>
#include <utility>

namespace ballast::kube {

void WorkQueue::add(const std::string& key, TimeMs now_ms) {
  if (!dirty_.try_emplace(key, now_ms).second) return;
  if (!in_work_.contains(key)) waiting_.push_back(key);
}

void WorkQueue::add_new(const std::string& key, TimeMs now_ms) {
  if (!dirty_.try_emplace(key, now_ms).second) return;
  if (in_work_.contains(key)) return;
  const std::string name_space = key.substr(0, key.find('/'));
  const auto [line, first] = new_.try_emplace(name_space);
  if (first) turns_.push_back(name_space);
  line->second.keys.push_back(key);
  ++new_waiting_;
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
  const bool others_turn = in_work_.empty() && new_was_last_;
  const bool from_new =
      waiting_.empty() || (new_waiting_ > 0 && new_in_work_ < new_at_once_ && !others_turn);
  new_was_last_ = from_new;
  std::string key = from_new ? take_new() : std::move(waiting_.front());
  if (!from_new) waiting_.pop_front();
  const auto since = dirty_.find(key);
  in_work_[key] = {since->second, now_ms, from_new};
  if (from_new) ++new_in_work_;
  dirty_.erase(since);
  return key;
}

std::string WorkQueue::take_new() {
  std::string name_space = std::move(turns_.front());
  turns_.pop_front();
  const auto found = new_.find(name_space);
  Line& line = found->second;
  const bool newest = std::exchange(line.newest_is_next, !line.newest_is_next);
  std::string key = std::move(newest ? line.keys.back() : line.keys.front());
  if (newest) {
    line.keys.pop_back();
  } else {
    line.keys.pop_front();
  }
  --new_waiting_;
  if (line.keys.empty()) {
    new_.erase(found);
  } else {
    turns_.push_back(std::move(name_space));
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
  const auto work = in_work_.find(key);
  if (work == in_work_.end()) return;
  if (work->second.is_new) --new_in_work_;
  in_work_.erase(work);
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
