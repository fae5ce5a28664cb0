// Which keys must be looked at, with the meaning of client-go's work queue: a key that is added
// many times waits once; one that is added while somebody works on it comes back when that is done;
// nobody ever works on a key twice at once. Later and repeated work waits by key. Pure; the shell
// brings the lock and the time.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>

namespace ballast::kube {

using TimeMs = int64_t;

inline constexpr TimeMs kFirstBackOffMs = 5;
inline constexpr TimeMs kLongestBackOffMs = 60'000;

class WorkQueue {
 public:
  void add(const std::string& key);
  void add_at(const std::string& key, TimeMs due_ms);  // the earliest of several counts
  // After a failure: each in a row doubles the wait.
  void add_after_failure(const std::string& key, TimeMs now_ms);
  void forget(const std::string& key);  // its failures

  // The key that waited longest; from then on it is worked on until done().
  std::optional<std::string> get(TimeMs now_ms);
  void done(const std::string& key);

  // When a key becomes due that is not yet: get() may have something then.
  std::optional<TimeMs> next_due_ms() const;
  size_t waiting() const { return waiting_.size(); }
  size_t in_work() const { return in_work_.size(); }
  size_t delayed() const { return due_.size(); }
  int failures(const std::string& key) const;

 private:
  std::deque<std::string> waiting_;
  std::set<std::string> dirty_;    // waiting, or to wait once the work on it is done
  std::set<std::string> in_work_;  // between get() and done()
  std::map<std::string, TimeMs> due_;
  std::set<std::pair<TimeMs, std::string>> by_time_;  // the same, in the order of time
  std::map<std::string, int> failures_;
};

}  // namespace ballast::kube
