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

bool recommends(const Decision& decision) {
  return decision.action == Action::kChange && !decision.carried_out;
}

std::string_view done_by(const Decision& decision) {
  return recommends(decision) ? "recommend" : to_string(decision.action);
}

std::string told(const Decision& decision) {
  return std::string(to_string(decision.policy)) + (recommends(decision) ? " recommends" : "") +
         ": " + decision.message;
}

}  // namespace ballast::policy
