// `ballast validate JOB...`: every problem of every file.
#pragma once

#include <string>
#include <vector>

namespace ballast::cmd {

struct ValidateOptions {
  std::vector<std::string> files;
  std::vector<std::string> overrides;  // --set
};

// The exit status: common/exit_code.h.
int validate_command(const ValidateOptions& options);

}  // namespace ballast::cmd
