#include "services/engine/generate.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "services/engine/math.h"
#include "services/engine/random.h"

namespace ballast {
namespace {
constexpr uint64_t kSamplingStream = 0x73616d706c65;  // apart from the streams of initial values
}  // namespace

uint32_t sample_token(std::span<const float> logits, double temperature, double uniform) {
  const auto likeliest = std::max_element(logits.begin(), logits.end());
  if (temperature == 0) {
    return static_cast<uint32_t>(likeliest - logits.begin());
  }
  const auto weight = [&](float logit) {
    return exponential_below_zero((double{logit} - *likeliest) / temperature);
  };
  double total = 0;
  for (const float logit : logits) {
    total += weight(logit);
  }
  double left = uniform * total;
  for (size_t i = 0; i < logits.size(); ++i) {
    left -= weight(logits[i]);
    if (left < 0) {
      return static_cast<uint32_t>(i);
    }
  }
  return static_cast<uint32_t>(likeliest - logits.begin());  // rounding left a rest
}

Result<std::vector<uint32_t>> generate(Gpt& model, std::span<const float> parameters,
                                       std::span<const uint32_t> prompt,
                                       const GenerateOptions& options) {
  if (prompt.empty()) {
    return fail(ErrorCode::kInvalid, "the prompt is empty, expected at least one token");
  }
  if (!(options.temperature >= 0) || std::isinf(options.temperature)) {
    return fail(ErrorCode::kInvalid,
                fmt::format("the temperature is {}, expected 0 or more", options.temperature));
  }
  const size_t context = model.config().context;
  std::vector<uint32_t> text(prompt.begin(), prompt.end());
  std::vector<float> logits(model.config().vocabulary);
  for (uint32_t i = 0; i < options.tokens; ++i) {
    const size_t seen = std::min(text.size(), context);
    const std::span<const uint32_t> window(text.data() + (text.size() - seen), seen);
    if (auto done = model.logits(parameters, window, logits); !done) {
      return tl::unexpected(done.error());
    }
    if (std::any_of(logits.begin(), logits.end(), [](float l) { return !std::isfinite(l); })) {
      return fail(ErrorCode::kInvalid, "the model's logits are not finite");
    }
    text.push_back(
        sample_token(logits, options.temperature, uniform(options.seed, kSamplingStream, i)));
  }
  return std::vector<uint32_t>(text.begin() + static_cast<ptrdiff_t>(prompt.size()), text.end());
}

}  // namespace ballast
