// Sampling row by row; the text that a seed gives, with kept keys and values and without; the
// window that a model sees.
#include "services/engine/generate.h"

#include <cmath>

#include <gtest/gtest.h>

namespace ballast {
namespace {

constexpr GptConfig kConfig{.layers = 1, .heads = 2, .channels = 8, .context = 5, .vocabulary = 13};
// More than two blocks of attention.
constexpr GptConfig kLong{
    .layers = 2, .heads = 3, .channels = 24, .context = 150, .vocabulary = 29};

struct Model {
  explicit Model(const GptConfig& shape, float factor = 1, size_t threads = 1)
      : config(shape), pool(threads), gpt(shape, 1, {&pool, &best_kernels()}) {
    parameters.resize(gpt.layout().elements);
    gpt_initial_values(config, gpt.layout(), 3, 0, parameters);
    for (float& value : parameters) value *= factor;
  }
  Compute compute() { return {&pool, &best_kernels()}; }
  Result<std::vector<uint32_t>> text(const std::vector<uint32_t>& prompt,
                                     const GenerateOptions& options, bool cached = true) {
    Decoder decoder(config, parameters, compute());
    const NextLogits next = cached ? cached_logits(decoder) : whole_logits(gpt, parameters);
    return generate(next, config, prompt, options);
  }
  GptConfig config;
  ThreadPool pool;
  Gpt gpt;
  std::vector<float> parameters;
};

GenerateOptions options_of(uint32_t tokens, uint64_t seed, const SamplingOptions& sampling = {}) {
  return {.tokens = tokens, .seed = seed, .sampling = sampling, .told = {}};
}

TEST(Generate, SameSeedSameTokensBeyondTheContext) {
  Model model(kConfig);
  const auto first = model.text({1, 2, 3}, options_of(40, 8));
  ASSERT_TRUE(first) << first.error().message;
  EXPECT_EQ(first->size(), 40u);
  EXPECT_EQ(*first, *model.text({1, 2, 3}, options_of(40, 8)));
  EXPECT_NE(*first, *model.text({1, 2, 3}, options_of(40, 9)));
}

TEST(Generate, TheCacheChangesNoText) {
  const SamplingOptions rows[] = {
      {}, {.temperature = 0.7, .top_k = 9, .top_p = 0.9}, {.temperature = 0}};
  for (const GptConfig& config : {kConfig, kLong}) {
    Model model(config, 4);  // far enough from the start that tokens differ in likelihood
    for (const SamplingOptions& sampling : rows) {
      const GenerateOptions options = options_of(3 * config.context, 5, sampling);
      const auto cached = model.text({1, 2, 3}, options, true);
      const auto whole = model.text({1, 2, 3}, options, false);
      ASSERT_TRUE(cached && whole);
      EXPECT_EQ(*cached, *whole) << "context " << config.context;
    }
  }
}

TEST(Generate, ThreadsChangeNoText) {
  Model one(kLong, 4, 1);
  Model three(kLong, 4, 3);
  EXPECT_EQ(*one.text({7}, options_of(300, 1)), *three.text({7}, options_of(300, 1)));
}

TEST(Generate, TellsEachTokenAndStopsWhenToldTo) {
  Model model(kConfig);
  std::vector<uint32_t> told;
  GenerateOptions options = options_of(40, 8);
  options.told = [&](uint32_t token) {
    told.push_back(token);
    return told.size() < 7;
  };
  EXPECT_EQ(*model.text({1}, options), told);
  EXPECT_EQ(told.size(), 7u);
}

TEST(Generate, RefusesBadInput) {
  Model model(kConfig);
  const auto error_of = [&](const std::vector<uint32_t>& prompt, const SamplingOptions& sampling) {
    const auto text = model.text(prompt, options_of(1, 0, sampling));
    return text ? std::string("accepted") : text.error().message;
  };
  EXPECT_EQ(error_of({}, {}), "the prompt is empty, expected at least one token");
  EXPECT_EQ(error_of({13}, {}), "token number 0 is 13, the vocabulary has 13");
  EXPECT_EQ(error_of({1, 1, 1, 1, 1}, {}), "accepted");
  EXPECT_EQ(error_of({1, 1, 1, 1, 1, 1}, {}), "the prompt has 6 tokens, the model's context is 5");
  EXPECT_NE(error_of({1}, {.temperature = -1}).find("temperature"), std::string::npos);
  EXPECT_NE(error_of({1}, {.temperature = std::nan("")}).find("temperature"), std::string::npos);
  for (const double share : {0.0, -1.0, 1.5, std::nan("")}) {
    EXPECT_NE(error_of({1}, {.top_p = share}).find("top-p"), std::string::npos) << share;
  }
  model.parameters[0] = std::nanf("");
  EXPECT_EQ(error_of({0}, {}), "the model's logits are not finite");
}

TEST(WindowBegin, MovesByHalfAContextOnceTheContextIsFull) {
  const struct {
    size_t length;
    size_t context;
    size_t expected;
  } rows[] = {{1, 8, 0},  {8, 8, 0},    {9, 8, 4}, {12, 8, 4}, {13, 8, 8},
              {16, 8, 8}, {100, 8, 92}, {2, 1, 1}, {3, 1, 2},  {6, 5, 2}};
  for (const auto& row : rows) {
    EXPECT_EQ(window_begin(row.length, row.context), row.expected) << row.length;
  }
  for (size_t context = 1; context < 20; ++context) {
    for (size_t length = 1; length < 100; ++length) {
      const size_t seen = length - window_begin(length, context);
      EXPECT_TRUE(seen >= 1 && seen <= context);
      EXPECT_TRUE(seen == length || 2 * seen > context) << context << " " << length;
    }
  }
}

TEST(SampleToken, FollowsTheSoftmax) {
  const std::vector<float> logits{std::log(1.0F), std::log(3.0F), std::log(4.0F)};  // 1/8 3/8 4/8
  const struct {
    SamplingOptions options;
    double uniform;
    uint32_t expected;
  } rows[] = {
      {{}, 0.0, 0},
      {{}, 0.124, 0},
      {{}, 0.126, 1},
      {{}, 0.499, 1},
      {{}, 0.501, 2},
      {{}, 1 - 0x1p-53, 2},
      {{.temperature = 0}, 0.0, 2},
      {{.temperature = 0.01}, 0.0001, 2},
      {{.top_k = 1}, 0.0, 2},
      {{.top_k = 2}, 0.0, 1},  // 3/7 and 4/7 are left
      {{.top_k = 2}, 0.428, 1},
      {{.top_k = 2}, 0.429, 2},
      {{.top_k = 3}, 0.0, 0},
      {{.top_k = 9}, 0.0, 0},
      {{.top_p = 0.49}, 0.0, 2},
      {{.top_p = 0.51}, 0.0, 1},
      {{.top_p = 0.51}, 0.429, 2},
      {{.top_p = 0.88}, 0.0, 0},
      {{.top_p = 1e-9}, 0.0, 2},
      {{.top_k = 2, .top_p = 0.57}, 0.0, 2},  // of the two that are left one has 4/7
      {{.top_k = 2, .top_p = 0.58}, 0.0, 1},
  };
  for (const auto& row : rows) {
    EXPECT_EQ(sample_token(logits, row.options, row.uniform), row.expected)
        << "temperature " << row.options.temperature << " k " << row.options.top_k << " p "
        << row.options.top_p << " at " << row.uniform;
  }
}

TEST(SampleToken, OfEqualOnesTheFirstIsTheLikelier) {
  const std::vector<float> logits{1, 2, 2, 2};
  EXPECT_EQ(sample_token(logits, {.temperature = 0}, 0.9), 1u);
  EXPECT_EQ(sample_token(logits, {.top_k = 1}, 0.9), 1u);
  EXPECT_EQ(sample_token(logits, {.top_k = 2}, 0.9), 2u);
}

}  // namespace
}  // namespace ballast
