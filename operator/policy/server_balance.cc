#include "operator/policy/server_balance.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include <fmt/format.h>

namespace ballast::policy {
namespace {

bool contradictory(const JobView& view) {
  const auto unknown = [&](uint32_t server) { return server >= view.servers.size(); };
  return std::any_of(view.groups.begin(), view.groups.end(), [&](const GroupView& group) {
    return unknown(group.primary) ||
           std::any_of(group.backups.begin(), group.backups.end(), unknown);
  });
}

// The upper one of two.
double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

// The loads that a placement leads to, and the moves that lower the highest.
class Plan {
 public:
  Plan(const ServerBalanceOptions& options, const JobView& view, const ServerBalanceState& state,
       TimeMs now)
      : options_(options), view_(view), groups_(view.groups), primaries_(view.servers.size(), 0) {
    const size_t servers = view.servers.size();
    std::vector<double> bytes(servers, 0);
    for (const GroupView& group : groups_) {
      bytes[group.primary] += static_cast<double>(group.bytes);
      ++primaries_[group.primary];
    }
    at_first_ = primaries_;
    cost_.assign(servers, 0);
    std::vector<double> known;
    for (size_t i = 0; i < servers; ++i) {
      if (bytes[i] <= 0 || !view.servers[i].busy) continue;
      cost_[i] = std::max(*view.servers[i].busy, 1e-6) / bytes[i];
      known.push_back(cost_[i]);
    }
    for (size_t i = 0; i < servers; ++i) {
      if (cost_[i] == 0 && !known.empty())
        cost_[i] = median(known) * slowness(view.servers[i], state, now);
      load_.push_back(cost_[i] * bytes[i]);
    }
  }

  double highest() const { return *std::max_element(load_.begin(), load_.end()); }

  // The move that lowers the hottest the most, and does not make another as hot. A server is
  // emptied only of the one group that it was measured with, as what one costs is a guess before.
  std::optional<Move> best_move() const {
    const auto hottest =
        static_cast<uint32_t>(std::max_element(load_.begin(), load_.end()) - load_.begin());
    std::optional<Move> best;
    std::pair<double, double> best_judged;  // the highest load then; that of the taker
    const bool empties = primaries_[hottest] == 1;
    if (empties && at_first_[hottest] != 1) return std::nullopt;
    const double enough = load_[hottest] * (1 - (empties ? options_.least_gain : 0));
    for (uint32_t g = 0; g < groups_.size(); ++g) {
      if (groups_[g].primary != hottest) continue;
      for (uint32_t to = 0; to < load_.size(); ++to) {
        if (to == hottest || !allowed(groups_[g], to)) continue;
        const auto bytes = static_cast<double>(groups_[g].bytes);
        const double taken = load_[to] + cost_[to] * bytes;
        const double load = std::max(load_[hottest] - cost_[hottest] * bytes, taken);
        if (load >= enough) continue;
        const bool promote = is_backup(groups_[g], to);
        // Copies cost time of those who train: a promotion wins unless it is worse by a lot.
        const std::pair<double, double> judged{promote ? load : load * 1.02, taken};
        if (!best || judged < best_judged) {
          best_judged = judged;
          best = Move{g, hottest, to, promote};
        }
      }
    }
    return best;
  }

  void make(const Move& move) {
    GroupView& group = groups_[move.group];
    const auto bytes = static_cast<double>(group.bytes);
    load_[move.from] -= cost_[move.from] * bytes;
    load_[move.to] += cost_[move.to] * bytes;
    --primaries_[move.from];
    ++primaries_[move.to];
    group.primary = move.to;
    if (move.promote) std::replace(group.backups.begin(), group.backups.end(), move.to, move.from);
  }

  // Notes which servers are primary of nothing from now on. Their names.
  std::vector<std::string> note_emptied(std::map<std::string, EmptiedServer>& emptied,
                                        TimeMs now) const {
    std::vector<std::string> names;
    for (size_t i = 0; i < primaries_.size(); ++i) {
      if (primaries_[i] > 0 || at_first_[i] == 0) continue;
      const ServerView& server = view_.servers[i];
      std::vector<double> others = cost_;
      others.erase(others.begin() + static_cast<std::ptrdiff_t>(i));
      EmptiedServer& known = emptied[server.name];
      const bool again = known.instance == server.instance && known.halves_ms > 0;
      const TimeMs halves_ms =
          again ? std::min(2 * known.halves_ms, options_.slowness_halves_at_most_ms)
                : options_.slowness_halves_ms;
      known = {server.instance, cost_[i] / median(others), now, halves_ms};
      names.push_back(server.name);
    }
    return names;
  }

