// The decoder against the whole model: the same logits wherever a text is cut, up to rounding.
#include "services/engine/decoder.h"

#include <gtest/gtest.h>

#include "tests/engine/reference.h"

namespace ballast {
namespace {

// Dropout acts in training alone.
constexpr GptConfig kConfig{.layers = 2,
                            .heads = 3,
                            .channels = 15,
                            .context = 140,
                            .vocabulary = 23,
                            .activation = Gelu::kExact,
                            .dropout = 0.2};

class DecoderTest : public testing::Test {
 protected:
  DecoderTest() : parameters_(model_.layout().elements) {
    gpt_initial_values(kConfig, model_.layout(), 5, 0, parameters_);
    for (float& value : parameters_) value *= 3;
  }
  void expect_as_whole(const std::vector<float>& found, std::span<const uint32_t> text) {
    std::vector<float> expected(kConfig.vocabulary);
    ASSERT_TRUE(model_.logits(parameters_, text, expected));
    for (size_t i = 0; i < expected.size(); ++i) {
      ASSERT_NEAR(found[i], expected[i], 2e-5 * (1 + std::abs(expected[i])))
          << text.size() << " tokens, logit " << i;
    }
  }
  ThreadPool pool_{2};
  Compute compute_{&pool_, &best_kernels()};
  Gpt model_{kConfig, 1, compute_};
  std::vector<float> parameters_;
  std::vector<float> logits_ = std::vector<float>(kConfig.vocabulary);
};

TEST_F(DecoderTest, GivesTheLogitsOfTheWholeModelWhereverTheTextIsCut) {
  const auto text = reference::some_tokens(kConfig.context, kConfig.vocabulary, 1);
  for (const size_t cut : {1u, 7u, 63u, 64u, 65u, 140u}) {
    Decoder decoder(kConfig, parameters_, compute_);
    for (size_t begin = 0; begin < text.size(); begin += cut) {
      const size_t end = std::min(begin + cut, text.size());
      ASSERT_TRUE(decoder.append(std::span(text).subspan(begin, end - begin), logits_));
      EXPECT_EQ(decoder.length(), end);
      expect_as_whole(logits_, std::span(text).first(end));
    }
  }
}

TEST_F(DecoderTest, ForgetsWhenCleared) {
  const auto first = reference::some_tokens(100, kConfig.vocabulary, 1);
  const auto second = reference::some_tokens(70, kConfig.vocabulary, 2);
  Decoder decoder(kConfig, parameters_, compute_);
  ASSERT_TRUE(decoder.append(first, logits_));
  decoder.clear();
  ASSERT_TRUE(decoder.append(second, logits_));
  expect_as_whole(logits_, second);
}

TEST_F(DecoderTest, RefusesWhatHasNoPlaceAndReadsNothingOfIt) {
  const auto text = reference::some_tokens(kConfig.context, kConfig.vocabulary, 1);
  Decoder decoder(kConfig, parameters_, compute_);
  ASSERT_TRUE(decoder.append(std::span(text).first(5), logits_));
  const std::vector<uint32_t> outside{1, 23};
  for (const auto& bad : {std::span<const uint32_t>(), std::span<const uint32_t>(outside),
                          std::span<const uint32_t>(text)}) {
    const auto done = decoder.append(bad, logits_);
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().code, ErrorCode::kInvalid);
    EXPECT_EQ(decoder.length(), 5u);
  }
  ASSERT_TRUE(decoder.append(std::span(text).subspan(5), logits_));
  expect_as_whole(logits_, text);
}

}  // namespace
}  // namespace ballast
