#include "operator/policy/job_samples.h"

#include <algorithm>
#include <cmath>

namespace ballast::policy {
namespace {

enum SeriesIndex : size_t { kMicrobatches, kCompute, kBusy, kTokens, kAssigned, kPrimaries, kHeld };

// A count; nothing where it is none.
std::optional<int64_t> whole(const std::optional<double>& value) {
  if (!value || *value < 0 || *value > 1e9) return std::nullopt;
  return static_cast<int64_t>(std::llround(*value));
}

// Sums over the first pieces, so that the mean and the noise of any range cost nothing.
struct Sums {
  double of = 0;
  double per = 0;
  double squares = 0;  // of of^2 / per

  Sums operator-(const Sums& other) const {
    return {of - other.of, per - other.per, squares - other.squares};
  }
  double mean() const { return of / per; }
  double residual() const { return std::max(0.0, squares - of * of / per); }
};

// Where the mean changed the most, as an index of the first piece after it; nothing: nowhere by
// enough. At least two pieces on each side.
std::optional<size_t> last_change(const std::vector<scrape::Growth>& pieces,
                                  const SampleWindows& windows) {
  std::vector<Sums> sums = {{}};
  for (const scrape::Growth& piece : pieces) {
    const Sums& so_far = sums.back();
    sums.push_back({so_far.of + piece.of, so_far.per + piece.per,
                    so_far.squares + piece.of * piece.of / piece.per});
  }
  std::optional<size_t> at;
  double most_errors = windows.least_errors;
  for (size_t split = 2; split + 2 <= pieces.size(); ++split) {
    const Sums before = sums[split];
    const Sums after = sums.back() - before;
    const double difference = std::abs(before.mean() - after.mean());
    if (!(difference > windows.least_change * after.mean())) continue;
    const double noise = (before.residual() + after.residual()) /
                         std::max(1.0, static_cast<double>(pieces.size()) - 2);
    const double error = std::sqrt(noise * (1 / before.per + 1 / after.per));
    if (difference <= most_errors * error) continue;
    most_errors = error > 0 ? difference / error : most_errors;
    at = split;
    if (error == 0) break;
  }
  return at;
}

}  // namespace

std::optional<double> steady_mean(std::vector<scrape::Growth> pieces,
                                  const SampleWindows& windows) {
  while (const auto change = last_change(pieces, windows))
    pieces.erase(pieces.begin(), pieces.begin() + static_cast<std::ptrdiff_t>(*change));
  Sums all;
  for (const scrape::Growth& piece : pieces) {
    all.of += piece.of;
    all.per += piece.per;
  }
  if (!(all.per > 0)) return std::nullopt;
  return all.mean();
}

std::vector<scrape::Series> wanted_series() {
  return {{.name = "ballast_worker_microbatches_total", .labels = {}},
          {.name = "ballast_worker_time_seconds_total", .labels = {{"part", "compute"}}},
          {.name = "ballast_busy_seconds_total", .labels = {}},
          {.name = "ballast_tokens_total", .labels = {}},
          {.name = "ballast_worker_assigned_microbatches", .labels = {}, .counter = false},
          {.name = "ballast_primary_segments", .labels = {}, .counter = false},
          {.name = "ballast_segments", .labels = {}, .counter = false}};
}

void measure_workers(const scrape::History& history, const SampleWindows& windows, TimeMs now,
                     std::vector<WorkerView>& workers) {
  for (WorkerView& worker : workers) {
    // As much of the long window as there is, once there is enough to tell anything.
    const bool enough =
        history.rate(worker.name, kCompute, windows.recent_ms, now).value.has_value();
    worker.speed.reset();
    if (enough) {
      worker.speed = steady_mean(
          history.growth(worker.name, kMicrobatches, kCompute, windows.steady_ms, now), windows);
    }
    if (worker.speed && !(*worker.speed > 0)) worker.speed.reset();
    worker.busy_seconds = history.rate(worker.name, kCompute, windows.recent_ms, now).value;
    worker.joining = worker.joining && !worker.speed;
  }
}

std::optional<int64_t> assigned_microbatches(const scrape::History& history,
                                             const std::string& worker, TimeMs now) {
  return whole(history.latest(worker, kAssigned, now).value);
}

std::optional<int64_t> primary_segments(const scrape::History& history, const std::string& server,
                                        TimeMs now) {
  return whole(history.latest(server, kPrimaries, now).value);
}

std::optional<int64_t> held_segments(const scrape::History& history, const std::string& server,
                                     TimeMs now) {
  return whole(history.latest(server, kHeld, now).value);
}

void measure_servers(const scrape::History& history, const SampleWindows& windows, TimeMs now,
                     const std::map<std::string, SegmentCount>& counts,
                     std::vector<ServerView>& servers) {
  for (ServerView& server : servers) {
    const auto known = counts.find(server.name);
    const TimeMs for_ms = known == counts.end() ? 0 : now - known->second.since_ms;
    server.busy.reset();
    if (for_ms >= windows.recent_ms) {
      const TimeMs window_ms = std::min(for_ms, windows.long_ms);
      server.busy = history.rate(server.name, kBusy, window_ms, now).value;
    }
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