 private:
  static bool is_backup(const GroupView& group, uint32_t server) {
    return std::find(group.backups.begin(), group.backups.end(), server) != group.backups.end();
  }

  // Of a server that is primary of nothing, or not measured yet: 1 is an ordinary one.
  double slowness(const ServerView& server, const ServerBalanceState& state, TimeMs now) const {
    const auto found = state.emptied.find(server.name);
    if (found == state.emptied.end() || found->second.instance != server.instance) return 1;
    const double halvings = static_cast<double>(now - found->second.at_ms) /
                            static_cast<double>(found->second.halves_ms);
    return std::max(1.0, found->second.slowness * std::exp2(-halvings));
  }

  // No node may hold two replicas that did not before.
  bool allowed(const GroupView& group, uint32_t to) const {
    if (is_backup(group, to)) return true;
    const std::string& node = view_.servers[to].node;
    return node.empty() || node == view_.servers[group.primary].node ||
           std::none_of(group.backups.begin(), group.backups.end(),
                        [&](uint32_t backup) { return view_.servers[backup].node == node; });
  }

  const ServerBalanceOptions& options_;
  const JobView& view_;
  std::vector<GroupView> groups_;
  std::vector<int64_t> primaries_;  // of each server: groups
  std::vector<int64_t> at_first_;
  std::vector<double> cost_;  // share of the time, for each byte
  std::vector<double> load_;
};

}  // namespace

ServerBalanceOutcome balance_servers(const ServerBalanceOptions& options, const JobView& view,
                                     const ServerBalanceState& state, TimeMs now) {
  ServerBalanceOutcome outcome;
  Decision& decision = outcome.decision;
  decision.policy = Policy::kServerBalance;
  outcome.next = state;
  const auto hold = [&](std::string reason, std::string message) {
    decision.reason = std::move(reason);
    decision.message = std::move(message);
    outcome.wish.clear();
    return outcome;
  };
  if (options.mode == Mode::kOff) return hold("Off", "the policy is off");
  if (!options.measured) return hold("Weighted", "the spec says what each server gets");
  if (!view.unsettled.empty()) return hold(view.unsettled, "the job is not at rest");
  if (view.servers.size() < 2) return hold("OneServer", "there is nowhere to move anything");
  if (contradictory(view)) return hold("ContradictorySamples", "a replica is on no known server");
  bool joined = false;
  for (const ServerView& server : view.servers) {
    if (!server.busy && !server.joining)
      return hold("PartialSamples", "no sound measurement of " + server.name);
    if (server.busy) decision.inputs.push_back({"busy." + server.name, *server.busy});
    joined = joined || server.busy.has_value();
  }
  if (!joined) return hold("NoSamples", "no server has been measured yet");
  Plan plan(options, view, state, now);
  const double before = plan.highest();
  if (before < options.idle_below)
    return hold("Idle", "no server is busy enough to hold others up");
  const auto share =
      static_cast<int64_t>(options.most_moves_share * static_cast<double>(view.groups.size()));
  const int64_t most = std::clamp(share, options.few_moves, options.most_moves);
  while (static_cast<int64_t>(outcome.wish.size()) < most) {
    const auto move = plan.best_move();
    if (!move) break;
    plan.make(*move);
    outcome.wish.push_back(*move);
  }
  const double after = plan.highest();
  decision.inputs.push_back({"highest_now", before});
  decision.inputs.push_back({"highest_then", after});
  if (before - after < std::max(options.least_gain * before, options.least_time))
    return hold("Balanced", "no moves would relieve the hottest server by enough");
  if (state.changed_ms && now - *state.changed_ms < options.cool_down_ms)
    return hold("CoolDown", "the last change was a moment ago");
  decision.action = Action::kChange;
  decision.reason = "HotServer";
  decision.message = fmt::format(
      "{} groups of segments move: the hottest server is busy {:.0f} % "
      "instead of {:.0f} % of its time",
      outcome.wish.size(), 100 * after, 100 * before);
  decision.carried_out = options.mode == Mode::kAct;
  outcome.next.changed_ms = now;
  for (const std::string& server : plan.note_emptied(outcome.next.emptied, now))
    decision.message += fmt::format("; {} is too slow for any", server);
  return outcome;
}

}  // namespace ballast::policy
