#include "operator/policy/standing.h"

#include <algorithm>
#include <array>

namespace ballast::policy {
namespace {

template <size_t N>
bool is_one_of(const std::string& reason, const std::array<const char*, N>& words) {
  return std::find(words.begin(), words.end(), reason) != words.end();
}

constexpr std::array kBlind = {"PartialSamples", "StaleSamples", "NoSamples",
                               "ContradictorySamples"};
// They say nothing of what the policy would do.
constexpr std::array kBusy = {"Suspending",     "Degraded",           "NotReady", "NotTraining",
                              "ChangeInFlight", "AnotherChangeFirst", "CoolDown"};

}  // namespace

bool is_blind(const Decision& decision) {
  return decision.action == Action::kHold && is_one_of(decision.reason, kBlind);
}

std::optional<Standing::Kind> Standing::kind_of(const Decision& decision) {
  if (recommends(decision)) return Kind::kRecommends;
  if (is_blind(decision)) return Kind::kBlind;
  if (decision.reason == "HorizontalAutoscaler") return Kind::kExcluded;
  if (is_one_of(decision.reason, kBusy)) return std::nullopt;
  return Kind::kFree;
}

void Standing::take(const std::vector<Decision>& decisions, TimeMs now) {
  for (const Decision& decision : decisions) {
    const auto kind = kind_of(decision);
    if (!kind) continue;
    const auto [place, is_new] = said_.try_emplace(decision.policy);
    Saying& said = place->second;
    const bool same = !is_new && said.kind == *kind &&
                      (*kind == Kind::kFree || said.decision.reason == decision.reason);
    if (!same) said = {*kind, decision, now};
    if (now - said.since_ms < patience_ms_) continue;
    const auto told = told_.find(decision.policy);
    // What has gone away for a moment is the same as before.
    if (told != told_.end() && told->second.kind == said.kind &&
        told->second.decision.reason == said.decision.reason)
      continue;
    told_[decision.policy] = said;
  }
}

std::optional<decide::PolicyStanding> Standing::told() const {
  if (told_.empty()) return std::nullopt;
  decide::PolicyStanding standing;
  const auto hold = [&](Kind kind) {
    for (const auto& [policy, saying] : told_) {
      if (saying.kind != kind) continue;
      if (!standing.held) standing.held = decide::Trouble{saying.decision.reason, ""};
      std::string& message = standing.held->message;
      message += (message.empty() ? "" : "; ") + policy::told(saying.decision);
    }
  };
  hold(Kind::kBlind);
  hold(Kind::kExcluded);
  for (const auto& [policy, saying] : told_) {
    if (saying.kind != Kind::kRecommends) continue;
    standing.recommendations.push_back({std::string(to_string(policy)), saying.decision.reason,
                                        saying.decision.message, saying.since_ms});
  }
  return standing;
}

}  // namespace ballast::policy
