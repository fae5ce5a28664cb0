#include "operator/cmd/stall_watch.h"

#include <algorithm>
#include <utility>

namespace ballast::cmd {
namespace {

// A step that was almost done needs nobody; the one after it may wait.
constexpr int kCommitsToWatch = 5;

}  // namespace

void Gaps::add(int64_t gap_ms, int64_t steps) {
  longest_ms_ = std::max(longest_ms_, gap_ms);
  const double step_ms = static_cast<double>(gap_ms) / static_cast<double>(steps);
  steps_ms_.insert(steps_ms_.end(), static_cast<size_t>(steps), step_ms);
}

double Gaps::median_step_ms() const {
  if (steps_ms_.empty()) return 0;
  std::vector<double> sorted = steps_ms_;
  std::sort(sorted.begin(), sorted.end());
  return sorted[(sorted.size() - 1) / 2];
}

void StallWatch::committed(int64_t step, int64_t now_ms) {
  step_ = step;
  for (Open& open : open_) {
    if (open.commits == kCommitsToWatch) continue;
    if (last_ms_) open.loss.stalled_ms = std::max(open.loss.stalled_ms, now_ms - *last_ms_);
    ++open.commits;
    longest_ms_ = std::max(longest_ms_, open.loss.stalled_ms);
  }
  last_ms_ = now_ms;
}

void StallWatch::lost(std::string process) {
  ++losses_;
  open_.push_back({{std::move(process), step_, 0}, 0});
}

std::vector<Loss> StallWatch::take() {
  std::vector<Loss> over;
  std::erase_if(open_, [&](const Open& open) {
    if (open.commits < kCommitsToWatch) return false;
    over.push_back(open.loss);
    return true;
  });
  return over;
}

}  // namespace ballast::cmd
