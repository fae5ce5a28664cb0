// Text from a model, one token after the other. The same parameters, prompt, options and kernels
// give the same tokens. One thread at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "common/error.h"
#include "services/engine/decoder.h"
#include "services/engine/gpt.h"

namespace ballast {

struct SamplingOptions {
  double temperature = 1.0;  // 0: always the likeliest token
  uint32_t top_k = 0;        // only among the k likeliest; 0: all
  double top_p = 1.0;        // then, only among the likeliest that have this share; 1: all
};

struct GenerateOptions {
  uint32_t tokens = 0;  // how many follow the prompt
  uint64_t seed = 0;
  SamplingOptions sampling;
  // Told of each token as it comes; false ends the text with it.
  std::function<bool(uint32_t token)> told;
};

// The logits [vocabulary] of what follows a window of 1 to `context` tokens.
using NextLogits =
    std::function<Result<void>(std::span<const uint32_t> window, std::span<float> logits)>;

// With what the decoder has read of the window before: most windows are that and one token more.
NextLogits cached_logits(Decoder& decoder);
// Each window anew. `model` and `parameters` outlive it.
NextLogits whole_logits(Gpt& model, std::span<const float> parameters);

// Where the window begins that a model sees of a text of `length` tokens: at the text's begin while
// the context has room. Later it moves by half a context at once, as nothing that was kept of a
// window has a meaning in one that begins elsewhere.
size_t window_begin(size_t length, size_t context);

// What generate() would refuse at once. kInvalid: a prompt that is empty or longer than the
// context, an option out of range.
Result<void> check_generate(const GptConfig& config, std::span<const uint32_t> prompt,
                            const GenerateOptions& options);

// The tokens behind the prompt. kInvalid: as above, a token outside the vocabulary, logits that are
// not finite.
Result<std::vector<uint32_t>> generate(const NextLogits& next, const GptConfig& config,
                                       std::span<const uint32_t> prompt,
                                       const GenerateOptions& options);

// One draw from the softmax of logits / temperature over the tokens that the options leave, with
// `uniform` from [0, 1). Of equal logits the lower token is the likelier one.
uint32_t sample_token(std::span<const float> logits, const SamplingOptions& options,
                      double uniform);

}  // namespace ballast
