#include "operator/policy/decision.h"

namespace ballast::policy {

std::string_view to_string(Policy policy) {
  switch (policy) {
    case Policy::kMemory:
      return "memory";
    case Policy::kStraggler:
      return "straggler";
    case Policy::kServerCount:
      return "serverCount";
    case Policy::kWorkerCount:
      return "workerCount";
    case Policy::kServerBalance:
      return "serverBalance";
    case Policy::kWorkerBalance:
      return "workerBalance";
  }
  return "";
}

std::string_view to_string(Action action) {
  switch (action) {
    case Action::kHold:
      return "hold";
    case Action::kTell:
      return "tell";
    case Action::kChange:
      return "change";
  }
  return "";
}

}  // namespace ballast::policy
