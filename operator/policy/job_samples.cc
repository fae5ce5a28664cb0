#include "operator/policy/job_samples.h"

#include <algorithm>
#include <cmath>

namespace ballast::policy {
namespace {

enum SeriesIndex : size_t { kMicrobatches, kCompute, kBusy, kTokens };

}  // namespace

std::vector<scrape::Series> wanted_series() {
  return {{.name = "ballast_worker_microbatches_total", .labels = {}},
          {.name = "ballast_worker_time_seconds_total", .labels = {{"part", "compute"}}},
          {.name = "ballast_busy_seconds_total", .labels = {}},
          {.name = "ballast_tokens_total", .labels = {}}};
}

void measure_workers(const scrape::History& history, const SampleWindows& windows, TimeMs now,
                     std::vector<WorkerView>& workers) {
  for (WorkerView& worker : workers) {
    const auto speed = [&](TimeMs window_ms) {
      return history.ratio(worker.name, kMicrobatches, kCompute, window_ms, now).value;
    };
    const auto recent = speed(windows.recent_ms);
    const auto longer = speed(windows.long_ms);
    const bool changed = recent && longer && std::abs(*recent / *longer - 1) > windows.other_load;
    worker.speed = longer && recent && !changed ? longer : recent;
    if (worker.speed && !(*worker.speed > 0)) worker.speed.reset();
    worker.busy_seconds = history.rate(worker.name, kCompute, windows.recent_ms, now).value;
    worker.joining = worker.joining && !worker.speed;
  }
}

void measure_servers(const scrape::History& history, const SampleWindows& windows, TimeMs now,
                     std::vector<ServerView>& servers) {
  for (ServerView& server : servers) {
    server.busy = history.rate(server.name, kBusy, windows.long_ms, now).value;
    if (!server.busy) server.busy = history.rate(server.name, kBusy, windows.recent_ms, now).value;
    // Clocks of two machines never agree to the last digit.
    if (server.busy) server.busy = std::clamp(*server.busy, 0.0, 1.0);
    server.joining = server.joining && !server.busy;
  }
}

std::optional<ThroughputSample> measure_throughput(const scrape::History& history,
                                                   const std::vector<ServerView>& servers,
                                                   TimeMs window_ms, TimeMs now) {
  double sum = 0;
  for (const ServerView& server : servers) {
    const auto rate = history.rate(server.name, kTokens, window_ms, now).value;
    if (!rate) return std::nullopt;
    sum += *rate;
  }
  if (servers.empty()) return std::nullopt;
  return ThroughputSample{now, sum};
}

}  // namespace ballast::policy
