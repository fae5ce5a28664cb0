// The kernel tables: all give the same bits; the exponential and the scalar functions are accurate.
#include "services/engine/kernels.h"

#include <cmath>
#include <cstring>

#include <gtest/gtest.h>

#include "services/engine/math.h"
#include "tests/engine/reference.h"

namespace ballast {
namespace {

using Floats = std::vector<float>;

// Everything a table computes, at a size that is no multiple of the vector width.
Floats everything(const KernelTable& kernels, size_t columns) {
  constexpr size_t kRows = 5;
  const size_t count = kRows * columns;
  const Floats a = reference::normal_floats(count, 1, 3);
  const Floats b = reference::normal_floats(count, 2);
  Floats all;
  const auto keep = [&](const Floats& part) { all.insert(all.end(), part.begin(), part.end()); };
  Floats out(count);
  kernels.add(a.data(), b.data(), out.data(), count);
  keep(out);
  kernels.add_bias(out.data(), columns, kRows, columns, b.data());
  keep(out);
  kernels.column_sums(a.data(), kRows, columns, 0, columns, out.data());
  keep(out);
  for (const auto forward : {kernels.gelu_tanh_forward, kernels.gelu_exact_forward}) {
    forward(a.data(), out.data(), count);
    keep(out);
  }
  for (const auto backward : {kernels.gelu_tanh_backward, kernels.gelu_exact_backward}) {
    out = b;
    backward(a.data(), out.data(), count);
    keep(out);
  }
  const DropoutMask mask{.key = {1, 2}, .nonce = 3, .site = 4, .threshold = 20000, .scale = 1.5F};
  kernels.dropout(
      mask,
      {.first_row = 9, .first_column = 128, .rows = kRows, .columns = columns, .stride = columns},
      a.data(), out.data());
  keep(out);
  Floats mean(kRows);
  Floats scale(kRows);
  kernels.layer_norm_forward(
      {a.data(), b.data(), b.data(), out.data(), mean.data(), scale.data(), columns}, 0, kRows);
  keep(out);
  keep(mean);
  keep(scale);
  Floats gain(columns);
  Floats bias(columns);
  const LayerNormGradients op{a.data(),   b.data(),    mean.data(), scale.data(), b.data(),
                              out.data(), gain.data(), bias.data(), kRows,        columns};
  kernels.layer_norm_backward_rows(op, 0, kRows);
  kernels.layer_norm_backward_columns(op, 0, columns);
  keep(out);
  keep(gain);
  keep(bias);
  kernels.row_dots(a.data(), b.data(), columns, kRows, columns, mean.data());
  keep(mean);
  kernels.scale_rows(out.data(), columns, kRows, columns, mean.data());
  keep(out);
  Floats scores = a;
  Floats maximum(kRows, -1.0F);
  Floats sum(kRows, 2.0F);
  Floats decay(kRows);
  const ScoreBlock block{scores.data(), columns, kRows, columns, columns / 2 + 1, 0.3F};
  kernels.attention_block_forward(block, maximum.data(), sum.data(), decay.data());
  keep(scores);
  keep(maximum);
  keep(sum);
  keep(decay);
  out = b;
  kernels.attention_block_backward(block, maximum.data(), sum.data(), decay.data(), out.data());
  keep(scores);
  keep(out);
  scores = a;
  const double loss = kernels.cross_entropy_row(scores.data(), count, 1);
  keep(scores);
  all.push_back(static_cast<float>(loss));
  return all;
}

TEST(Kernels, EveryTableGivesTheSameBits) {
  const KernelTable* tables[3] = {};
  const size_t count = available_kernels(tables);
  for (const size_t columns : {3u, 16u, 31u, 64u, 257u}) {
    const Floats expected = everything(*tables[0], columns);
    for (size_t i = 1; i < count; ++i) {
      const Floats found = everything(*tables[i], columns);
      EXPECT_EQ(std::memcmp(found.data(), expected.data(), found.size() * sizeof(float)), 0)
          << tables[i]->name << ", " << columns << " columns";
    }
  }
}

// exp as a row of attention sees it: the weight of a score that lies `below` under the maximum.
TEST(Kernels, ExponentialIsAccurateDownToSubnormals) {
  for (int i = 0; i < 110000; ++i) {
    const float below = -static_cast<float>(i) * 0.001F;
    float scores[1] = {below};
    float maximum[1] = {0};
    float sum[1] = {0};
    float decay[1] = {0};
    best_kernels().attention_block_forward({scores, 1, 1, 1, 1, 1.0F}, maximum, sum, decay);
    const double expected = std::exp(static_cast<double>(below));
    ASSERT_NEAR(scores[0], expected, 2.5e-7 * expected + 1.5e-45) << below;
  }
}

// The share of the normal distribution below x, as exact gelu sees it; the bounds of
// kernels/gelu.h.
TEST(Kernels, NormalDistributionIsAccurate) {
  for (int i = -12000; i <= 12000; ++i) {
    const float x = static_cast<float>(i) * 0.001F + 0.0003F;
    float out[1] = {};
    best_kernels().gelu_exact_forward(&x, out, 1);
    const double expected = 0.5 * std::erfc(-static_cast<double>(x) / std::sqrt(2.0));
    const double found = out[0] / static_cast<double>(x);
    ASSERT_NEAR(found, expected, 2.5e-7) << x;
    if (x < 0) {
      ASSERT_NEAR(found / expected, 1, 5e-7 * (1 + x * x)) << x;
    }
  }
}

TEST(Math, LogarithmIsAccurate) {
  for (double x = 1e-300; x < 1e300; x *= 1.37) {
    ASSERT_NEAR(logarithm(x), std::log(x), 4e-16 * (1 + std::abs(std::log(x)))) << x;
  }
  for (double x = 0.5; x < 2; x += 0.001) {
    ASSERT_NEAR(logarithm(x), std::log(x), 3e-16) << x;
  }
  EXPECT_EQ(logarithm(1), 0.0);
  EXPECT_TRUE(std::isnan(logarithm(std::nan(""))));
  EXPECT_TRUE(std::isinf(logarithm(INFINITY)));
}

TEST(Math, ExponentialIsAccurate) {
  for (double x = -700; x <= 0; x += 0.0371) {
    ASSERT_NEAR(exponential_below_zero(x) / std::exp(x), 1, 1e-13) << x;
  }
  EXPECT_EQ(exponential_below_zero(0), 1.0);
  EXPECT_EQ(exponential_below_zero(-1e9), 0.0);
}

TEST(Math, SineAndCosineAreAccurate) {
  for (int i = 0; i < 4096; ++i) {
    const double turns = i / 4096.0;
    ASSERT_NEAR(sine_cosine(turns).sine, std::sin(2 * M_PI * turns), 1e-15) << turns;
    ASSERT_NEAR(sine_cosine(turns).cosine, std::cos(2 * M_PI * turns), 1e-15) << turns;
  }
}

}  // namespace
}  // namespace ballast
