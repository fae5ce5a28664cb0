// From samples over time to what policies see: which metrics they ask for, and how a speed comes of
// them. Speed is microbatches a second of computing, not of the clock: in synchronous training all
// workers take equally long for a step. Pure functions.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "operator/policy/view.h"
#include "operator/scrape/history.h"

namespace ballast::policy {

struct SampleWindows {
  TimeMs recent_ms = 15'000;
  TimeMs long_ms = 120'000;
  TimeMs steady_ms = 240'000;  // of a speed, as long as it does not change
  // A speed is the mean since it last changed: by more than this share, and by more than so many of
  // the standard errors that its own noise makes likely.
  double least_change = 0.10;
  double least_errors = 6;
};

// What a History must keep so that the functions below find it.
std::vector<scrape::Series> wanted_series();

// The mean of pieces (of / per) since it last changed. What was before a change says nothing of
// now, and mixed with it would look like a speed that nobody has.
std::optional<double> steady_mean(std::vector<scrape::Growth> pieces, const SampleWindows& windows);

// Sets speed and busy_seconds where they are soundly known. A worker that has a speed is no longer
// joining; whether one without is, the caller knows by its age.
void measure_workers(const scrape::History& history, const SampleWindows& windows, TimeMs now,
                     std::vector<WorkerView>& workers);

// Microbatches that a worker has now, segments that a server is primary of, and holds in all.
std::optional<int64_t> assigned_microbatches(const scrape::History& history,
                                             const std::string& worker, TimeMs now);
std::optional<int64_t> primary_segments(const scrape::History& history, const std::string& server,
                                        TimeMs now);

std::optional<int64_t> held_segments(const scrape::History& history, const std::string& server,
                                     TimeMs now);

// Of how many segments a server has been primary, how many it has held in all, and since when.
struct SegmentCount {
  int64_t primaries = 0;
  int64_t held = 0;
  TimeMs since_ms = 0;
};

// How busy servers are since each holds as much as it does now, at most over the long window: a
// mean over what was before, too, would be the load of no placement. `counts` by name.
void measure_servers(const scrape::History& history, const SampleWindows& windows, TimeMs now,
                     const std::map<std::string, SegmentCount>& counts,
                     std::vector<ServerView>& servers);

// Of the last `window_ms`; nothing where a server has no sound sample of it.
std::optional<ThroughputSample> measure_throughput(const scrape::History& history,
                                                   const std::vector<ServerView>& servers,
                                                   TimeMs window_ms, TimeMs now);

}  // namespace ballast::policy
