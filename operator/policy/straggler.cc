#include "operator/policy/straggler.h"

#include <algorithm>

#include <fmt/format.h>

#include "operator/policy/worker_balance.h"

namespace ballast::policy {
namespace {

std::optional<double> median_of_others(const std::vector<WorkerView>& workers,
                                       const std::string& name) {
  std::vector<WorkerView> others;
  std::copy_if(workers.begin(), workers.end(), std::back_inserter(others),
               [&](const WorkerView& worker) { return worker.name != name; });
  return median_speed(others);
}

}  // namespace

StragglerOutcome find_straggler(const StragglerOptions& options, const JobView& view,
                                const StragglerState& state, TimeMs now) {
  StragglerOutcome outcome;
  Decision& decision = outcome.decision;
  decision.policy = Policy::kStraggler;
  outcome.seen = state;
  const auto hold = [&](std::string reason, std::string message) {
    decision.reason = std::move(reason);
    decision.message = std::move(message);
    outcome.next = outcome.seen;
    return outcome;
  };
  if (options.mode == Mode::kOff) return hold("Off", "the policy is off");
  if (!view.unsettled.empty()) return hold(view.unsettled, "the job is not at rest");
  for (const WorkerView& worker : view.workers) {
    if (!worker.speed && !worker.joining)
      return hold("PartialSamples", "no sound measurement of " + worker.name);
  }
  const WorkerView* slowest =
      nullptr;  // of those that have been slow, the one for the longest time
  std::map<std::string, TimeMs> slow_since_ms;
  for (const WorkerView& worker : view.workers) {
    const auto median = median_of_others(view.workers, worker.name);
    if (!worker.speed || !median) continue;
    const auto known = state.slow_since_ms.find(worker.name);
    const bool was_slow = known != state.slow_since_ms.end();
    if (*worker.speed >= *median * (was_slow ? options.recovered_at : options.slower_than))
      continue;
    slow_since_ms[worker.name] = was_slow ? known->second : now;
    decision.inputs.push_back({"speed." + worker.name, *worker.speed});
    decision.inputs.push_back({"median_of_others." + worker.name, *median});
    if (slowest == nullptr || slow_since_ms[worker.name] < slow_since_ms[slowest->name])
      slowest = &worker;
  }
  outcome.seen.slow_since_ms = std::move(slow_since_ms);
  if (slowest == nullptr) return hold("NoStraggler", "no worker is far slower than the others");
  const TimeMs slow_for_ms = now - outcome.seen.slow_since_ms[slowest->name];
  if (slow_for_ms < options.tell_after_ms)
    return hold("NotForLong", slowest->name + " is slow, not for long yet");
  outcome.next = outcome.seen;
  decision.action = Action::kTell;
  decision.reason = "Straggler";
  decision.message = fmt::format("{} on node '{}' has been far slower than the others for {} s",
                                 slowest->name, slowest->node, slow_for_ms / 1000);
  const bool cooling = state.replaced_ms && now - *state.replaced_ms < options.cool_down_ms;
  if (slow_for_ms < options.replace_after_ms || cooling) return outcome;
  decision.action = Action::kChange;
  decision.reason = "StragglerForLong";
  decision.message += ": another life takes its place, elsewhere if there is room";
  decision.carried_out = options.mode == Mode::kAct;
  outcome.wish = Replacement{slowest->name, slowest->node};
  outcome.next.slow_since_ms.erase(slowest->name);
  outcome.next.replaced_ms = now;
  return outcome;
}

}  // namespace ballast::policy
