// All policies of a job, in their order of precedence, one change at a time. The first one that
// wants to act may; the others hold until that is done. A pure function.
//
// The order, and why two that want opposite things do not meet:
//   1. memory         a process that cannot live without it; the only one that acts on a job that
//                     is not at rest, since the kill is what disturbs it
//   2. straggler      a sick machine spoils what the others measure
//   3. server count   comes before the workers': too few servers make workers look useless
//   4. worker count   comes before both balances: shares depend on who there is
//   5. server balance
//   6. worker balance the cheapest, and the one that what is above would undo
#pragma once

#include <vector>

#include "operator/policy/memory.h"
#include "operator/policy/server_balance.h"
#include "operator/policy/server_count.h"
#include "operator/policy/straggler.h"
#include "operator/policy/worker_balance.h"
#include "operator/policy/worker_count.h"

namespace ballast::policy {

struct Settings {
  MemoryOptions memory;
  StragglerOptions straggler;
  ServerCountOptions server_count;
  WorkerCountOptions worker_count;
  ServerBalanceOptions server_balance;
  WorkerBalanceOptions worker_balance;
};

// Losing it costs time and nothing else: cool-downs begin anew.
struct State {
  StragglerState straggler;
  ServerCountState server_count;
  WorkerCountState worker_count;
  ServerBalanceState server_balance;
  WorkerBalanceState worker_balance;
};

// At most one of these is there.
struct Wish {
  std::vector<MemoryWish> memory;
  std::optional<Replacement> replacement;
  std::optional<int64_t> servers;
  std::optional<int64_t> workers;
  std::vector<Move> moves;
  std::optional<Shares> shares;

  bool empty() const {
    return memory.empty() && !replacement && !servers && !workers && moves.empty() && !shares;
  }
};

struct Evaluation {
  std::vector<Decision> decisions;  // one of each policy, in the order above
  Wish wish;                        // to be carried out
  State next;                       // once it is
};

Evaluation evaluate(const Settings& settings, const JobView& view, const State& state, TimeMs now);

}  // namespace ballast::policy
