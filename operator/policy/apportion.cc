#include "operator/policy/apportion.h"

#include <algorithm>

#include "common/check.h"

namespace ballast::policy {
namespace {

double seconds(int64_t count, double speed) { return static_cast<double>(count) / speed; }

// Who would be done first with one more.
size_t next_receiver(const std::vector<int64_t>& counts, const std::vector<double>& speeds) {
  size_t best = 0;
  for (size_t i = 1; i < counts.size(); ++i) {
    if (seconds(counts[i] + 1, speeds[i]) < seconds(counts[best] + 1, speeds[best])) best = i;
  }
  return best;
}

// The slowest of those with at least so many; the number of workers: there is none.
size_t slowest(const std::vector<int64_t>& counts, const std::vector<double>& speeds,
               int64_t least) {
  size_t worst = counts.size();
  for (size_t i = 0; i < counts.size(); ++i) {
    if (counts[i] < least) continue;
    if (worst == counts.size() ||
        seconds(counts[i], speeds[i]) > seconds(counts[worst], speeds[worst]))
      worst = i;
  }
  return worst;
}

// The fastest of those without any; the number of workers: there is none.
size_t fastest_idle(const std::vector<int64_t>& counts, const std::vector<double>& speeds) {
  size_t best = counts.size();
  for (size_t i = 0; i < counts.size(); ++i) {
    if (counts[i] == 0 && (best == counts.size() || speeds[i] > speeds[best])) best = i;
  }
  return best;
}

void hand_out(int64_t rest, std::vector<int64_t>& counts, const std::vector<double>& speeds) {
  // A worker without work cannot be measured: those come first, the fastest before the others.
  for (; rest > 0; --rest) {
    const size_t idle = fastest_idle(counts, speeds);
    ++counts[idle < counts.size() ? idle : next_receiver(counts, speeds)];
  }
}

}  // namespace

double step_seconds(const std::vector<int64_t>& counts, const std::vector<double>& speeds) {
  double longest = 0;
  for (size_t i = 0; i < counts.size(); ++i)
    longest = std::max(longest, seconds(counts[i], speeds[i]));
  return longest;
}

std::vector<int64_t> best_shares(int64_t total, const std::vector<double>& speeds) {
  std::vector<int64_t> counts(speeds.size(), 0);
  if (!counts.empty()) hand_out(total, counts, speeds);
  return counts;
}

std::vector<int64_t> nearer_shares(int64_t total, std::vector<int64_t> counts,
                                   const std::vector<double>& speeds, double tolerance,
                                   int64_t most_moves) {
  CHECK(counts.size() == speeds.size());
  if (counts.empty()) return counts;
  int64_t rest = total;
  for (const int64_t count : counts) rest -= count;
  CHECK(rest >= 0);
  hand_out(rest, counts, speeds);
  const double enough = step_seconds(best_shares(total, speeds), speeds) * (1 + tolerance);
  for (int64_t moves = 0; moves < most_moves; ++moves) {
    const size_t none = counts.size();
    size_t to = fastest_idle(counts, speeds);
    size_t from = slowest(counts, speeds, 2);  // who has one keeps it to be measured
    if (to == none || from == none) {
      if (step_seconds(counts, speeds) <= enough) break;
      from = slowest(counts, speeds, 1);
      if (to == none) {
        to = next_receiver(counts, speeds);
        if (to == from || counts[from] == 1) break;
      } else if (speeds[to] <= speeds[from]) {  // as few as workers: the fastest have them
        break;
      }
    }
    ++counts[to];
    --counts[from];
  }
  return counts;
}

int64_t moves_between(const std::vector<int64_t>& before, const std::vector<int64_t>& after) {
  int64_t moves = 0;
  for (size_t i = 0; i < after.size(); ++i) {
    const int64_t had = i < before.size() ? before[i] : 0;
    moves += std::max<int64_t>(0, after[i] - had);
  }
  return moves;
}

}  // namespace ballast::policy
