#include "operator/policy/decision_json.h"

namespace ballast::policy {

nlohmann::json to_json(const Decision& decision) {
  nlohmann::json inputs = nlohmann::json::object();
  for (const Input& input : decision.inputs) inputs[input.name] = input.value;
  return {{"policy", to_string(decision.policy)},
          {"action", to_string(decision.action)},
          {"reason", decision.reason},
          {"message", decision.message},
          {"carriedOut", decision.carried_out},
          {"inputs", std::move(inputs)}};
}

}  // namespace ballast::policy
