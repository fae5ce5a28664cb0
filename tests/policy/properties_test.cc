// What holds for all shares, layouts and placements.
#include <algorithm>
#include <numeric>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "operator/policy/apportion.h"
#include "operator/policy/server_balance.h"

namespace ballast::policy {
namespace {

rc::Gen<std::vector<double>> some_speeds() {
  return rc::gen::nonEmpty(rc::gen::scale(
      0.08, rc::gen::container<std::vector<double>>(
                rc::gen::map(rc::gen::inRange(1, 1000), [](int speed) { return speed / 10.0; }))));
}

// Every way to share, one by one.
double least_seconds(int64_t total, const std::vector<double>& speeds, size_t from = 0) {
  if (from + 1 == speeds.size()) return static_cast<double>(total) / speeds[from];
  double least = 1e300;
  for (int64_t mine = 0; mine <= total; ++mine) {
    least = std::min(least, std::max(static_cast<double>(mine) / speeds[from],
                                     least_seconds(total - mine, speeds, from + 1)));
  }
  return least;
}

RC_GTEST_PROP(PolicyProperties, NoOtherSharesAreBetter, ()) {
  auto speeds = *some_speeds();
  speeds.resize(std::min<size_t>(speeds.size(), 3));
  // Slow ones get one nevertheless, so that they can be measured.
  for (double& speed : speeds) speed = std::max(speed, 30.0);
  const int64_t total = *rc::gen::inRange<int64_t>(12, 24);
  const auto counts = best_shares(total, speeds);
  RC_ASSERT(std::accumulate(counts.begin(), counts.end(), int64_t{0}) == total);
  RC_ASSERT(step_seconds(counts, speeds) <= least_seconds(total, speeds) * (1 + 1e-12));
}

RC_GTEST_PROP(PolicyProperties, NearerSharesAreNearAndKeepTheSum, ()) {
  const auto speeds = *some_speeds();
  const int64_t total = *rc::gen::inRange<int64_t>(1, 256);
  std::vector<int64_t> counts(speeds.size(), 0);
  for (int64_t i = 0; i < total; ++i) ++counts[*rc::gen::inRange<size_t>(0, speeds.size())];
  const auto most = *rc::gen::inRange<int64_t>(0, 300);
  const auto wish = nearer_shares(total, counts, speeds, 0.01, most);
  RC_ASSERT(std::accumulate(wish.begin(), wish.end(), int64_t{0}) == total);
  RC_ASSERT(moves_between(counts, wish) <= most);
  const double best = step_seconds(best_shares(total, speeds), speeds);
  if (most < total) return;
  RC_ASSERT(step_seconds(wish, speeds) <= best * 1.01 * (1 + 1e-12));
  const auto idle = std::count(wish.begin(), wish.end(), 0);
  RC_ASSERT(idle == std::max<int64_t>(0, static_cast<int64_t>(speeds.size()) - total));
}

RC_GTEST_PROP(PolicyProperties, ServerMovesAreBoundedAndLowerTheHighest, ()) {
  JobView view;
  const auto servers = *rc::gen::inRange<uint32_t>(2, 6);
  for (uint32_t i = 0; i < servers; ++i) {
    view.servers.push_back({"ps-" + std::to_string(i), "n" + std::to_string(i % 3),
                            *rc::gen::inRange(0, 100) / 100.0, false});
  }
  const auto groups = *rc::gen::inRange(0, 40);
  for (int i = 0; i < groups; ++i) {
    const auto primary = *rc::gen::inRange<uint32_t>(0, servers);
    view.groups.push_back({*rc::gen::inRange<uint64_t>(1, 1000), primary, {}});
    if (i % 2 == 0) view.groups.back().backups = {(primary + 1) % servers};
  }
  const auto outcome = balance_servers({}, view, {}, 0);
  RC_ASSERT(outcome.wish.size() <= 8u);
  RC_ASSERT(outcome.wish.empty() == (outcome.decision.action == Action::kHold));
  auto placed = view.groups;
  for (const Move& move : outcome.wish) {
    GroupView& group = placed[move.group];
    RC_ASSERT(group.primary == move.from && move.to != move.from);
    RC_ASSERT(move.promote == (group.backups == std::vector<uint32_t>{move.to}));
    if (move.promote) group.backups = {move.from};
    group.primary = move.to;
    RC_ASSERT((group.backups.empty() || group.backups[0] != group.primary));
  }
  for (const ServerView& server : view.servers) {
    const auto has_any = [&](const std::vector<GroupView>& all) {
      return std::any_of(all.begin(), all.end(), [&](const GroupView& group) {
        return view.servers[group.primary].name == server.name;
      });
    };
    RC_ASSERT((has_any(view.groups) && !has_any(placed)) ==
              (outcome.next.emptied.count(server.name) == 1));
  }
}

}  // namespace
}  // namespace ballast::policy
