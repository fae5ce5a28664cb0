// The time behind an interface, so that shells can be tested without waiting. Milliseconds that
// never go back and mean nothing outside this process. Cores take the time as a value instead. Both
// clocks may be used from any thread.
#pragma once

#include <atomic>
#include <cstdint>

namespace ballast {

class Clock {
 public:
  virtual ~Clock() = default;
  virtual int64_t now_ms() const = 0;
};

class SteadyClock : public Clock {
 public:
  int64_t now_ms() const override;
};

// Stands still until it is told otherwise.
class ManualClock : public Clock {
 public:
  explicit ManualClock(int64_t start_ms = 0) : now_ms_(start_ms) {}
  int64_t now_ms() const override { return now_ms_.load(); }
  void advance_ms(int64_t by_ms);  // CHECKs that by_ms >= 0

 private:
  std::atomic<int64_t> now_ms_;
};

}  // namespace ballast
