// How often jobs tell how far their training is. Of many jobs each tells it less often, and so do
// all where the API server is slow: there is always a next time, and what else is asked of it comes
// first. Any thread.
#pragma once

#include <atomic>
#include <cstdint>

#include "operator/core/observed.h"

namespace ballast::cluster {

// Of all jobs together.
inline constexpr int64_t kMostProgressWritesPerSecond = 20;
// On average: a write that takes a second holds up a thread for so long.
inline constexpr int64_t kProgressWritesAtOnce = 4;

class ProgressPace {
 public:
  void job_began() { ++working_; }
  void job_ended() { --working_; }
  void wrote(int64_t took_ms);  // a status, by the API server

  // Between two writes of one job.
  decide::TimeMs every_ms() const;

 private:
  std::atomic<int64_t> working_ = 0;  // jobs that are not over
  // Of the last writes, those before count ever less. In 1/1000 ms.
  std::atomic<int64_t> write_us_ = 0;
};

}  // namespace ballast::cluster
