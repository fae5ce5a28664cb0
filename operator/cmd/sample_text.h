// Text from the model that a run has trained: what it learned, for people to see.
#pragma once

#include <filesystem>
#include <string>

#include "common/error.h"

namespace ballast::cmd {

struct SampleOptions {
  std::string prompt = "\n";
  uint32_t tokens = 400;
  double temperature = 0.8;
  uint64_t seed = 0;
  int threads = 1;
};

// The prompt is not part of the result; of one that is longer than the context the end counts.
Result<std::string> sample_text(const std::filesystem::path& checkpoint,
                                const SampleOptions& options);

}  // namespace ballast::cmd
