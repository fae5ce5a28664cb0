#include "operator/policy/server_count.h"

#include <algorithm>

#include <fmt/format.h>

namespace ballast::policy {

ServerCountOutcome count_servers(const ServerCountOptions& options, const JobView& view,
                                 const ServerCountState& state, TimeMs now) {
  ServerCountOutcome outcome;
  Decision& decision = outcome.decision;
  decision.policy = Policy::kServerCount;
  outcome.seen = state;
  const auto hold = [&](std::string reason, std::string message) {
    decision.reason = std::move(reason);
    decision.message = std::move(message);
    outcome.next = outcome.seen;
    return outcome;
  };
  const auto hold_anew = [&](std::string reason, std::string message) {
    outcome.seen.high_since_ms.reset();
    outcome.seen.low_since_ms.reset();
    return hold(std::move(reason), std::move(message));
  };
  if (options.mode == Mode::kOff) return hold_anew("Off", "the policy is off");
  if (!view.unsettled.empty()) return hold_anew(view.unsettled, "the job is not at rest");
  const auto count = static_cast<int64_t>(view.servers.size());
  if (count == 0 || count != view.wanted_servers)
    return hold_anew("ChangeInFlight", "servers are starting or ending");
  double sum = 0;
  for (const ServerView& server : view.servers) {
    if (server.joining) return hold_anew("ChangeInFlight", server.name + " is new");
    if (!server.busy) return hold_anew("PartialSamples", "no sound measurement of " + server.name);
    sum += *server.busy;
  }
  const double busy = sum / static_cast<double>(count);
  const double with_fewer = count > 1 ? sum / static_cast<double>(count - 1) : 1;
  decision.inputs = {
      {"servers", static_cast<double>(count)}, {"busy", busy}, {"busy_with_one_fewer", with_fewer}};
  const auto since = [&](std::optional<TimeMs>& begin, bool is) {
    if (!is) begin.reset();
    if (is && !begin) begin = now;
    return begin ? now - *begin : 0;
  };
  const int64_t least = std::max(options.least, view.replication);
  const TimeMs high_for_ms = since(outcome.seen.high_since_ms, busy > options.more_above);
  const TimeMs low_for_ms = since(outcome.seen.low_since_ms, with_fewer < options.fewer_below);
  const bool more = outcome.seen.high_since_ms && high_for_ms >= options.more_after_ms;
  const bool fewer = outcome.seen.low_since_ms && low_for_ms >= options.fewer_after_ms;
  if (more && count >= options.most) return hold("AtMaximum", "servers are busy; no more may be");
  if (fewer && count <= least) return hold("AtMinimum", "servers are idle; no fewer may be");
  if (!more && !fewer) return hold("WithinBounds", "the load is neither high nor low for long");
  if (state.changed_ms && now - *state.changed_ms < options.cool_down_ms)
    return hold("CoolDown", "the last change was a moment ago");
  const int64_t wish = more ? count + 1 : count - 1;
  decision.action = Action::kChange;
  decision.reason = more ? "Busy" : "Idle";
  decision.message = fmt::format("{} servers instead of {}: they are busy {:.0f} % of the time",
                                 wish, count, 100 * busy);
  decision.carried_out = options.mode == Mode::kAct;
  outcome.wish = wish;
  outcome.next = {std::nullopt, std::nullopt, now};
  return outcome;
}

}  // namespace ballast::policy
