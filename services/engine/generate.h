// Text from a model, one token after the other: the simplest sampling. The same parameters, prompt
// and seed give the same tokens. One thread at a time.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "common/error.h"
#include "services/engine/gpt.h"

namespace ballast {

struct GenerateOptions {
  uint32_t tokens = 0;       // how many follow the prompt
  double temperature = 1.0;  // 0: always the likeliest token
  uint64_t seed = 0;
};

// The tokens behind the prompt. The model sees the last `context` tokens at most. kInvalid: an
// empty prompt, a token outside the vocabulary, a temperature below 0 or not finite.
Result<std::vector<uint32_t>> generate(Gpt& model, std::span<const float> parameters,
                                       std::span<const uint32_t> prompt,
                                       const GenerateOptions& options);

// One draw from the softmax of logits / temperature, with `uniform` from [0, 1).
uint32_t sample_token(std::span<const float> logits, double temperature, double uniform);

}  // namespace ballast
