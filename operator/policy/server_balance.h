// Balance of the servers: groups of segments away from the hottest. A server's time goes with the
// bytes that it is primary of; how many seconds a byte costs is measured for each server, so that a
// slow machine ends with less. One on which a single group still costs a step too much ends with
// none, and how slow it was is remembered, since nothing is left to measure it by. A pure function.
#pragma once

#include <map>
#include <optional>
#include <string>
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
  // What is remembered of an emptied server's slowness halves in this time, twice that once it was
  // emptied again, and so on: at last it is tried again, the sooner the less slow it was.
  TimeMs slowness_halves_ms = 1'800'000;
  TimeMs slowness_halves_at_most_ms = 14'400'000;
};

// A server that was too slow for even one group.
struct EmptiedServer {
  uint64_t instance = 0;  // another life is another server
  double slowness = 1;    // what a byte cost there, over the median of the others
  TimeMs at_ms = 0;
  TimeMs halves_ms = 0;

  bool operator==(const EmptiedServer&) const = default;
};

struct ServerBalanceState {
  std::optional<TimeMs> changed_ms;
  std::map<std::string, EmptiedServer> emptied;  // by name

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
