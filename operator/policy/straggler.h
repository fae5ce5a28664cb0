// Workers that are far slower than the others for long: told first, then to be replaced by another
// process, away from that node; one at a time. Balance has taken work off them already; this is for
// machines that are ill. A pure function.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "operator/policy/view.h"

namespace ballast::policy {

struct StragglerOptions {
  Mode mode = Mode::kRecommend;
  double slower_than = 0.5;   // of the median of the others
  double recovered_at = 0.7;  // it must come back up to this to count as recovered
  TimeMs tell_after_ms = 60'000;
  TimeMs replace_after_ms = 300'000;
  TimeMs cool_down_ms = 600'000;  // between two replacements
};

struct StragglerState {
  std::map<std::string, TimeMs> slow_since_ms;
  std::optional<TimeMs> replaced_ms;

  bool operator==(const StragglerState&) const = default;
};

struct Replacement {
  std::string worker;
  std::string avoid_node;

  bool operator==(const Replacement&) const = default;
};

struct StragglerOutcome {
  Decision decision;
  std::optional<Replacement> wish;
  StragglerState seen;  // in any case
  StragglerState next;  // once the wish is carried out
};

StragglerOutcome find_straggler(const StragglerOptions& options, const JobView& view,
                                const StragglerState& state, TimeMs now);

}  // namespace ballast::policy
