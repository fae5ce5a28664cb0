// `ballast export CHECKPOINT DIR`: a trained model as a directory that Hugging Face's transformers
// loads. Main thread only.
#pragma once

#include <string>

namespace ballast::cmd {

struct ExportCommandOptions {
  std::string checkpoint;  // see find_checkpoint
  std::string directory;   // new, or empty
};

// The exit status: common/exit_code.h.
int export_command(const ExportCommandOptions& options);

}  // namespace ballast::cmd
