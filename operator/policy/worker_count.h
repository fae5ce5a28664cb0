// The number of workers, by what one more really brings. It climbs: tries more, measures, keeps
// them when each brought enough of what a worker brings on average, else goes back and leaves it at
// that for a long time; then the same downwards. CPU says nothing about that and is not asked. A
// pure function.
//
// Throughput is judged by means over a time in which nothing changed; when the difference lies
// within twice its standard error, it measures on, up to a limit.
#pragma once

#include <map>
#include <optional>

#include "operator/policy/view.h"

namespace ballast::policy {

struct WorkerCountOptions {
  Mode mode = Mode::kOff;
  int64_t least = 1;
  int64_t most = 1;
  double least_marginal = 0.05;  // that one more brings, of the mean throughput of a worker
  double let_go_below = 0.5;  // of that: who brings so little is let go; between the two, neither
  TimeMs settle_ms = 10'000;  // after a change, nothing is measured for so long
  int64_t least_samples = 3;
  int64_t most_samples = 30;
  TimeMs fresh_ms = 15'000;  // the newest sample must not be older
  // Until what did not pay is tried again; doubles each time. Once both directions have been tried,
  // it lies between any two trials: so there are at most two changes in that time.
  TimeMs retry_ms = 1'800'000;
  TimeMs longest_retry_ms = 14'400'000;
  double other_load = 0.4;  // a throughput that differs by this much is another load: all is new
};

struct WorkerCountState {
  int64_t count = 0;  // the workers that there are
  TimeMs since_ms = 0;
  std::optional<int64_t> from;       // a trial: what there was before
  double from_throughput = 0;        // tokens a second
  double from_error = 0;             // its standard error
  std::optional<double> throughput;  // at `count`, when it was last judged
  TimeMs no_more_until_ms = 0;       // trying more has not paid
  TimeMs no_fewer_until_ms = 0;
  TimeMs more_retry_ms = 0;
  TimeMs fewer_retry_ms = 0;
  int64_t stride = 2;
  bool settled = false;  // both directions have been tried: from here on one trial at a time

  bool operator==(const WorkerCountState&) const = default;
};

struct WorkerCountOutcome {
  Decision decision;
  std::optional<int64_t> wish;
  WorkerCountState seen;  // in any case
  WorkerCountState next;  // once the wish is carried out
};

WorkerCountOutcome count_workers(const WorkerCountOptions& options, const JobView& view,
                                 const WorkerCountState& state, TimeMs now);

}  // namespace ballast::policy
