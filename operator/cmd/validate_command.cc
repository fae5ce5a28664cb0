#include "operator/cmd/validate_command.h"

#include <cstdio>

#include "common/exit_code.h"
#include "operator/cmd/job_file.h"

namespace ballast::cmd {

int validate_command(const ValidateOptions& options) {
  bool all_good = true;
  for (const std::string& file : options.files) {
    const auto job = read_job_file(file, options.overrides);
    if (job) {
      std::printf("%s: valid\n", file.c_str());
    } else {
      std::fprintf(stderr, "%s\n", job.error().message.c_str());
      all_good = false;
    }
  }
  return to_status(all_good ? ExitCode::kDone : ExitCode::kUsage);
}

}  // namespace ballast::cmd
