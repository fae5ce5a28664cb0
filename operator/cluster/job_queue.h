// The work queue with its lock: threads wait here for the next key. Of those who wait one minds the
// time, and all others sleep until there is something for them: a key that becomes due wakes one
// thread, and not all. Any thread.
#pragma once

#include <algorithm>
#include <condition_variable>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "common/clock.h"
#include "common/mutex.h"
#include "operator/cluster/operator_metrics.h"
#include "operator/core/work_queue.h"

namespace ballast::cluster {

class JobQueue {
 public:
  // `threads` wait for keys: three of four for new ones, where there are such.
  JobQueue(std::shared_ptr<OperatorMetrics> metrics, int threads)
      : metrics_(std::move(metrics)),
        queue_(static_cast<size_t>(std::max(1, threads - (threads + 3) / 4))) {}

  void add(const std::string& key);
  void add_new(const std::string& key);                      // one that nobody has looked after yet
  void add_at(const std::string& key, kube::TimeMs due_ms);  // of SteadyClock
  void add_after_failure(const std::string& key);
  void forget(const std::string& key);
  void done(const std::string& key);
  // Nothing: it was stopped.
  std::optional<std::string> wait(const std::stop_token& stop);

  // How long the work takes that is under way for the longest time.
  kube::TimeMs longest_work_ms() const;

 private:
  void changed() BALLAST_REQUIRES(mutex_);
  void wake_one() BALLAST_REQUIRES(mutex_);
  void mind_the_time() BALLAST_REQUIRES(mutex_);

  const SteadyClock clock_{};
  const std::shared_ptr<OperatorMetrics> metrics_;
  mutable Mutex mutex_;
  std::condition_variable_any time_;   // the one who minds it waits here
  std::condition_variable_any sleep_;  // and the others here
  kube::WorkQueue queue_ BALLAST_GUARDED_BY(mutex_);
  std::optional<kube::TimeMs> minded_until_ms_ BALLAST_GUARDED_BY(mutex_);  // nothing: by nobody
  int asleep_ BALLAST_GUARDED_BY(mutex_) = 0;
};

}  // namespace ballast::cluster
