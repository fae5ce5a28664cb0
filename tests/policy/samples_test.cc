// Speeds out of counters: what a change of the load does to them.
#include "operator/policy/job_samples.h"

#include <gtest/gtest.h>

#include "tests/policy/simulated_job.h"

namespace ballast::policy {
namespace {

using scrape::Growth;

// `count` pieces of one second at a speed, +- `noise`.
void add(std::vector<Growth>& pieces, int count, double speed, double noise, Random& random) {
  for (int i = 0; i < count; ++i) {
    const TimeMs from = pieces.empty() ? 0 : pieces.back().to_ms;
    pieces.push_back({from, from + 1000, speed * (1 + noise * (2 * random.unit() - 1)), 1});
  }
}

TEST(SteadyMean, IsTheMeanWhereNothingChanged) {
  Random random(1);
  std::vector<Growth> pieces;
  EXPECT_FALSE(steady_mean(pieces, {}));
  add(pieces, 1, 10, 0, random);
  EXPECT_EQ(steady_mean(pieces, {}), 10);
  add(pieces, 100, 10, 0.2, random);
  EXPECT_NEAR(*steady_mean(pieces, {}), 10, 0.3);
}

TEST(SteadyMean, ForgetsWhatWasBeforeAChange) {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    Random random(seed);
    std::vector<Growth> pieces;
    add(pieces, 60, 10, 0.2, random);
    for (int after = 4; after < 60; after += 4) {
      add(pieces, 4, 5, 0.2, random);
      EXPECT_NEAR(*steady_mean(pieces, {}), 5, 1) << "seed " << seed << " after " << after;
    }
  }
}

TEST(SteadyMean, ForgetsTheFirstOfTwoChangesToo) {
  Random random(3);
  std::vector<Growth> pieces;
  add(pieces, 40, 10, 0.1, random);
  add(pieces, 20, 3, 0.1, random);
  add(pieces, 10, 9, 0.1, random);
  EXPECT_NEAR(*steady_mean(pieces, {}), 9, 0.5);
}

TEST(SteadyMean, TakesNoiseForNoise) {
  int far = 0;
  for (uint64_t seed = 1; seed <= 1000; ++seed) {
    Random random(seed);
    std::vector<Growth> pieces;
    add(pieces, 60, 10, 0.5, random);
    far += std::abs(*steady_mean(pieces, {}) - 10) > 1.5;
  }
  EXPECT_LE(far, 10) << "of 1000";
}

}  // namespace
}  // namespace ballast::policy
