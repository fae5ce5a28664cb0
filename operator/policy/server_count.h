// The number of servers, by their load: more when they are busy most of the time for long, fewer
// when the rest would still be idle enough. Never fewer than replication needs. A pure function.
#pragma once

#include <optional>

#include "operator/policy/view.h"

namespace ballast::policy {

struct ServerCountOptions {
  Mode mode = Mode::kOff;
  int64_t least = 1;
  int64_t most = 1;
  double more_above = 0.75;   // mean share of the time in which servers are busy
  double fewer_below = 0.45;  // what it would be with one fewer
  TimeMs more_after_ms = 120'000;
  TimeMs fewer_after_ms = 600'000;
  TimeMs cool_down_ms = 300'000;
};

struct ServerCountState {
  std::optional<TimeMs> high_since_ms;
  std::optional<TimeMs> low_since_ms;
  std::optional<TimeMs> changed_ms;

  bool operator==(const ServerCountState&) const = default;
};

struct ServerCountOutcome {
  Decision decision;
  std::optional<int64_t> wish;
  ServerCountState seen;  // in any case
  ServerCountState next;  // once the wish is carried out
};

ServerCountOutcome count_servers(const ServerCountOptions& options, const JobView& view,
                                 const ServerCountState& state, TimeMs now);

}  // namespace ballast::policy
