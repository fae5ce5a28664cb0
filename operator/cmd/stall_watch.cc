#include "operator/cmd/stall_watch.h"

#include <algorithm>
#include <utility>

namespace ballast::cmd {
namespace {

// A step that was almost done needs nobody; the one after it may wait.
constexpr int kCommitsToWatch = 5;

}  // namespace

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
