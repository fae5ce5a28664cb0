// Microbatches of tokens from a dataset: the windows that the sampler names, as inputs and targets.
// Which windows those are depends on (seed, step, microbatch) alone. Where the job asks for it, the
// first token of a document is no target: what stands before it belongs to another one. One thread
// at a time.
#pragma once

#include <cstdint>
#include <vector>

#include "services/core/types.h"
#include "services/data/dataset.h"
#include "services/worker/job_settings.h"

namespace ballast {

struct Windows {
  std::vector<Token> tokens;   // [sequences, context]
  std::vector<Token> targets;  // the same, one token later; or kMaskedTarget
};

Windows training_windows(const JobSettings& job, const Dataset& data, Step step,
                         Microbatch microbatch);

// Empty where the validation part has fewer windows than there are evaluation microbatches.
Windows evaluation_windows(const JobSettings& job, const Dataset& data, uint32_t index);

}  // namespace ballast
