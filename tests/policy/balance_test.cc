// Shares, and balance of workers and servers: tables.
#include <numeric>

#include <gtest/gtest.h>

#include "operator/policy/apportion.h"
#include "operator/policy/server_balance.h"
#include "operator/policy/straggler.h"
#include "operator/policy/worker_balance.h"

namespace ballast::policy {
namespace {

using Counts = std::vector<int64_t>;

TEST(Apportion, BestSharesFollowSpeed) {
  EXPECT_EQ(best_shares(8, {1, 1}), (Counts{4, 4}));
  EXPECT_EQ(best_shares(8, {3, 1}), (Counts{6, 2}));
  EXPECT_EQ(best_shares(9, {2, 1}), (Counts{6, 3}));
  EXPECT_EQ(best_shares(4, {1000, 1}), (Counts{3, 1}));
  EXPECT_EQ(best_shares(2, {1, 2, 3}), (Counts{0, 1, 1}));
  EXPECT_EQ(best_shares(8, {}), Counts{});
}

TEST(Apportion, MovesAreTheFewestThatReachTheGoal) {
  EXPECT_EQ(nearer_shares(8, {4, 4}, {3, 1}, 0.01, 64), (Counts{6, 2}));
  EXPECT_EQ(nearer_shares(8, {4, 4}, {3, 1}, 0.01, 1), (Counts{5, 3}));
  EXPECT_EQ(nearer_shares(8, {5, 3}, {1, 1}, 0.30, 64), (Counts{5, 3}));
  EXPECT_EQ(nearer_shares(8, {4, 2}, {1, 1}, 0.01, 64), (Counts{4, 4}));
  EXPECT_EQ(nearer_shares(8, {8, 0}, {1, 0.01}, 0.01, 64), (Counts{7, 1}));
  // Fewer than workers: the fastest have one each.
  EXPECT_EQ(nearer_shares(2, {1, 0, 1}, {1, 2, 10}, 0.01, 64), (Counts{0, 1, 1}));
  EXPECT_EQ(nearer_shares(4, {2, 0, 0, 2, 0, 0}, {0.1, 0.2, 0.2, 0.2, 0.2, 0.5}, 0.01, 64),
            (Counts{0, 1, 1, 1, 0, 1}));
  EXPECT_EQ(moves_between({4, 4}, {6, 2}), 2);
}

JobView two_workers(int64_t first, int64_t second, std::optional<double> first_speed,
                    std::optional<double> second_speed) {
  JobView view;
  view.microbatches = first + second;
  view.workers = {{.name = "a",
                   .node = "n1",
                   .microbatches = first,
                   .speed = first_speed,
                   .busy_seconds = first_speed,
                   .joining = false},
                  {.name = "b",
                   .node = "n2",
                   .microbatches = second,
                   .speed = second_speed,
                   .busy_seconds = second_speed,
                   .joining = false}};
  view.wanted_workers = 2;
  return view;
}

std::string reason(const WorkerBalanceOptions& options, const JobView& view) {
  return balance_workers(options, view, {}, 0).decision.reason;
}

TEST(WorkerBalance, EveryReasonToHold) {
  const JobView good = two_workers(4, 4, 3, 1);
  EXPECT_EQ(reason({}, good), "SpeedsDiffer");
  EXPECT_EQ(reason({.mode = Mode::kOff}, good), "Off");
  EXPECT_EQ(reason({}, JobView{}), "NoWorkers");
  EXPECT_EQ(reason({}, two_workers(4, 4, 3, std::nullopt)), "PartialSamples");
  EXPECT_EQ(reason({}, two_workers(6, 2, 3, 1)), "Balanced");
  JobView unsettled = good;
  unsettled.unsettled = "FailingOver";
  EXPECT_EQ(reason({}, unsettled), "FailingOver");
  JobView contradictory = good;
  contradictory.microbatches = 7;
  EXPECT_EQ(reason({}, contradictory), "ContradictorySamples");
  JobView young = two_workers(4, 4, std::nullopt, std::nullopt);
  for (WorkerView& worker : young.workers) worker.joining = true;
  EXPECT_EQ(reason({}, young), "NoSamples");
  const WorkerBalanceState changed = {0, {"a", "b"}, 1};
  EXPECT_EQ(balance_workers({}, good, changed, 19'999).decision.reason, "CoolDown");
  EXPECT_EQ(balance_workers({}, good, changed, 20'000).decision.reason, "SpeedsDiffer");
}

TEST(WorkerBalance, ANewcomerIsTakenForAnOrdinaryWorker) {
  JobView view = two_workers(8, 0, 2, std::nullopt);
  view.workers[1].joining = true;
  const auto outcome = balance_workers({}, view, {}, 0);
  ASSERT_TRUE(outcome.wish);
  EXPECT_EQ(outcome.wish->counts, (Counts{4, 4}));
}

TEST(WorkerBalance, TheOtherMethods) {
  const auto wish = [](BalanceMethod method, const JobView& view, int64_t changes = 0) {
    const WorkerBalanceState state = {std::nullopt, {"a", "b", "c"}, changes};
    const auto outcome = balance_workers({.method = method}, view, state, 0);
    return outcome.wish ? outcome.wish->counts : Counts{};
  };
  JobView view = two_workers(8, 0, 0.9, 0.3);
  view.workers.push_back(
      {.name = "c", .node = "n3", .microbatches = 0, .speed = 1.0, .busy_seconds = 0.5});
  EXPECT_EQ(wish(BalanceMethod::kStatic, view), (Counts{3, 3, 2}));
  EXPECT_EQ(wish(BalanceMethod::kRoundRobin, view, 1), (Counts{2, 3, 3}));
  view.workers[2].weight = 6;
  EXPECT_EQ(wish(BalanceMethod::kWeighted, view), (Counts{1, 1, 6}));
  view.workers[1].priority = 1;
  view.workers[1].capacity = 5;
  EXPECT_EQ(wish(BalanceMethod::kPriority, view), (Counts{2, 5, 1}));
  EXPECT_EQ(wish(BalanceMethod::kLeastLoaded, view), (Counts{3, 3, 2}));
  for (WorkerView& worker : view.workers) worker.microbatches = 3;
  view.workers[2].microbatches = 2;
  EXPECT_EQ(wish(BalanceMethod::kLeastLoaded, view), (Counts{2, 4, 2}));
}

TEST(Straggler, IsToldThenReplacedAndRecovers) {
  const StragglerOptions options = {.mode = Mode::kAct};
  JobView view = two_workers(4, 4, 10, 4);
  StragglerState state;
  const auto at = [&](TimeMs now) {
    auto outcome = find_straggler(options, view, state, now);
    state = outcome.seen;
    return outcome;
  };
  EXPECT_EQ(at(0).decision.reason, "NotForLong");
  EXPECT_EQ(at(59'999).decision.reason, "NotForLong");
  EXPECT_EQ(at(60'000).decision.action, Action::kTell);
  view.workers[1].speed = 6;  // better, not well
  EXPECT_EQ(at(120'000).decision.action, Action::kTell);
  const auto replaced = at(300'000);
  ASSERT_TRUE(replaced.wish);
  EXPECT_EQ(*replaced.wish, (Replacement{"b", "n2"}));
  state = replaced.next;
  EXPECT_EQ(at(301'000).decision.reason, "NoStraggler");  // 6 of 10 is not slow to begin with
  view.workers[1].speed = 4;
  at(302'000);
  EXPECT_EQ(at(899'000).decision.reason, "Straggler");  // the last replacement is too near
  EXPECT_EQ(at(900'000).decision.reason, "StragglerForLong");
  view.workers[1].speed.reset();
  EXPECT_EQ(at(901'000).decision.reason, "PartialSamples");
}

JobView two_servers(double first_busy, double second_busy) {
  JobView view;
  view.servers = {{"ps-0", "n1", first_busy, false}, {"ps-1", "n2", second_busy, false}};
  view.wanted_servers = 2;
  for (int i = 0; i < 8; ++i) view.groups.push_back({100, i < 4 ? 0u : 1u, {}});
  return view;
}

TEST(ServerBalance, ASlowMachineEndsWithLess) {
  const auto outcome = balance_servers({}, two_servers(0.9, 0.3), {}, 0);
  ASSERT_EQ(outcome.wish.size(), 2u);  // 2 x 0.225 beside 6 x 0.075
  for (const Move& move : outcome.wish) EXPECT_EQ(move.to, 1u);
  EXPECT_EQ(outcome.decision.reason, "HotServer");
}

TEST(ServerBalance, OneGroupIsMeasuredBeforeAServerIsEmptied) {
  const auto outcome = balance_servers({}, two_servers(1, 0.001), {}, 0);
  EXPECT_EQ(outcome.wish.size(), 3u);  // of four
  EXPECT_TRUE(outcome.next.emptied.empty());
}

// Three servers, of which the first is primary of one group only.
JobView one_group_on_the_first(double first_busy, double others_busy) {
  JobView view = two_servers(first_busy, others_busy);
  view.servers.push_back({"ps-2", "n3", others_busy, false});
  view.servers[0].instance = 7;
  for (uint32_t i = 0; i < 8; ++i) view.groups[i].primary = i == 0 ? 0 : 1 + i % 2;
  return view;
}

TEST(ServerBalance, AServerTooSlowForOneGroupIsEmptied) {
  const auto outcome = balance_servers({}, one_group_on_the_first(0.9, 0.08), {}, 5);
  EXPECT_EQ(outcome.wish, (std::vector<Move>{{0, 0, 2, false}}));  // where it costs less
  ASSERT_EQ(outcome.next.emptied.count("ps-0"), 1u);
  const EmptiedServer& emptied = outcome.next.emptied.at("ps-0");
  EXPECT_EQ(emptied.instance, 7u);
  EXPECT_NEAR(emptied.slowness, 0.9 / (0.08 / 3), 1e-9);
  EXPECT_EQ(emptied.at_ms, 5);
  EXPECT_EQ(emptied.halves_ms, 1'800'000);
  const auto again =
      balance_servers({}, one_group_on_the_first(0.9, 0.08), outcome.next, 3'600'000);
  EXPECT_EQ(again.next.emptied.at("ps-0").halves_ms, 3'600'000);
  EXPECT_NE(outcome.decision.message.find("ps-0 is too slow for any"), std::string::npos)
      << outcome.decision.message;
  // 0.83 instead of 0.9 is too little for that.
  EXPECT_EQ(balance_servers({}, one_group_on_the_first(0.9, 0.66), {}, 5).decision.reason,
            "Balanced");
}

TEST(ServerBalance, AnEmptiedServerIsTriedAgainOnlyWhenItsSlownessIsForgottenOrItLivesAnew) {
  JobView view = one_group_on_the_first(0.001, 0.9);
  view.groups[0].primary = 2;
  for (int i = 0; i < 24; ++i) view.groups.push_back({100, 1 + static_cast<uint32_t>(i % 2), {}});
  constexpr TimeMs kHalves = 1'000'000;
  ServerBalanceState state;
  state.emptied["ps-0"] = {7, 64, 0, kHalves};
  const auto moved_at = [&](TimeMs now) {
    return balance_servers({}, view, state, now).wish.size();
  };
  EXPECT_EQ(moved_at(0), 0u);
  EXPECT_EQ(moved_at(2 * kHalves), 0u);  // 16 times as slow: one group is as much as another's all
  EXPECT_EQ(moved_at(6 * kHalves), 8u);
  view.servers[0].instance = 8;
  EXPECT_EQ(moved_at(0), 8u);
}

// However many segments there are: a bound that did not grow with them would take hours.
TEST(ServerBalance, AnEighthOfAllMovesInOneChange) {
  JobView view = two_servers(1, 0.01);
  for (int i = 0; i < 392; ++i) view.groups.push_back({100, static_cast<uint32_t>(i % 2), {}});
  EXPECT_EQ(balance_servers({}, view, {}, 0).wish.size(), 50u);
}

TEST(ServerBalance, ABackupIsPromotedBeforeAnythingIsCopied) {
  JobView view = two_servers(0.9, 0.3);
  view.servers.push_back({"ps-2", "n3", 0.3, false});
  view.groups.resize(4);
  view.groups.push_back({100, 1, {}});
  view.groups.push_back({100, 2, {}});
  view.groups[3].backups = {2};
  const auto outcome = balance_servers({}, view, {}, 0);
  ASSERT_FALSE(outcome.wish.empty());
  EXPECT_EQ(outcome.wish[0], (Move{3, 0, 2, true}));
}

TEST(ServerBalance, NoNodeHoldsTwoReplicas) {
  JobView view = two_servers(0.9, 0.3);
  view.servers.push_back({"ps-2", "n2", 0.5, false});
  for (GroupView& group : view.groups) group.backups = {2};
  EXPECT_TRUE(balance_servers({}, view, {}, 0).decision.reason == "HotServer");
  for (const Move& move : balance_servers({}, view, {}, 0).wish)
    EXPECT_FALSE(move.from == 0 && move.to == 1);
}

TEST(ServerBalance, EveryReasonToHold) {
  const auto reason_of = [](const JobView& view, const ServerBalanceState& state = {}) {
    return balance_servers({}, view, state, 59'999).decision.reason;
  };
  EXPECT_EQ(reason_of(two_servers(0.5, 0.5)), "Balanced");
  EXPECT_EQ(reason_of(two_servers(0.22, 0.17)), "Balanced") << "less than anybody waits for";
  EXPECT_EQ(reason_of(two_servers(0.15, 0.01)), "Idle");
  EXPECT_EQ(reason_of(two_servers(0.9, 0.3), {0, {}}), "CoolDown");
  JobView view = two_servers(0.9, 0.3);
  view.servers[1].busy.reset();
  EXPECT_EQ(reason_of(view), "PartialSamples");
  view = two_servers(0.9, 0.3);
  view.groups[0].primary = 9;
  EXPECT_EQ(reason_of(view), "ContradictorySamples");
  view.servers.pop_back();
  EXPECT_EQ(reason_of(view), "OneServer");
  EXPECT_EQ(balance_servers({.measured = false}, two_servers(0.9, 0.3), {}, 0).decision.reason,
            "Weighted");
}

}  // namespace
}  // namespace ballast::policy
