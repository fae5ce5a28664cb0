#include "services/worker/windows.h"

#include "services/core/sampler.h"
#include "services/engine/operations.h"

namespace ballast {
namespace {

Windows fetch(const JobSettings& job, const Dataset& data, const std::vector<uint64_t>& positions) {
  const uint32_t context = job.model.context;
  Windows windows;
  windows.tokens.reserve(positions.size() * context);
  windows.targets.reserve(positions.size() * context);
  std::vector<Token> window(size_t{context} + 1);
  for (const uint64_t position : positions) {
    data.fetch(position, window);
    windows.tokens.insert(windows.tokens.end(), window.begin(), window.end() - 1);
    windows.targets.insert(windows.targets.end(), window.begin() + 1, window.end());
  }
  const Token separator = data.tokenizer().document_separator();
  for (size_t i = 0; job.mask_document_starts && i < windows.tokens.size(); ++i) {
    if (windows.tokens[i] == separator) windows.targets[i] = kMaskedTarget;
  }
  return windows;
}

}  // namespace

Windows training_windows(const JobSettings& job, const Dataset& data, Step step,
                         Microbatch microbatch) {
  const SamplerConfig sampler{.seed = job.seed,
                              .train_tokens = data.train_tokens(),
                              .context = job.model.context,
                              .batch = job.batch,
                              .microbatches = job.microbatches};
  return fetch(job, data, sample_positions(sampler, step, microbatch));
}

Windows evaluation_windows(const JobSettings& job, const Dataset& data, uint32_t index) {
  return fetch(job, data,
               evaluation_positions(data.train_tokens(), data.total_tokens(), job.model.context,
                                    job.sequences(), job.evaluation_batches, index));
}

}  // namespace ballast
