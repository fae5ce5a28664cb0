// Whole microbatches for workers of different speed. A step takes as long as its slowest worker, so
// the best shares are those with the smallest max(count / speed); handing out one after the other
// to whoever would be done first gives exactly that. Pure functions.
#pragma once

#include <cstdint>
#include <vector>

namespace ballast::policy {

// Seconds of computing of the slowest worker. Speeds are positive.
double step_seconds(const std::vector<int64_t>& counts, const std::vector<double>& speeds);

// The best shares of `total`, each at least one where there are as many. `total` >= 0.
std::vector<int64_t> best_shares(int64_t total, const std::vector<double>& speeds);

// From the present shares (whose sum is at most `total`; what is missing is handed out first)
// toward the best: the fewest moves after which a step takes at most (1 + tolerance) times the
// best, or `most_moves` of them.
std::vector<int64_t> nearer_shares(int64_t total, std::vector<int64_t> counts,
                                   const std::vector<double>& speeds, double tolerance,
                                   int64_t most_moves);

// Microbatches that change hands between the two.
int64_t moves_between(const std::vector<int64_t>& before, const std::vector<int64_t>& after);

}  // namespace ballast::policy
