// The work queue with its lock: threads wait here for the next key. Any thread.
#pragma once

#include <condition_variable>
#include <optional>
#include <stop_token>
#include <string>

#include "common/clock.h"
#include "common/mutex.h"
#include "operator/core/work_queue.h"

namespace ballast::cluster {

class JobQueue {
 public:
  void add(const std::string& key);
  void add_at(const std::string& key, kube::TimeMs due_ms);  // of SteadyClock
  void add_after_failure(const std::string& key);
  void forget(const std::string& key);
  void done(const std::string& key);
  // Nothing: it was stopped.
  std::optional<std::string> wait(const std::stop_token& stop);

 private:
  const SteadyClock clock_{};
  Mutex mutex_;
  std::condition_variable_any changed_;
  kube::WorkQueue queue_ BALLAST_GUARDED_BY(mutex_);
};

}  // namespace ballast::cluster
