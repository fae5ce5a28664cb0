// ballast_policy_decisions_total{policy,action,reason}: how often each policy said what, holding
// still included. Any thread.
#pragma once

#include <memory>
#include <vector>

#include <prometheus/counter.h>
#include <prometheus/registry.h>

#include "operator/policy/decision.h"

namespace ballast::local {

class DecisionCounters {
 public:
  explicit DecisionCounters(std::shared_ptr<prometheus::Registry> registry);

  void count(const std::vector<policy::Decision>& decisions);

 private:
  std::shared_ptr<prometheus::Registry> registry_;  // holds the family
  prometheus::Family<prometheus::Counter>& family_;
};

}  // namespace ballast::local
