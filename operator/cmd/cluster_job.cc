#include "operator/cmd/cluster_job.h"

#include <filesystem>

#include <fmt/format.h>

#include "operator/cmd/job_file.h"
#include "operator/core/cluster_status.h"
#include "operator/kube/client.h"
#include "operator/kube/config.h"
#include "operator/kube/curl_transport.h"

namespace ballast::cmd {
namespace {

constexpr int64_t kPatienceMs = 15'000;  // of a person who asks

}  // namespace

Result<JobView> find_cluster_job(const ClusterPlace& place, const std::string& job) {
  const auto config = kube::load_config(place.kubeconfig);
  if (!config) return tl::unexpected(config.error());
  kube::ObjectName object{config->name_space, job};
  std::error_code no_file;
  if (std::filesystem::is_regular_file(job, no_file)) {
    const auto read = read_job_file(job, {});
    if (!read) return tl::unexpected(read.error());
    object = {read->metadata.name_space, read->metadata.name};
  }
  if (object.name.empty()) return fail(ErrorCode::kInvalid, "status of which job? JOB is empty");
  if (!place.name_space.empty()) object.name_space = place.name_space;

  auto transport = kube::make_curl_transport(*config, {.request_timeout_ms = kPatienceMs});
  if (!transport) return tl::unexpected(transport.error());
  kube::KubeClient client(std::move(*transport), "ballast");
  const auto answer = client.get(kube::kTrainingJobs, object);
  if (!answer) {
    const Error& error = answer.error().error;
    return fail(error.code, fmt::format("TrainingJob {} of namespace {} at {}: {}", object.name,
                                        object.name_space, config->server, error.message));
  }
  auto status = kube::record_of(*answer->body);
  if (!status) return tl::unexpected(status.error());
  return JobView{.job_name = object.name,
                 .place_kind = "namespace",
                 .place = object.name_space,
                 .running = true,
                 .status = std::move(*status)};
}

}  // namespace ballast::cmd
