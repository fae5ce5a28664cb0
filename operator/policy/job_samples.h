// From samples over time to what policies see: which metrics they ask for, and how a speed comes of
// them. Speed is microbatches a second of computing, not of the clock: in synchronous training all
// workers take equally long for a step. Pure functions.
#pragma once

#include <optional>
#include <vector>

#include "operator/policy/view.h"
#include "operator/scrape/history.h"

namespace ballast::policy {

struct SampleWindows {
  TimeMs recent_ms = 15'000;
  TimeMs long_ms = 120'000;
  // Where the recent speed differs from the long one by more than this, the load has changed, and
  // the recent one counts; otherwise it is noise, and the long one does.
  double other_load = 1.0 / 3;
};

// What a History must keep so that the functions below find it.
std::vector<scrape::Series> wanted_series();

// Sets speed and busy_seconds where they are soundly known. A worker that has a speed is no longer
// joining; whether one without is, the caller knows by its age.
void measure_workers(const scrape::History& history, const SampleWindows& windows, TimeMs now,
                     std::vector<WorkerView>& workers);

void measure_servers(const scrape::History& history, const SampleWindows& windows, TimeMs now,
                     std::vector<ServerView>& servers);

// Of the last `window_ms`; nothing where a server has no sound sample of it.
std::optional<ThroughputSample> measure_throughput(const scrape::History& history,
                                                   const std::vector<ServerView>& servers,
                                                   TimeMs window_ms, TimeMs now);

}  // namespace ballast::policy
