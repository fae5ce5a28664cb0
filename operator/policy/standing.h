// What of the policies' decisions stands in a job's status: why they hold still although they are
// asked to do something, and what they would do if they were let. Each change of it is a write, so
// only what lasts is told, and a sentence stays as it was first said. A value; one user at a time.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "operator/core/observed.h"
#include "operator/policy/decision.h"

namespace ballast::policy {

// Whether the decision is to hold still because what was measured cannot be trusted.
bool is_blind(const Decision& decision);

class Standing {
 public:
  explicit Standing(TimeMs patience_ms = 30'000) : patience_ms_(patience_ms) {}

  // The decisions of one evaluation.
  void take(const std::vector<Decision>& decisions, TimeMs now);
  // Nothing: not known yet, as nothing has lasted long enough.
  std::optional<decide::PolicyStanding> told() const;

 private:
  enum class Kind { kFree, kBlind, kExcluded, kRecommends };
  struct Saying {
    Kind kind = Kind::kFree;
    Decision decision;
    TimeMs since_ms = 0;
  };
  static std::optional<Kind> kind_of(const Decision& decision);

  TimeMs patience_ms_;
  std::map<Policy, Saying> said_;  // and not yet for long
  std::map<Policy, Saying> told_;
};

}  // namespace ballast::policy
