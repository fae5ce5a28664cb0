#include "operator/local/policy_audit.h"

#include <chrono>

#include "operator/policy/decision_json.h"

namespace ballast::local {

void PolicyAudit::write(const policy::Decision& decision, const api::TrainingJobStatus& status) {
  nlohmann::json line = policy::to_json(decision);
  line["unixTimeMs"] = std::chrono::duration_cast<std::chrono::milliseconds>(
                           std::chrono::system_clock::now().time_since_epoch())
                           .count();
  line["step"] = status.progress.step;
  line["plan"] = status.plan_number;
  out_ << line.dump() << std::endl;
  out_.clear();  // the next line may find room again
}

}  // namespace ballast::local
