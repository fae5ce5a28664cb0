// Which windows of the token stream a microbatch reads: a pure function of (seed, step,
// microbatch), so that no worker owns data and resuming needs only the step. Stateless; any thread.
//
// The training part of the stream is cut into non-overlapping windows of `context` tokens (each
// needs one more token as the last target). A data pass visits each window once, in the order of a
// keyed permutation (a Feistel network with cycle walking, keyed by seed and pass). Sequence i of
// step t is number t * batch + i in the endless row of passes.
#pragma once

#include <cstdint>
#include <vector>

#include "services/core/types.h"

namespace ballast {

struct SamplerConfig {
  uint64_t seed = 0;
  uint64_t train_tokens = 0;  // tokens of the training part; at least context + 1
  uint32_t context = 0;       // tokens of a window, >= 1
  uint32_t batch = 0;         // sequences in the global batch
  uint32_t microbatches = 0;  // divides batch
};

// Start positions (tokens from the beginning of the stream) of the batch/microbatches sequences of
// microbatch v of step t. Each position p satisfies p + context + 1 <= train_tokens.
std::vector<uint64_t> sample_positions(const SamplerConfig& config, Step step,
                                       Microbatch microbatch);

// The fixed set of evaluation windows: `batches` microbatches of batch/microbatches sequences,
// spread evenly over [train_tokens, total_tokens); the same at every evaluation. Where fewer
// windows exist, fewer sequences come back (never the same window twice); evaluation microbatch e
// may be empty.
std::vector<uint64_t> evaluation_positions(uint64_t train_tokens, uint64_t total_tokens,
                                           uint32_t context, uint32_t sequences_per_microbatch,
                                           uint32_t batches, uint32_t index);

}  // namespace ballast
