// Policies against simulated jobs. The faults they are to stand: noise of +-20 %, workers of
// different and changing speed, contention, lost and late samples, silent targets, workers that die
// and join. A failing case is printed by rapidcheck with the seed that reproduces it.
#include <algorithm>
#include <cmath>
#include <string>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "operator/policy/apportion.h"
#include "tests/policy/scaling.h"
#include "tests/policy/seeds.h"
#include "tests/policy/simulated_job.h"

namespace ballast::policy {
namespace {

SimulatedOptions balancing(uint64_t seed) {
  Random random(seed * 2 + 1);
  SimulatedOptions options;
  options.seed = seed;
  options.speeds.clear();
  const int64_t workers = 2 + random.below(7);
  for (int64_t i = 0; i < workers; ++i) options.speeds.push_back(random.within(20, 80));
  return options;
}

RC_GTEST_PROP(PolicySimulation, SharesComeWithinFivePercentOfTheBest, ()) {
  SimulatedJob job(balancing(*seeds()));
  job.run_for(5 * kMinute);
  RC_ASSERT(job.throughput() >= 0.95 * job.best_throughput());
}

RC_GTEST_PROP(PolicySimulation, SteadyLoadIsLeftAlone, ()) {
  SimulatedJob job(balancing(*seeds()));
  job.run_for(5 * kMinute);
  const TimeMs settled = job.now();
  job.run_for(30 * kMinute);
  RC_ASSERT(job.changes_since(settled) <= 2);
}

RC_GTEST_PROP(PolicySimulation, LostAndLateSamplesOnlyMakeItSlower, ()) {
  SimulatedOptions options = balancing(*seeds());
  options.lost = 0.2;
  options.late = 0.1;
  SimulatedJob job(options);
  job.run_for(10 * kMinute);
  RC_ASSERT(job.throughput() >= 0.92 * job.best_throughput());
  for (const auto& change : job.changes()) RC_ASSERT(change.samples_sound);
}

RC_GTEST_PROP(PolicySimulation, ChangesAreBounded, ()) {
  SimulatedOptions options = balancing(*seeds());
  options.settings.worker_balance.most_moves = 3;
  SimulatedJob job(options);
  job.run_for(5 * kMinute);
  TimeMs before = -kMinute;
  for (const auto& change : job.changes()) {
    RC_ASSERT(change.moves <= 3);
    RC_ASSERT(change.at_ms - before >= options.settings.worker_balance.cool_down_ms);
    before = change.at_ms;
  }
}

RC_GTEST_PROP(PolicySimulation, NothingIsDoneOnStaleSamples, ()) {
  SimulatedJob job(balancing(*seeds()));
  job.run_for(3 * kMinute);
  job.set_scraping(1, 0);
  job.run_for(kMinute / 3);  // until the last samples are stale
  const TimeMs blind = job.now();
  job.set_speeds(0.5);
  job.set_speed(0, 5);
  job.run_for(10 * kMinute);
  RC_ASSERT(job.changes_since(blind) == 0);
  const Decision& balance = job.decisions().back();
  RC_ASSERT(balance.action == Action::kHold && balance.reason == "PartialSamples");
  job.set_scraping(0, 0);
  job.run_for(3 * kMinute);
  RC_ASSERT(job.throughput() >= 0.92 * job.best_throughput());
}

RC_GTEST_PROP(PolicySimulation, OneSilentTargetHoldsAll, ()) {
  SimulatedJob job(balancing(*seeds()));
  job.run_for(3 * kMinute);
  job.silence(0, true);
  job.run_for(kMinute / 3);
  const TimeMs blind = job.now();
  job.set_speed(1, 5);
  job.run_for(10 * kMinute);
  RC_ASSERT(job.changes_since(blind) == 0);
  RC_ASSERT(job.decisions().back().message.find("worker-0") != std::string::npos);
}

RC_GTEST_PROP(PolicySimulation, WorkersThatDieAndComeBackFindTheirShare, ()) {
  const uint64_t seed = *seeds();
  SimulatedJob job(balancing(seed));
  Random random(seed);
  for (int i = 0; i < 3; ++i) {
    job.run_for(2 * kMinute);
    job.kill(static_cast<size_t>(random.below(static_cast<int64_t>(job.workers()))));
  }
  // The one that died last is the newcomer now: it comes to what its speed is worth.
  job.run_for(4 * kMinute);
  RC_ASSERT(job.throughput() >= 0.94 * job.best_throughput());
  RC_ASSERT(job.counts().back() > 0);
}

// A worker is throttled at some moment, whatever a step takes: from a fifth of a second to four.
RC_GTEST_PROP(PolicySimulation, AThrottledWorkerIsRelievedOnceAndForGood, ()) {
  const uint64_t seed = *seeds();
  Random random(seed);
  SimulatedOptions options;
  options.seed = seed;
  options.noise = random.within(0, 0.2);
  const double speed = std::exp(random.within(std::log(8), std::log(150)));  // 32 of a step each
  options.speeds = {speed, speed};
  SimulatedJob job(options);
  job.run_for(static_cast<TimeMs>(random.within(90, 300) * 1000));
  const TimeMs throttled = job.now();
  const int64_t before = job.counts()[0];
  job.set_speed(1, speed * random.within(0.3, 0.7));
  // Two minutes may be 30 steps, which with so much noise can be one microbatch from the best. (Of
  // 80,000 seeds the worst were 0.899 and, eight minutes later, 0.957, and 8 microbatches moved
  // back.)
  job.run_for(2 * kMinute);
  RC_ASSERT(job.throughput() >= 0.88 * job.best_throughput());
  job.run_for(8 * kMinute);
  RC_ASSERT(job.throughput() >= 0.94 * job.best_throughput());
  // It comes nearer in one direction, and does not swing back.
  int64_t moved = 0;
  for (const auto& change : job.changes()) moved += change.at_ms >= throttled ? change.moves : 0;
  RC_ASSERT(moved <= std::abs(job.counts()[0] - before) + 12);
  RC_ASSERT(job.changes_since(throttled) <= 8);
}

// A machine falls ill at some moment; its worker's next life is on another one.
RC_GTEST_PROP(PolicySimulation, AStragglerIsReplacedOnceAndNotBeforeItsTime, ()) {
  const uint64_t seed = *seeds();
  Random random(seed);
  SimulatedOptions options;
  options.seed = seed;
  options.speeds = std::vector<double>(static_cast<size_t>(2 + random.below(5)), 50);
  options.newcomer_speed = 50;
  options.settings.straggler.mode = Mode::kAct;
  SimulatedJob job(options);
  job.run_for(3 * kMinute);
  const TimeMs ill = job.now();
  job.set_speed(0, 50 * random.within(0.05, 0.4));
  job.run_for(15 * kMinute);
  RC_ASSERT(job.changes_since(0, Policy::kStraggler) == 1);
  for (const auto& change : job.changes()) {
    if (change.decision.policy != Policy::kStraggler) continue;
    RC_ASSERT(change.at_ms - ill >= options.settings.straggler.replace_after_ms);
    RC_ASSERT(change.at_ms - ill <= options.settings.straggler.replace_after_ms + 2 * kMinute);
    RC_ASSERT(change.samples_sound);
  }
  RC_ASSERT(job.throughput() >= 0.92 * job.best_throughput());
  RC_ASSERT(job.workers() == options.speeds.size());
}

// Two that are ill: one after the other, ten minutes apart.
RC_GTEST_PROP(PolicySimulation, StragglersAreReplacedOneAtATime, ()) {
  SimulatedOptions options;
  options.seed = *seeds();
  options.speeds = {50, 50, 50, 50, 50, 10, 10};
  options.newcomer_speed = 50;
  options.settings.straggler.mode = Mode::kAct;
  SimulatedJob job(options);
  job.run_for(25 * kMinute);
  std::vector<TimeMs> at;
  for (const auto& change : job.changes()) {
    if (change.decision.policy == Policy::kStraggler) at.push_back(change.at_ms);
  }
  RC_ASSERT(at.size() == 2u);
  RC_ASSERT(at[1] - at[0] >= options.settings.straggler.cool_down_ms);
}

RC_GTEST_PROP(PolicySimulation, NobodyIsReplacedForBeingSomewhatSlower, ()) {
  const uint64_t seed = *seeds();
  Random random(seed);
  SimulatedOptions options;
  options.seed = seed;
  options.speeds.clear();
  for (int64_t i = 2 + random.below(5); i > 0; --i) options.speeds.push_back(random.within(32, 55));
  options.lost = random.within(0, 0.2);
  options.settings.straggler.mode = Mode::kAct;
  SimulatedJob job(options);
  job.run_for(30 * kMinute);
  RC_ASSERT(job.changes_since(0, Policy::kStraggler) == 0);
}

// Noise makes about one search in a thousand stop early: what is promised holds for nearly all
// jobs, and what is lost otherwise is little.
RC_GTEST_PROP(PolicySimulation, TheNumberOfWorkersComesNearTheBest, ()) {
  const uint64_t first = *seeds();
  int misses = 0;
  for (uint64_t seed = first; seed < first + 25; ++seed) {
    // Contention such that 2 to 6 workers are best.
    SimulatedJob job(scaling(seed, 1, Random(seed).within(0.03, 0.30)));
    job.run_for(3 * kMinute);
    const auto best = static_cast<int64_t>(best_count(job, 6));
    const bool near = std::abs(job.chosen_workers() - best) <= 1;
    job.run_for(12 * kMinute);
    const double share = job.throughput_of(static_cast<size_t>(job.chosen_workers())) /
                         job.throughput_of(best_count(job, 6));
    RC_ASSERT(share >= 0.85);
    if (!near || share < 0.95) ++misses;
  }
  RC_ASSERT(misses <= 3);
}

RC_GTEST_PROP(PolicySimulation, TooManyWorkersBecomeFewer, ()) {
  const uint64_t seed = *seeds();
  SimulatedJob job(scaling(seed, 6, Random(seed).within(0.15, 0.40)));
  job.run_for(20 * kMinute);
  RC_ASSERT(job.throughput_of(static_cast<size_t>(job.chosen_workers())) >=
            0.95 * job.throughput_of(best_count(job, 6)));
}

RC_GTEST_PROP(PolicySimulation, UnderNoiseTheNumberOfWorkersRests, ()) {
  const uint64_t seed = *seeds();
  SimulatedJob job(
      scaling(seed, 1 + static_cast<size_t>(seed % 6), Random(seed).within(0.03, 0.30)));
  job.run_for(20 * kMinute);
  const TimeMs settled = job.now();
  job.run_for(30 * kMinute);
  RC_ASSERT(job.changes_since(settled, Policy::kWorkerCount) <= 2);
}

// Servers that share a load evenly, with noise, and are asked every five seconds.
struct ServerLoad {
  ServerLoad(uint64_t seed, double servers_worth) : random(seed), load(servers_worth) {}

