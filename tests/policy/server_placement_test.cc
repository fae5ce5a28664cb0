// Balance of servers against simulated ones, of which a group costs each another time, and being
// asked at all: a throttled one answers late however little it has to do. All are waited for in
// each step. A failing case is printed by rapidcheck with the seed that reproduces it.
#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "operator/policy/server_balance.h"
#include "tests/policy/seeds.h"
#include "tests/policy/simulated_job.h"

namespace ballast::policy {
namespace {

struct SimulatedServer {
  double group_seconds = 0;  // of each step, for each group that it is primary of
  double asked_seconds = 0;  // and for having any
  uint64_t instance = 1;

  double seconds(int64_t groups) const {
    return groups == 0 ? 0 : asked_seconds + group_seconds * static_cast<double>(groups);
  }
  int64_t groups_within(double seconds) const {
    return seconds < asked_seconds
               ? 0
               : static_cast<int64_t>((seconds - asked_seconds) / group_seconds * (1 + 1e-9));
  }
};

class SimulatedPlacement {
 public:
  SimulatedPlacement(uint64_t seed, std::vector<SimulatedServer> servers, int64_t groups,
                     double computing_seconds)
      : random_(seed), servers_(std::move(servers)), computing_seconds_(computing_seconds) {
    for (int64_t i = 0; i < groups; ++i) {
      const auto primary =
          static_cast<uint32_t>(i * static_cast<int64_t>(servers_.size()) / groups);
      groups_.push_back({65'536, primary, {}});
    }
  }

  void run_for(TimeMs duration_ms) {
    for (const TimeMs end = now_ + duration_ms; now_ < end; now_ += 10'000) {
      steps_ += 10 / step_seconds();
      const JobView view = seen();
      auto outcome = balance_servers(options, view, state_, now_);
      if (outcome.wish.empty()) continue;
      RC_ASSERT(outcome.wish.size() <= most_moves());
      RC_ASSERT(!changed_ms_ || now_ - *changed_ms_ >= options.cool_down_ms);
      for (const Move& move : outcome.wish) groups_[move.group].primary = move.to;
      state_ = std::move(outcome.next);
      changed_ms_ = now_;
      ++changes;
    }
  }

  double step_seconds() const {
    double longest = 0;
    for (uint32_t i = 0; i < servers_.size(); ++i)
      longest = std::max(longest, servers_[i].seconds(groups_on(i)));
    return computing_seconds_ + longest;
  }

  // Of the placement than which there is no better one.
  double best_step_seconds() const {
    double low = 0;
    double high = std::numeric_limits<double>::max();
    for (const SimulatedServer& server : servers_)
      high = std::min(high, server.seconds(static_cast<int64_t>(groups_.size())));
    for (int i = 0; i < 60; ++i) {
      const double middle = (low + high) / 2;
      int64_t fit = 0;
      for (const SimulatedServer& server : servers_) fit += server.groups_within(middle);
      (fit >= static_cast<int64_t>(groups_.size()) ? high : low) = middle;
    }
    return computing_seconds_ + high;
  }

  int64_t groups_on(uint32_t server) const {
    return std::count_if(groups_.begin(), groups_.end(),
                         [&](const GroupView& group) { return group.primary == server; });
  }

  void live_anew(uint32_t server, SimulatedServer next) {
    next.instance = servers_[server].instance + 1;
    servers_[server] = next;
  }

  double steps() const { return steps_; }

  ServerBalanceOptions options;
  int64_t changes = 0;

 private:
  size_t most_moves() const {
    return std::max<size_t>(static_cast<size_t>(options.few_moves), groups_.size() / 8);
  }

  JobView seen() {
    JobView view;
    view.groups = groups_;
    const double step = step_seconds();
    const bool measured = !changed_ms_ || now_ - *changed_ms_ >= 10'000;
    for (uint32_t i = 0; i < servers_.size(); ++i) {
      ServerView server{"ps-" + std::to_string(i), "", std::nullopt, false, servers_[i].instance};
      const double busy = servers_[i].seconds(groups_on(i)) / step * random_.within(0.97, 1.03);
      if (measured) server.busy = std::min(1.0, busy);
      view.servers.push_back(server);
    }
    return view;
  }

  Random random_;
  std::vector<SimulatedServer> servers_;
  double computing_seconds_;
  std::vector<GroupView> groups_;
  ServerBalanceState state_;
  std::optional<TimeMs> changed_ms_;
  TimeMs now_ = 0;
  double steps_ = 0;
};

// Three ordinary servers and one that is up to a hundred times slower, and slow to answer.
SimulatedPlacement one_is_slow(uint64_t seed) {
  Random random(seed);
  const int64_t groups = 40 + random.below(80);
  const double ordinary = 0.3 / static_cast<double>(groups);
  const double times = std::exp(random.within(0, std::log(100)));
  std::vector<SimulatedServer> servers(3, {ordinary, 0.001});
  servers.push_back({ordinary * times, 0.02 * times * random.unit()});
  return SimulatedPlacement(seed, servers, groups, random.within(0, 0.1));
}

RC_GTEST_PROP(ServerPlacementSimulation, OneSlowServerIsRelievedUntilNobodyWaitsForIt, ()) {
  SimulatedPlacement job = one_is_slow(*seeds());
  job.run_for(20 * kMinute);
  RC_LOG() << job.step_seconds() << " " << job.best_step_seconds() << " groups " << job.groups_on(0)
           << " " << job.groups_on(1) << " " << job.groups_on(2) << " " << job.groups_on(3) << "\n";
  RC_ASSERT(job.step_seconds() <= 1.15 * job.best_step_seconds());
}

// Four hours, in which it may be tried again what an emptied one can do.
RC_GTEST_PROP(ServerPlacementSimulation, WhatIsPlacedWellIsLeftAlone, ()) {
  SimulatedPlacement job = one_is_slow(*seeds());
  job.run_for(20 * kMinute);
  const double steps = job.steps();
  const int64_t changes = job.changes;
  job.run_for(240 * kMinute);
  RC_LOG() << job.changes - changes << " changes, " << 240 * 60 / (job.steps() - steps) << " "
           << job.best_step_seconds() << "\n";
  RC_ASSERT(240 * 60 / (job.steps() - steps) <= 1.2 * job.best_step_seconds());
  RC_ASSERT(job.changes - changes <= 16);
}

// Its pod begins anew on a machine like the others'.
RC_GTEST_PROP(ServerPlacementSimulation, AnotherLifeOfAnEmptiedServerIsGivenItsShare, ()) {
  SimulatedPlacement job = one_is_slow(*seeds());
  job.run_for(20 * kMinute);
  job.live_anew(3, {0.3 / 120, 0.001});
  job.run_for(20 * kMinute);
  RC_ASSERT(job.step_seconds() <= 1.15 * job.best_step_seconds());
}

}  // namespace
}  // namespace ballast::policy
