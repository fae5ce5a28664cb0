#include "operator/cmd/job_file.h"

#include "common/file.h"

namespace ballast::cmd {

Result<api::TrainingJob> read_job_file(const std::string& path,
                                       const std::vector<std::string>& overrides) {
  auto text = read_file(path, api::kMaxDocumentBytes);
  if (!text) return tl::unexpected(text.error());
  auto job = api::read_training_job_yaml(*text, overrides);
  if (job) return std::move(*job);
  std::string message;
  for (const api::Problem& problem : job.error()) {
    message += (message.empty() ? "" : "\n") + api::format(problem, path);
  }
  return fail(ErrorCode::kInvalid, message);
}

}  // namespace ballast::cmd