  void run_for(TimeMs duration_ms) {
    for (const TimeMs end = now + duration_ms; now < end; now += 5'000) {
      JobView view;
      view.replication = 2;
      view.wanted_servers = servers;
      for (int64_t i = 0; i < servers; ++i) {
        const double busy = load / static_cast<double>(servers) * random.within(0.8, 1.2);
        view.servers.push_back({"ps-" + std::to_string(i), "", std::min(1.0, busy), false});
        if (random.unit() < lost) view.servers.back().busy.reset();
      }
      const bool whole = std::all_of(view.servers.begin(), view.servers.end(),
                                     [](const ServerView& server) { return server.busy; });
      auto outcome = count_servers(options, view, state, now);
      state = outcome.wish ? outcome.next : outcome.seen;
      if (!outcome.wish) continue;
      RC_ASSERT(whole);
      RC_ASSERT(std::abs(*outcome.wish - servers) == 1);
      servers = *outcome.wish;
      changed_ms.push_back(now);
    }
  }

  Random random;
  double load;
  double lost = 0;
  ServerCountOptions options = {.mode = Mode::kAct, .least = 1, .most = 8};
  ServerCountState state;
  int64_t servers = 2;
  TimeMs now = 0;
  std::vector<TimeMs> changed_ms;
};

RC_GTEST_PROP(PolicySimulation, TheNumberOfServersFollowsTheLoadAndRests, ()) {
  const uint64_t seed = *seeds();
  ServerLoad job(seed, Random(seed).within(0.2, 5));
  job.lost = Random(seed + 1).within(0, 0.002);
  job.run_for(120 * kMinute);
  const auto busy = [&] { return job.load / static_cast<double>(job.servers); };
  RC_ASSERT(busy() <= 0.75 * 1.25);
  RC_ASSERT(job.servers == 2 ||
            busy() * static_cast<double>(job.servers) / static_cast<double>(job.servers - 1) >=
                0.45 * 0.8);
  RC_ASSERT(job.servers >= 2);
  const size_t settled = job.changed_ms.size();
  job.run_for(30 * kMinute);
  RC_ASSERT(job.changed_ms.size() - settled <= 2u);
  for (size_t i = 1; i < job.changed_ms.size(); ++i)
    RC_ASSERT(job.changed_ms[i] - job.changed_ms[i - 1] >= job.options.cool_down_ms);
}

TEST(PolicySimulation, TheSameSeedIsTheSameRun) {
  SimulatedJob a(balancing(7));
  SimulatedJob b(balancing(7));
  a.run_for(10 * kMinute);
  b.run_for(10 * kMinute);
  EXPECT_EQ(a.counts(), b.counts());
  EXPECT_EQ(a.changes().size(), b.changes().size());
  EXPECT_GT(a.changes().size(), 0u);
}

TEST(PolicySimulation, RecommendingChangesNothing) {
  SimulatedOptions options;
  options.speeds = {20, 80};
  options.settings.worker_balance.mode = Mode::kRecommend;
  SimulatedJob job(options);
  job.run_for(5 * kMinute);
  EXPECT_TRUE(job.changes().empty());
  EXPECT_EQ(job.decisions().back().action, Action::kChange);
  EXPECT_EQ(job.decisions().back().reason, "SpeedsDiffer");
  EXPECT_FALSE(job.decisions().back().carried_out);
}

}  // namespace
}  // namespace ballast::policy
