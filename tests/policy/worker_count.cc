// How often the number of workers changes under steady load, and what it comes to: many simulated
// jobs with noise of +-20 %, from 1 to 6 workers at the start, contention such that 2 to 6 are
// best. 20 simulated minutes to settle, then 30 that count.
//
//   bench_worker_count [JOBS]
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "tests/policy/scaling.h"

namespace ballast::policy {
namespace {

constexpr TimeMs kMinute = 60'000;

struct Seen {
  int64_t changes = 0;
  double share_of_best = 0;
};

Seen play(uint64_t seed) {
  SimulatedJob job(
      scaling(seed, 1 + static_cast<size_t>(seed % 6), Random(seed).within(0.03, 0.30)));
  job.run_for(20 * kMinute);
  const TimeMs settled = job.now();
  job.run_for(30 * kMinute);
  const auto chosen = static_cast<size_t>(job.chosen_workers());
  return {job.changes_since(settled, Policy::kWorkerCount),
          job.throughput_of(chosen) / job.throughput_of(best_count(job, 6))};
}

void tell(std::vector<Seen> seen) {
  std::printf("%zu simulated jobs, noise of +-20 %%, 30 minutes each\n", seen.size());
  for (int64_t changes = 0; changes <= 10; ++changes) {
    const auto jobs = std::count_if(seen.begin(), seen.end(),
                                    [&](const Seen& one) { return one.changes == changes; });
    if (jobs > 0) std::printf("  %2ld changes of the count: %ld jobs\n", changes, jobs);
  }
  std::sort(seen.begin(), seen.end(),
            [](const Seen& a, const Seen& b) { return a.share_of_best < b.share_of_best; });
  std::printf("  tokens/s against the best count: median %.3f, least %.3f\n",
              seen[seen.size() / 2].share_of_best, seen.front().share_of_best);
  std::printf("  most changes: %ld\n",
              std::max_element(seen.begin(), seen.end(), [](const Seen& a, const Seen& b) {
                return a.changes < b.changes;
              })->changes);
}

}  // namespace
}  // namespace ballast::policy

int main(int argc, char** argv) {
  const long jobs = argc > 1 ? std::atol(argv[1]) : 200;
  std::vector<ballast::policy::Seen> seen;
  for (long seed = 1; seed <= std::max(1L, jobs); ++seed)
    seen.push_back(ballast::policy::play(static_cast<uint64_t>(seed)));
  ballast::policy::tell(std::move(seen));
}
