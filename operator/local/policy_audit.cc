#include "operator/local/policy_audit.h"

#include "common/unix_time.h"
#include "operator/policy/decision_json.h"

namespace ballast::local {

void PolicyAudit::write(const policy::Decision& decision, const api::TrainingJobStatus& status) {
  nlohmann::json line = policy::to_json(decision);
  line["unixTimeMs"] = unix_now_ms();
  line["step"] = status.progress.step;
  line["plan"] = status.plan_number;
  out_ << line.dump() << std::endl;
  out_.clear();  // the next line may find room again
}

}  // namespace ballast::local
