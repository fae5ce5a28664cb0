#include "operator/cluster/progress_pace.h"

#include <algorithm>

namespace ballast::cluster {
namespace {

constexpr int64_t kWeight = 16;  // of the past against one write

}  // namespace

void ProgressPace::wrote(int64_t took_ms) {
  int64_t before = write_us_;
  while (!write_us_.compare_exchange_weak(before, before + (took_ms * 1'000 - before) / kWeight)) {
  }
}

decide::TimeMs ProgressPace::every_ms() const {
  return std::max({decide::kProgressEveryMs, working_ * 1'000 / kMostProgressWritesPerSecond,
                   working_ * write_us_ / 1'000 / kProgressWritesAtOnce});
}

}  // namespace ballast::cluster
