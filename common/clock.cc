#include "common/clock.h"

#include <chrono>

#include "common/check.h"

namespace ballast {

int64_t SteadyClock::now_ms() const {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

void ManualClock::advance_ms(int64_t by_ms) {
  CHECK(by_ms >= 0);
  now_ms_ += by_ms;
}

}  // namespace ballast
