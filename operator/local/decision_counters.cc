#include "operator/local/decision_counters.h"

#include <string>
#include <utility>

namespace ballast::local {
namespace {

prometheus::Labels labels_of(const policy::Decision& decision) {
  return {{"policy", std::string(to_string(decision.policy))},
          {"action", std::string(done_by(decision))},
          {"reason", decision.reason}};
}

}  // namespace

DecisionCounters::DecisionCounters(std::shared_ptr<prometheus::Registry> registry)
    : registry_(std::move(registry)),
      family_(prometheus::BuildCounter()
                  .Name("ballast_policy_decisions_total")
                  .Help("What policies decided, each time that they were asked.")
                  .Register(*registry_)) {
  // Of each policy something is there before it is asked for the first time.
  for (const policy::Policy policy : policy::kPolicies) {
    policy::Decision off;
    off.policy = policy;
    off.reason = "Off";
    family_.Add(labels_of(off));
  }
}

void DecisionCounters::count(const std::vector<policy::Decision>& decisions) {
  for (const policy::Decision& decision : decisions) family_.Add(labels_of(decision)).Increment();
}

}  // namespace ballast::local
