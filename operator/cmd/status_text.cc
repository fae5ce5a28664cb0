#include "operator/cmd/status_text.h"

#include <vector>

#include <fmt/format.h>

#include "operator/api/status_json.h"
#include "operator/core/advance.h"

namespace ballast::cmd {
namespace {

std::string names_of(const std::vector<api::MemberStatus>& members) {
  std::string names;
  for (const api::MemberStatus& member : members) {
    names += (names.empty() ? "" : ", ") + member.name;
  }
  return names.empty() ? "none" : names;
}

std::string state_of(const JobView& job) {
  using api::ConditionType;
  if (decide::is_true(job.status, ConditionType::kSucceeded)) return "succeeded";
  if (decide::is_true(job.status, ConditionType::kFailed)) return "failed";
  if (decide::is_true(job.status, ConditionType::kSuspended)) return "suspended";
  if (job.status.plan_number == 0) return "not seen by an operator yet";
  if (!job.running) return "ended without an outcome";
  if (job.status.planned_suspend) return "is being suspended";
  return job.status.origin == 0 ? "starts" : "trains";
}

}  // namespace

std::string status_text(const JobView& job) {
  const api::TrainingJobStatus& status = job.status;
  const auto& progress = status.progress;
  std::string text = fmt::format("{}: {}, step {} of {}", job.job_name, state_of(job),
                                 progress.step, status.planned_steps);
  if (progress.step > 0) text += fmt::format(", loss {:.4f}", progress.loss);
  text += fmt::format("\n  {:<12} {}\n  servers      {} ({} wanted)\n  workers      {} wanted",
                      job.place_kind, job.place, names_of(status.members), status.planned_servers,
                      status.planned_workers);
  text += fmt::format("\n  coordinator  {}, term {}",
                      status.coordinator.empty() ? "none" : status.coordinator, status.term);
  text += fmt::format("\n  checkpoint   {}",
                      progress.last_checkpoint.empty() ? "none" : progress.last_checkpoint);
  for (const api::Condition& condition : status.conditions) {
    text += fmt::format("\n  {:<12} {}: {}", api::to_string(condition.type),
                        condition.status ? "yes" : "no", condition.message);
  }
  for (const auto& [name, restart] : status.restarts) {
    if (restart.total > 0) text += fmt::format("\n  restarts     {}: {}", name, restart.total);
  }
  return text;
}

}  // namespace ballast::cmd
