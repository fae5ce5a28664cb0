// `ballast generate CHECKPOINT`: text from a trained model, shown as it comes. Main thread only.
#pragma once

#include <cstdint>
#include <string>

namespace ballast::cmd {

struct GenerateCommandOptions {
  std::string checkpoint;  // see find_checkpoint
  std::string prompt = "\n";
  uint32_t tokens = 400;
  double temperature = 0.8;
  uint32_t top_k = 0;
  double top_p = 1.0;
  uint64_t seed = 0;
  bool no_cache = false;
  int threads = 0;  // 0: all CPUs
};

// The exit status: common/exit_code.h.
int generate_command(const GenerateCommandOptions& options);

}  // namespace ballast::cmd
