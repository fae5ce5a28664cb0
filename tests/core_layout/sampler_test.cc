// Which windows a microbatch reads: fixed values, each window once a data pass, the validation
// tail.
#include "services/core/sampler.h"

#include <algorithm>
#include <numeric>
#include <set>

#include <gtest/gtest.h>
#include <rapidcheck.h>

namespace ballast {
namespace {

// Positions of the sequences [0, count) of the endless row of passes, through the public function.
std::vector<uint64_t> row(const SamplerConfig& config, uint64_t count) {
  std::vector<uint64_t> positions;
  for (Step step = 0; positions.size() < count; ++step) {
    for (Microbatch v = 0; v < config.microbatches; ++v) {
      const auto part = sample_positions(config, step, v);
      positions.insert(positions.end(), part.begin(), part.end());
    }
  }
  positions.resize(count);
  return positions;
}

TEST(SamplePositions, AreFixedForever) {
  // A changed permutation would change the result of every job that is continued.
  const SamplerConfig config{
      .seed = 1337, .train_tokens = 1001, .context = 10, .batch = 4, .microbatches = 2};
  EXPECT_EQ(sample_positions(config, 0, 0), (std::vector<uint64_t>{970, 860}));
  EXPECT_EQ(sample_positions(config, 0, 1), (std::vector<uint64_t>{20, 260}));
  EXPECT_EQ(sample_positions(config, 1000, 1), (std::vector<uint64_t>{290, 590}));
}

TEST(SamplePositions, OneWindowIsReadAgainAndAgain) {
  const SamplerConfig config{
      .seed = 1, .train_tokens = 9, .context = 8, .batch = 2, .microbatches = 1};
  EXPECT_EQ(sample_positions(config, 7, 0), (std::vector<uint64_t>{0, 0}));
}

TEST(SamplePositions, PassesAndSeedsDiffer) {
  SamplerConfig config{
      .seed = 5, .train_tokens = 6401, .context = 64, .batch = 100, .microbatches = 1};
  const auto first = sample_positions(config, 0, 0);
  EXPECT_NE(first, sample_positions(config, 1, 0));
  config.seed = 6;
  EXPECT_NE(first, sample_positions(config, 0, 0));
}

TEST(SamplePositions, OrderLooksRandom) {
  // Neighbours in the row are neighbours in the text about as often as chance has it.
  const SamplerConfig config{
      .seed = 3, .train_tokens = 100001, .context = 10, .batch = 10000, .microbatches = 1};
  const auto positions = sample_positions(config, 0, 0);
  int neighbours = 0;
  int ascending = 0;
  for (size_t i = 1; i < positions.size(); ++i) {
    neighbours += positions[i] == positions[i - 1] + 10;
    ascending += positions[i] > positions[i - 1];
  }
  EXPECT_LT(neighbours, 12);
  EXPECT_NEAR(ascending, 5000, 200);
}

TEST(SamplerProperties, EachDataPassVisitsEachWindowOnce) {
  EXPECT_TRUE(rc::check("one visit a pass", [] {
    SamplerConfig config;
    config.seed = *rc::gen::arbitrary<uint64_t>();
    config.context = *rc::gen::inRange(1u, 9u);
    config.microbatches = 1u << *rc::gen::inRange(0, 3);
    config.batch = config.microbatches * *rc::gen::inRange(1u, 5u);
    config.train_tokens = config.context + 1 + *rc::gen::inRange<uint64_t>(0, 700);
    const uint64_t windows = (config.train_tokens - 1) / config.context;
    const auto positions = row(config, 2 * windows);
    for (uint64_t pass = 0; pass < 2; ++pass) {
      std::set<uint64_t> seen;
      for (uint64_t i = 0; i < windows; ++i) {
        const uint64_t position = positions[pass * windows + i];
        RC_ASSERT(position % config.context == 0u);
        RC_ASSERT(position + config.context + 1 <= config.train_tokens);
        seen.insert(position);
      }
      RC_ASSERT(seen.size() == windows);
    }
  }));
}

TEST(SamplerProperties, MicrobatchesOnlyCutTheStep) {
  EXPECT_TRUE(rc::check("same global batch", [] {
    SamplerConfig one{.seed = *rc::gen::arbitrary<uint64_t>(),
                      .train_tokens = *rc::gen::inRange<uint64_t>(9, 5000),
                      .context = 8,
                      .batch = 16,
                      .microbatches = 1};
    SamplerConfig many = one;
    many.microbatches = 1u << *rc::gen::inRange(0, 5);
    RC_ASSERT(row(one, 64) == row(many, 64));
  }));
}

TEST(EvaluationPositions, SpreadEvenlyOverTheTail) {
  // Tail of 401 tokens: 40 windows of 10; 4 sequences take every tenth.
  EXPECT_EQ(evaluation_positions(1000, 1401, 10, 2, 2, 0), (std::vector<uint64_t>{1000, 1100}));
  EXPECT_EQ(evaluation_positions(1000, 1401, 10, 2, 2, 1), (std::vector<uint64_t>{1200, 1300}));
  EXPECT_TRUE(evaluation_positions(1000, 1401, 10, 2, 2, 2).empty());
}

TEST(EvaluationPositions, FewWindowsGiveFewSequences) {
  EXPECT_EQ(evaluation_positions(100, 131, 10, 2, 4, 0), (std::vector<uint64_t>{100, 110}));
  EXPECT_EQ(evaluation_positions(100, 131, 10, 2, 4, 1), (std::vector<uint64_t>{120}));
  EXPECT_TRUE(evaluation_positions(100, 131, 10, 2, 4, 2).empty());
  EXPECT_TRUE(evaluation_positions(100, 110, 10, 2, 4, 0).empty());
  EXPECT_TRUE(evaluation_positions(100, 100, 10, 2, 4, 0).empty());
}

TEST(SamplerProperties, EvaluationWindowsAreDistinctAndInTheTail) {
  EXPECT_TRUE(rc::check("evaluation", [] {
    const auto train = *rc::gen::inRange<uint64_t>(0, 1000);
    const auto total = train + *rc::gen::inRange<uint64_t>(0, 1000);
    const auto context = *rc::gen::inRange(1u, 20u);
    const auto sequences = *rc::gen::inRange(1u, 6u);
    const auto batches = *rc::gen::inRange(1u, 9u);
    std::vector<uint64_t> all;
    for (uint32_t e = 0; e < batches; ++e) {
      const auto part = evaluation_positions(train, total, context, sequences, batches, e);
      RC_ASSERT(part.size() <= sequences);
      all.insert(all.end(), part.begin(), part.end());
    }
    const uint64_t windows = total == train ? 0 : (total - train - 1) / context;
    RC_ASSERT(all.size() == std::min<uint64_t>(windows, uint64_t{sequences} * batches));
    for (size_t i = 0; i < all.size(); ++i) {
      RC_ASSERT(all[i] >= train);
      RC_ASSERT(all[i] + context + 1 <= total);
      if (i > 0) {
        RC_ASSERT(all[i] >= all[i - 1] + context);
      }
    }
  }));
}

}  // namespace
}  // namespace ballast
