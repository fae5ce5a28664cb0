#include "operator/core/policy_wish.h"

#include <algorithm>

namespace ballast::decide {

void take_wish(const Observed& observed, api::TrainingJobStatus& status) {
  const api::TrainingJobSpec& spec = observed.job.spec;
  const PolicyWish& wish = observed.wish;
  if (wish.worker_shares) status.planned_worker_shares = *wish.worker_shares;
  if (wish.server_shares) status.planned_server_shares = *wish.server_shares;
  if (spec.policy.worker_balance.mode != "act") status.planned_worker_shares.clear();
  if (spec.policy.server_balance_mode != "act") status.planned_server_shares.clear();
  const bool specified_anew = status.specified_workers != spec.workers.replicas;
  if (spec.policy.workers.mode != "act" || (specified_anew && !wish.workers)) {
    status.desired_workers = status.specified_workers = 0;
  } else if (wish.workers) {
    status.desired_workers = *wish.workers;
    status.specified_workers = spec.workers.replicas;
  }
}

int64_t wanted_workers(const api::TrainingJobSpec& spec, const api::TrainingJobStatus& status) {
  if (status.desired_workers == 0) return spec.workers.replicas;
  return std::clamp(status.desired_workers, spec.workers.min_replicas, spec.workers.max_replicas);
}

}  // namespace ballast::decide
