#include "operator/cmd/wish_command.h"

#include <cstdio>
#include <filesystem>
#include <utility>

#include "common/exit_code.h"
#include "operator/api/status_json.h"
#include "operator/cmd/job_file.h"
#include "operator/cmd/status_text.h"
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
  Result<JobView> job;
  if (options.cluster) {
    job = find_cluster_job(*options.cluster, options.job);
  } else {
    job = find(options.job).map([](local::FoundRun run) {
      return JobView{.job_name = std::move(run.job_name),
                     .place_kind = "run folder",
                     .place = run.folder.string(),
                     .running = run.running,
                     .status = std::move(run.status)};
    });
  }
  if (!job && !options.cluster && job.error().code == ErrorCode::kNotFound) {
    job.error().message += " (of a cluster's job tells --namespace NAMESPACE)";
  }
  if (!job) return refuse(job.error());
  const std::string text = options.json ? api::status_to_json(job->status) : status_text(*job);
  std::printf("%s\n", text.c_str());
  return to_status(ExitCode::kDone);
}

}  // namespace ballast::cmd
