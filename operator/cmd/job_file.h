// A job file for a command: read, overridden, checked, with every problem told at once.
#pragma once

#include <string>
#include <vector>

#include "operator/api/read_training_job.h"

namespace ballast::cmd {

// The problems as lines for people ("job.yaml:7: spec.training.batch: ...") in the error's message.
Result<api::TrainingJob> read_job_file(const std::string& path,
                                       const std::vector<std::string>& overrides);

}  // namespace ballast::cmd
