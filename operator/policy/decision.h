// What a policy says each time it is asked: a decision with its reason and the numbers it was made
// of, for the event, the audit line and ballast_policy_decisions_total{policy,action,reason}.
// Holding still is a decision, too. Plain values.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ballast::policy {

using TimeMs = int64_t;  // passed in; on a clock that never goes back

// In their order of precedence; policies.h tells why.
enum class Policy {
  kMemory,
  kStraggler,
  kServerCount,
  kWorkerCount,
  kServerBalance,
  kWorkerBalance,
};
inline constexpr Policy kPolicies[] = {Policy::kMemory,        Policy::kStraggler,
                                       Policy::kServerCount,   Policy::kWorkerCount,
                                       Policy::kServerBalance, Policy::kWorkerBalance};
std::string_view to_string(Policy policy);

enum class Mode {
  kOff,
  kRecommend,  // decides and tells, and changes nothing
  kAct,
};

enum class Action { kHold, kTell, kChange };
std::string_view to_string(Action action);

struct Input {
  std::string name;  // "seconds_now", "speed.worker-1"
  double value = 0;

  bool operator==(const Input&) const = default;
};

struct Decision {
  Policy policy = Policy::kMemory;
  Action action = Action::kHold;
  std::string reason;   // one word of a small set, for programs and the counter
  std::string message;  // a sentence, for people
  std::vector<Input> inputs;
  bool carried_out = false;  // false: held, told, or only recommended

  bool operator==(const Decision&) const = default;
};

// A change that is only recommended.
bool recommends(const Decision& decision);
// For the counter's label: "hold", "tell", "recommend", "change".
std::string_view done_by(const Decision& decision);
// For people: "workerBalance recommends: 3 microbatches move".
std::string told(const Decision& decision);

}  // namespace ballast::policy
