// A simulated job whose number of workers is to be found: equal workers, each of which makes every
// step longer by as much.
#pragma once

#include "tests/policy/simulated_job.h"

namespace ballast::policy {

// Steps between half a second and a second, as scrapes every 5 s see them.
inline SimulatedOptions scaling(uint64_t seed, size_t workers, double seconds_per_worker) {
  SimulatedOptions options;
  options.seed = seed;
  options.speeds = std::vector<double>(workers, 50);
  options.newcomer_speed = 50;
  options.seconds_per_worker = seconds_per_worker;
  options.settings.worker_count.mode = Mode::kAct;
  options.settings.worker_count.most = 6;
  return options;
}

inline size_t best_count(const SimulatedJob& job, size_t most) {
  size_t best = 1;
  for (size_t k = 2; k <= most; ++k) {
    if (job.throughput_of(k) > job.throughput_of(best)) best = k;
  }
  return best;
}

}  // namespace ballast::policy
