#include "services/server/busy_time.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "common/check.h"

namespace ballast {
namespace {

TimeUs steady_now_us() {
  return std::chrono::duration_cast<std::chrono::microseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

}  // namespace

BusyTime::Work::Work(BusyTime& busy) : busy_(busy) { busy_.begin(steady_now_us()); }
BusyTime::Work::~Work() { busy_.end(steady_now_us()); }

// Threads read the clock before they get the lock: a time may come that is a little too early.
void BusyTime::count(TimeUs now_us) {
  if (working_ > 0) sum_us_ += std::max<TimeUs>(0, now_us - counted_us_);
  counted_us_ = std::max(counted_us_, now_us);
}

void BusyTime::begin(TimeUs now_us) {
  const MutexLock lock(mutex_);
  count(now_us);
  ++working_;
}

void BusyTime::end(TimeUs now_us) {
  const MutexLock lock(mutex_);
  CHECK(working_ > 0);
  count(now_us);
  --working_;
}

double BusyTime::take_seconds(TimeUs now_us) {
  const MutexLock lock(mutex_);
  count(now_us);
  return static_cast<double>(std::exchange(sum_us_, 0)) * 1e-6;
}

}  // namespace ballast
