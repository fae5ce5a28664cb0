#include "services/engine/generate.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include <fmt/format.h>

#include "services/engine/math.h"
#include "services/engine/random.h"

namespace ballast {
namespace {

constexpr uint64_t kSamplingStream = 0x73616d706c65;  // apart from the streams of initial values

struct Candidate {
  uint32_t token = 0;
  double weight = 0;  // of the softmax, before it is normalised
};

std::vector<Candidate> candidates_of(std::span<const float> logits, double temperature) {
  const float largest = *std::max_element(logits.begin(), logits.end());
  std::vector<Candidate> all(logits.size());
  for (size_t i = 0; i < logits.size(); ++i) {
    all[i] = {static_cast<uint32_t>(i),
              exponential_below_zero((double{logits[i]} - largest) / temperature)};
  }
  return all;
}

double total_of(std::span<const Candidate> candidates) {
  return std::accumulate(candidates.begin(), candidates.end(), 0.0,
                         [](double sum, const Candidate& each) { return sum + each.weight; });
}

// Leaves the likeliest ones, in the order of their tokens.
void keep_likeliest(std::vector<Candidate>& candidates, std::span<const float> logits,
                    const SamplingOptions& options) {
  const size_t wanted = options.top_k == 0 ? candidates.size() : options.top_k;
  if (wanted >= candidates.size() && options.top_p >= 1) return;
  std::stable_sort(candidates.begin(), candidates.end(),
                   [&](const auto& a, const auto& b) { return logits[a.token] > logits[b.token]; });
  candidates.resize(std::min(wanted, candidates.size()));
  if (options.top_p < 1) {
    const double share = options.top_p * total_of(candidates);
    double sum = 0;
    size_t kept = 0;
    while (kept < candidates.size() && (kept == 0 || sum < share)) sum += candidates[kept++].weight;
    candidates.resize(kept);
  }
  std::sort(candidates.begin(), candidates.end(),
            [](const auto& a, const auto& b) { return a.token < b.token; });
}

tl::unexpected<Error> invalid(std::string message) {
  return fail(ErrorCode::kInvalid, std::move(message));
}

}  // namespace

Result<void> check_generate(const GptConfig& config, std::span<const uint32_t> prompt,
                            const GenerateOptions& options) {
  const SamplingOptions& sampling = options.sampling;
  if (prompt.empty()) return invalid("the prompt is empty, expected at least one token");
  if (prompt.size() > config.context) {
    return invalid(fmt::format("the prompt has {} tokens, the model's context is {}", prompt.size(),
                               config.context));
  }
  if (!(sampling.temperature >= 0) || std::isinf(sampling.temperature)) {
    return invalid(fmt::format("the temperature is {}, expected 0 or more", sampling.temperature));
  }
  if (!(sampling.top_p > 0 && sampling.top_p <= 1)) {
    return invalid(fmt::format("top-p is {}, expected above 0 and at most 1", sampling.top_p));
  }
  return {};
}

uint32_t sample_token(std::span<const float> logits, const SamplingOptions& options,
                      double uniform) {
  const auto likeliest = std::max_element(logits.begin(), logits.end());
  if (options.temperature == 0) return static_cast<uint32_t>(likeliest - logits.begin());
  std::vector<Candidate> candidates = candidates_of(logits, options.temperature);
  keep_likeliest(candidates, logits, options);
  double left = uniform * total_of(candidates);
  for (const Candidate& candidate : candidates) {
    left -= candidate.weight;
    if (left < 0) return candidate.token;
  }
  return static_cast<uint32_t>(likeliest - logits.begin());  // rounding left a rest
}

NextLogits cached_logits(Decoder& decoder) {
  decoder.clear();
  return [&decoder, read = std::vector<uint32_t>()](std::span<const uint32_t> window,
                                                    std::span<float> logits) mutable {
    const bool longer =
        window.size() > read.size() && std::equal(read.begin(), read.end(), window.begin());
    if (!longer) {
      decoder.clear();
      read.clear();
    }
    auto done = decoder.append(window.subspan(read.size()), logits);
    if (done) read.assign(window.begin(), window.end());
    return done;
  };
}

NextLogits whole_logits(Gpt& model, std::span<const float> parameters) {
  return [&model, parameters](std::span<const uint32_t> window, std::span<float> logits) {
    return model.logits(parameters, window, logits);
  };
}

size_t window_begin(size_t length, size_t context) {
  if (length <= context) return 0;
  const size_t stride = std::max<size_t>(1, context / 2);
  return (length - context + stride - 1) / stride * stride;
}

Result<std::vector<uint32_t>> generate(const NextLogits& next, const GptConfig& config,
                                       std::span<const uint32_t> prompt,
                                       const GenerateOptions& options) {
  if (auto checked = check_generate(config, prompt, options); !checked) {
    return tl::unexpected(checked.error());
  }
  std::vector<uint32_t> text(prompt.begin(), prompt.end());
  std::vector<float> logits(config.vocabulary);
  for (uint32_t i = 0; i < options.tokens; ++i) {
    const size_t begin = window_begin(text.size(), config.context);
    if (auto done = next(std::span<const uint32_t>(text).subspan(begin), logits); !done) {
      return tl::unexpected(done.error());
    }
    if (std::any_of(logits.begin(), logits.end(), [](float l) { return !std::isfinite(l); })) {
      return invalid("the model's logits are not finite");
    }
    text.push_back(
        sample_token(logits, options.sampling, uniform(options.seed, kSamplingStream, i)));
    if (options.told && !options.told(text.back())) break;
  }
  return std::vector<uint32_t>(text.begin() + static_cast<ptrdiff_t>(prompt.size()), text.end());
}

}  // namespace ballast
