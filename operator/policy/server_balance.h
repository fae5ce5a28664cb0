// Balance of the servers: groups of segments away from the hottest. A server's time goes with the
// bytes that it is primary of; how many seconds a byte costs is measured for each server, so that a
// slow machine ends with less, but never with none: what it costs is measured on. A pure function.
#pragma once

#include <optional>
#include <vector>

#include "operator/policy/view.h"

namespace ballast::policy {

struct ServerBalanceOptions {
  Mode mode = Mode::kAct;
  bool measured = true;      // not: by given weights, which the plan has from the beginning
  double least_gain = 0.10;  // of the load of the hottest
  double least_time = 0.05;  // and of its time: less is noise, and nobody waits for it
  double idle_below = 0.20;  // a hottest server that is this idle holds nobody up
  // Groups in one change: this share of all. A few may always move, and however many there are, no
  // more than so many.
  double most_moves_share = 0.125;
  int64_t few_moves = 8;
  int64_t most_moves = 512;
  TimeMs cool_down_ms = 60'000;
};

struct ServerBalanceState {
  std::optional<TimeMs> changed_ms;

  bool operator==(const ServerBalanceState&) const = default;
};

struct Move {
  uint32_t group = 0;
  uint32_t from = 0;     // index into JobView::servers, of the primary now
  uint32_t to = 0;       // of the primary then
  bool promote = false;  // `to` is a backup: the two change roles, and no byte is copied

  bool operator==(const Move&) const = default;
};

struct ServerBalanceOutcome {
  Decision decision;
  std::vector<Move> wish;
  ServerBalanceState next;  // once the wish is carried out
};

ServerBalanceOutcome balance_servers(const ServerBalanceOptions& options, const JobView& view,
                                     const ServerBalanceState& state, TimeMs now);

}  // namespace ballast::policy
