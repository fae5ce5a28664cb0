// Which keys must be looked at, with the meaning of client-go's work queue: a key that is added
// many times waits once; one that is added while somebody works on it comes back when that is done;
// nobody ever works on a key twice at once. Later and repeated work waits by key. Keys that are new
// to everybody have lines of their own, one for each namespace, which take turns: one job is begun
// at once, however many others came just before it in its own namespace or elsewhere; no line and
// no end of it waits for ever. Keys are "namespace/name". Pure; the shell brings the lock and the
// time.
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
  // While keys of both kinds wait, at most `new_at_once` new ones are worked on at once (at least
  // one): beginning a job is many requests, and what runs must be looked after meanwhile. Who works
  // alone takes both kinds by turns.
  explicit WorkQueue(size_t new_at_once = 1) : new_at_once_(new_at_once) {}

  void add(const std::string& key, TimeMs now_ms = 0);
  void add_new(const std::string& key, TimeMs now_ms);
  void add_at(const std::string& key, TimeMs due_ms);  // the earliest of several counts
  // After a failure: each in a row doubles the wait.
  void add_after_failure(const std::string& key, TimeMs now_ms);
  void forget(const std::string& key);  // its failures

  // The next key; from then on it is worked on until done(). A new one comes from the namespace
  // whose turn it is, by turns the one that came last and the one that waited longest; of the
  // others it is the one that waited longest.
  std::optional<std::string> get(TimeMs now_ms);
  void done(const std::string& key);

  // Of a key that is worked on: when it began to wait.
  TimeMs waited_since_ms(const std::string& key) const;
  // When the work began that is under way for the longest time.
  std::optional<TimeMs> oldest_work_ms() const;

  // When a key becomes due that is not yet: get() may have something then.
  std::optional<TimeMs> next_due_ms() const;
  size_t waiting() const { return waiting_.size() + new_waiting_; }
  size_t in_work() const { return in_work_.size(); }
  size_t delayed() const { return due_.size(); }
  int failures(const std::string& key) const;

 private:
  struct Work {
    TimeMs waited_since_ms = 0;
    TimeMs begun_ms = 0;
    bool is_new = false;
  };
  // New keys of one namespace.
  struct Line {
    std::deque<std::string> keys;  // at least one
    bool newest_is_next = true;    // of the two ends
  };
  std::string take_new();

  std::deque<std::string> waiting_;
  std::map<std::string, Line, std::less<>> new_;  // waiting, too, by namespace
  std::deque<std::string> turns_;                 // of those namespaces
  size_t new_waiting_ = 0;
  size_t new_at_once_ = 1;
  size_t new_in_work_ = 0;
  bool new_was_last_ = false;
  std::map<std::string, TimeMs> dirty_;  // since when: waiting, or to wait once its work is done
  std::map<std::string, Work> in_work_;  // between get() and done()
  std::map<std::string, TimeMs> due_;
  std::set<std::pair<TimeMs, std::string>> by_time_;  // the same, in the order of time
  std::map<std::string, int> failures_;
};

}  // namespace ballast::kube
