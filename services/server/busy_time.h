// For how long at least one of several threads has had work in hand: a server is as loaded when its
// optimizer computes as when its event loop does, and no more so when both do. Any thread.
#pragma once

#include <cstdint>

#include "common/mutex.h"

namespace ballast {

// Microseconds of one clock that never goes back.
using TimeUs = int64_t;

class BusyTime {
 public:
  // This thread has work in hand until the object's end.
  class Work {
   public:
    explicit Work(BusyTime& busy);
    ~Work();
    Work(const Work&) = delete;
    Work& operator=(const Work&) = delete;

   private:
    BusyTime& busy_;
  };

  // The same without an object, for whoever brings the time.
  void begin(TimeUs now_us);
  void end(TimeUs now_us);  // CHECKs that somebody has begun

  // Of the time since it was asked last; what is under way counts up to now.
  double take_seconds(TimeUs now_us);

 private:
  void count(TimeUs now_us) BALLAST_REQUIRES(mutex_);

  Mutex mutex_;
  int working_ BALLAST_GUARDED_BY(mutex_) = 0;
  TimeUs counted_us_ BALLAST_GUARDED_BY(mutex_) = 0;  // while somebody works: until then
  TimeUs sum_us_ BALLAST_GUARDED_BY(mutex_) = 0;
};

}  // namespace ballast
