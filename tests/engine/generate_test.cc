#include "services/engine/generate.h"

#include <cmath>

#include <gtest/gtest.h>

namespace ballast {
namespace {

constexpr GptConfig kConfig{.layers = 1, .heads = 2, .channels = 8, .context = 5, .vocabulary = 13};

class Generate : public testing::Test {
 protected:
  Generate() : parameters_(model_.layout().elements) {
    gpt_initial_values(kConfig, model_.layout(), 3, 0, parameters_);
  }
  ThreadPool pool_{1};
  Gpt model_{kConfig, 1, {&pool_, &best_kernels()}};
  std::vector<float> parameters_;
};

TEST_F(Generate, SameSeedSameTokensBeyondTheContext) {
  const std::vector<uint32_t> prompt{1, 2, 3};
  const GenerateOptions options{.tokens = 40, .temperature = 1.0, .seed = 8};
  const auto first = generate(model_, parameters_, prompt, options);
  ASSERT_TRUE(first);
  EXPECT_EQ(first->size(), 40u);
  EXPECT_EQ(*first, *generate(model_, parameters_, prompt, options));
  EXPECT_NE(*first,
            *generate(model_, parameters_, prompt, {.tokens = 40, .temperature = 1.0, .seed = 9}));
}

TEST_F(Generate, RefusesBadInput) {
  EXPECT_EQ(generate(model_, parameters_, {}, {.tokens = 1}).error().message,
            "the prompt is empty, expected at least one token");
  const std::vector<uint32_t> outside{13};
  EXPECT_EQ(generate(model_, parameters_, outside, {.tokens = 1}).error().message,
            "token number 0 is 13, the vocabulary has 13");
  const std::vector<uint32_t> prompt{1};
  EXPECT_FALSE(generate(model_, parameters_, prompt, {.tokens = 1, .temperature = -1}));
  EXPECT_FALSE(generate(model_, parameters_, prompt, {.tokens = 1, .temperature = std::nan("")}));
  parameters_[0] = std::nanf("");
  const std::vector<uint32_t> zero{0};
  EXPECT_EQ(generate(model_, parameters_, zero, {.tokens = 1}).error().message,
            "the model's logits are not finite");
}

TEST(SampleToken, FollowsTheSoftmax) {
  const std::vector<float> logits{std::log(1.0F), std::log(3.0F), std::log(4.0F)};  // 1/8 3/8 4/8
  EXPECT_EQ(sample_token(logits, 1, 0.0), 0u);
  EXPECT_EQ(sample_token(logits, 1, 0.124), 0u);
  EXPECT_EQ(sample_token(logits, 1, 0.126), 1u);
  EXPECT_EQ(sample_token(logits, 1, 0.499), 1u);
  EXPECT_EQ(sample_token(logits, 1, 0.501), 2u);
  EXPECT_EQ(sample_token(logits, 1, 1 - 0x1p-53), 2u);
  EXPECT_EQ(sample_token(logits, 0, 0.0), 2u);
  EXPECT_EQ(sample_token(logits, 0.01, 0.0001), 2u);
}

}  // namespace
}  // namespace ballast
