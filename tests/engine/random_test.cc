#include "services/engine/random.h"

#include <cmath>

#include <gtest/gtest.h>

namespace ballast {
namespace {

// The known answers that come with the Random123 library, for philox4x32 with 10 rounds.
TEST(Philox, GivesThePublishedAnswers) {
  EXPECT_EQ(philox({0, 0, 0, 0}, {0, 0}),
            (PhiloxCounter{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  constexpr uint32_t kOnes = 0xffffffff;
  EXPECT_EQ(philox({kOnes, kOnes, kOnes, kOnes}, {kOnes, kOnes}),
            (PhiloxCounter{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (PhiloxCounter{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Normal, HasTheMomentsOfTheStandardNormalDistribution) {
  constexpr int kBlocks = 100000;
  double moments[5] = {};
  int beyond_two = 0;
  for (int i = 0; i < kBlocks; ++i) {
    for (const double z : normal_block(1, 2, static_cast<uint64_t>(i))) {
      double power = 1;
      for (double& moment : moments) {
        moment += power / (4.0 * kBlocks);
        power *= z;
      }
      beyond_two += std::abs(z) > 2;
    }
  }
  EXPECT_NEAR(moments[1], 0, 0.01);
  EXPECT_NEAR(moments[2], 1, 0.01);
  EXPECT_NEAR(moments[3], 0, 0.03);
  EXPECT_NEAR(moments[4], 3, 0.06);
  EXPECT_NEAR(beyond_two / (4.0 * kBlocks), 0.0455, 0.002);
}

TEST(Normal, StreamsSeedsAndBlocksDiffer) {
  const auto base = normal_block(1, 2, 3);
  EXPECT_EQ(base, normal_block(1, 2, 3));
  EXPECT_NE(base, normal_block(2, 2, 3));
  EXPECT_NE(base, normal_block(1, 3, 3));
  EXPECT_NE(base, normal_block(1, 2, 4));
  EXPECT_NE(base, normal_block(uint64_t{1} << 32, 2, 3));
}

TEST(Uniform, LiesInTheUnitInterval) {
  double sum = 0;
  for (uint64_t i = 0; i < 10000; ++i) {
    const double u = uniform(5, 6, i);
    ASSERT_GE(u, 0);
    ASSERT_LT(u, 1);
    sum += u;
  }
  EXPECT_NEAR(sum / 10000, 0.5, 0.01);
}

}  // namespace
}  // namespace ballast
