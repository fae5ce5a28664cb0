#include "operator/core/policy_wish.h"

#include <algorithm>

#include "operator/core/process_index.h"

namespace ballast::decide {

namespace {

// From the first plan on: nothing has to be measured for them.
void take_server_weights(const api::TrainingJobSpec& spec, api::TrainingJobStatus& status) {
  const api::ServerBalance& balance = spec.policy.server_balance;
  if (balance.mode != "act") return status.planned_server_shares.clear();
  if (balance.method != "weighted") return;
  status.planned_server_shares.clear();
  for (int64_t index = 0; index < std::max(most_servers(spec), spec.servers.replicas); ++index) {
    const std::string name = process_name(Role::kServer, index);
    const auto weight = balance.weights.find(name);
    status.planned_server_shares[name] = weight == balance.weights.end() ? 1 : weight->second;
  }
}

}  // namespace

void take_wish(const Observed& observed, api::TrainingJobStatus& status) {
  const api::TrainingJobSpec& spec = observed.job.spec;
  const PolicyWish& wish = observed.wish;
  if (wish.worker_shares) status.planned_worker_shares = *wish.worker_shares;
  if (wish.server_shares) status.planned_server_shares = *wish.server_shares;
  if (spec.policy.worker_balance.mode != "act") status.planned_worker_shares.clear();
  take_server_weights(spec, status);
  const bool specified_anew = status.specified_workers != spec.workers.replicas;
  if (spec.policy.workers.mode != "act" || observed.horizontal_autoscaler ||
      (specified_anew && !wish.workers)) {
    status.desired_workers = status.specified_workers = 0;
  } else if (wish.workers) {
    status.desired_workers = *wish.workers;
    status.specified_workers = spec.workers.replicas;
  }
  if (spec.policy.servers.mode != "act" ||
      (status.specified_servers != spec.servers.replicas && !wish.servers)) {
    status.desired_servers = status.specified_servers = 0;
  } else if (wish.servers) {
    status.desired_servers = *wish.servers;
    status.specified_servers = spec.servers.replicas;
  }
}

void take_memory(const Observed& observed, api::TrainingJobStatus& status) {
  for (const auto& [name, memory] : observed.wish.memory) status.memory[name] = memory;
  if (observed.job.spec.policy.memory.mode != "act") status.memory.clear();
}

void take_replacements(const Observed& observed, api::TrainingJobStatus& status) {
  for (const auto& [name, replaced] : observed.wish.replacements)
    status.replacements[name] = replaced;
  if (observed.job.spec.policy.straggler.mode != "act") status.replacements.clear();
  // Whoever gets the name later is nobody's successor.
  std::erase_if(status.replacements, [&](const auto& entry) {
    const auto process = parse_process_name(entry.first);
    return !process || process->second >= status.planned_workers;
  });
}

bool is_replaced(const api::TrainingJobStatus& status, const Process& process) {
  if (process.role != Role::kWorker) return false;
  const auto replaced = status.replacements.find(process_name(process.role, process.index));
  return replaced != status.replacements.end() && process.instance <= replaced->second.instance;
}

int64_t most_servers(const api::TrainingJobSpec& spec) {
  return std::max(spec.policy.servers.max_replicas.value_or(spec.servers.replicas),
                  spec.servers.replication);
}

int64_t fewest_servers(const api::TrainingJobSpec& spec) {
  return std::min(most_servers(spec),
                  std::max(spec.policy.servers.min_replicas, spec.servers.replication));
}

int64_t wanted_servers(const api::TrainingJobSpec& spec, const api::TrainingJobStatus& status) {
  if (status.desired_servers == 0) return spec.servers.replicas;
  return std::clamp(status.desired_servers, fewest_servers(spec), most_servers(spec));
}

int64_t wanted_workers(const api::TrainingJobSpec& spec, const api::TrainingJobStatus& status) {
  if (status.desired_workers == 0) return spec.workers.replicas;
  return std::clamp(status.desired_workers, spec.workers.min_replicas, spec.workers.max_replicas);
}

}  // namespace ballast::decide
