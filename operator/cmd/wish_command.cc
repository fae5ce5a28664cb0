#include "operator/cmd/wish_command.h"

#include <cstdio>
#include <filesystem>

#include <fmt/format.h>

#include "common/exit_code.h"
#include "operator/api/status_json.h"
#include "operator/cmd/job_file.h"
#include "operator/core/advance.h"
#include "operator/local/control_socket.h"
#include "operator/local/find_run.h"

namespace ballast::cmd {
namespace {

int refuse(const Error& error) {
  std::fprintf(stderr, "%s\n", error.message.c_str());
  return to_status(ExitCode::kUsage);
}

Result<local::FoundRun> find(const std::string& job) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(job, error)) return local::find_run(job);
  const auto read = read_job_file(job, {});
  if (!read) return tl::unexpected(read.error());
  return local::find_run(read->metadata.name);
}

int wish(const std::string& job, const api::Changes& changes) {
  const auto run = find(job);
  if (!run) return refuse(run.error());
  const auto answer = local::ask_for_changes(run->folder, changes);
  if (!answer) return refuse(answer.error());
  std::printf("%s: %s\n", run->job_name.c_str(), answer->c_str());
  return to_status(ExitCode::kDone);
}

std::string names_of(const std::vector<api::MemberStatus>& members) {
  std::string names;
  for (const api::MemberStatus& member : members) {
    names += (names.empty() ? "" : ", ") + member.name;
  }
  return names.empty() ? "none" : names;
}

std::string state_of(const local::FoundRun& run) {
  using api::ConditionType;
  if (decide::is_true(run.status, ConditionType::kSucceeded)) return "succeeded";
  if (decide::is_true(run.status, ConditionType::kFailed)) return "failed";
  if (decide::is_true(run.status, ConditionType::kSuspended)) return "suspended";
  if (!run.running) return "ended without an outcome";
  if (run.status.planned_suspend) return "is being suspended";
  return run.status.origin == 0 ? "starts" : "trains";
}

std::string text_of(const local::FoundRun& run) {
  const api::TrainingJobStatus& status = run.status;
  const auto& progress = status.progress;
  std::string text = fmt::format("{}: {}, step {} of {}", run.job_name, state_of(run),
                                 progress.step, status.planned_steps);
  if (progress.step > 0) text += fmt::format(", loss {:.4f}", progress.loss);
  text +=
      fmt::format("\n  run folder   {}\n  servers      {} ({} wanted)\n  workers      {} wanted",
                  run.folder.string(), names_of(status.members), status.planned_servers,
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

}  // namespace

int scale_command(const ScaleOptions& options) {
  api::Changes changes;
  if (options.workers) changes["spec.workers.replicas"] = *options.workers;
  if (options.servers) changes["spec.servers.replicas"] = *options.servers;
  if (changes.empty()) {
    return refuse(Error{ErrorCode::kInvalid, "scale to what? --workers N, --servers N, or both"});
  }
  return wish(options.job, changes);
}

int suspend_command(const SuspendOptions& options) {
  return wish(options.job, {{"spec.suspend", options.suspend}});
}

int status_command(const StatusOptions& options) {
  const auto run = find(options.job);
  if (!run) return refuse(run.error());
  const std::string text = options.json ? api::status_to_json(run->status) : text_of(*run);
  std::printf("%s\n", text.c_str());
  return to_status(ExitCode::kDone);
}

}  // namespace ballast::cmd
