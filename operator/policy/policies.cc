#include "operator/policy/policies.h"

#include <string>
#include <tuple>
#include <utility>

namespace ballast::policy {
namespace {

// Whether the outcome may be carried out; if it wants to and must wait, its decision says for whom.
bool may_act(Decision& decision, const Decision*& acting) {
  if (decision.action != Action::kChange || !decision.carried_out) return false;
  if (acting == nullptr) return true;
  decision.action = Action::kHold;
  decision.carried_out = false;
  decision.message = "waits for " + std::string(to_string(acting->policy)) + ": " +
                     std::exchange(decision.message, {});
  decision.reason = "AnotherChangeFirst";
  return false;
}

}  // namespace

Evaluation evaluate(const Settings& settings, const JobView& view, const State& state, TimeMs now) {
  Evaluation result;
  result.next = state;
  result.decisions.reserve(6);
  const Decision* acting = nullptr;
  // What a policy saw is remembered in any case; what it did, only if it was let.
  const auto take = [&](auto outcome, auto& kept, auto& wish) {
    if constexpr (requires { outcome.seen; }) kept = outcome.seen;
    const bool acts = may_act(outcome.decision, acting);
    result.decisions.push_back(std::move(outcome.decision));
    if (!acts) return;
    if constexpr (requires { outcome.next; }) kept = std::move(outcome.next);
    wish = std::move(outcome.wish);
    acting = &result.decisions.back();
  };
  Wish& wish = result.wish;
  State& next = result.next;
  take(raise_memory(settings.memory, view), std::ignore, wish.memory);
  take(find_straggler(settings.straggler, view, state.straggler, now), next.straggler,
       wish.replacement);
  take(count_servers(settings.server_count, view, state.server_count, now), next.server_count,
       wish.servers);
  take(count_workers(settings.worker_count, view, state.worker_count, now), next.worker_count,
       wish.workers);
  take(balance_servers(settings.server_balance, view, state.server_balance, now),
       next.server_balance, wish.moves);
  take(balance_workers(settings.worker_balance, view, state.worker_balance, now),
       next.worker_balance, wish.shares);
  // Shares that change make the throughput another one.
  if (wish.shares) next.worker_count.since_ms = now;
  return result;
}

}  // namespace ballast::policy
