// Text from the model that a run has trained: what it learned, for people to see.
#pragma once

#include <filesystem>
#include <string>

#include "common/error.h"
#include "operator/api/training_job.h"

namespace ballast::cmd {

struct SampleOptions {
  std::string prompt = "\n";
  uint32_t tokens = 400;
  double temperature = 0.8;
  uint64_t seed = 0;
  int threads = 1;
  std::filesystem::path cache_folder;  // of the run: a corpus' own vocabulary lies there
};

// Reads the parameters of a checkpoint of this job. The prompt is not part of the result.
Result<std::string> sample_text(const api::TrainingJob& job,
                                const std::filesystem::path& checkpoint,
                                const SampleOptions& options);

}  // namespace ballast::cmd
