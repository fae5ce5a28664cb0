// Every operation at odd sizes: forward against a plain fp64 reference, backward against central
// differences of that reference. The scalar whose gradient is taken is sum(out * direction).
#include "services/engine/operations.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include <gtest/gtest.h>

#include "tests/engine/reference.h"

namespace ballast {
namespace {

using reference::normal_floats;
using reference::Numbers;
using reference::some_tokens;
using reference::widen;
using Floats = std::vector<float>;

constexpr float kGarbage = std::numeric_limits<float>::quiet_NaN();  // what outputs hold before

void expect_near(const Floats& found, const Numbers& expected, double tolerance) {
  ASSERT_EQ(found.size(), expected.size());
  for (size_t i = 0; i < found.size(); ++i) {
    ASSERT_NEAR(found[i], expected[i], tolerance * (1 + std::abs(expected[i]))) << "element " << i;
  }
}

double dot(const Numbers& a, const Floats& b) {
  double total = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    total += a[i] * static_cast<double>(b[i]);
  }
  return total;
}

// Compares a gradient with the slopes of f at `at`, at every stride-th element.
void expect_slopes(const std::function<double(const Numbers&)>& f, const Floats& at,
                   const Floats& gradient, size_t stride = 1) {
  ASSERT_EQ(at.size(), gradient.size());
  for (size_t i = 0; i < at.size(); i += stride) {
    const double expected = reference::slope(f, widen(at), i);
    ASSERT_NEAR(gradient[i], expected, 2e-4 * (1 + std::abs(expected))) << "element " << i;
  }
}

class Operations : public testing::TestWithParam<size_t> {
 protected:
  ThreadPool pool_{GetParam()};
  Compute compute_{&pool_, &best_kernels()};
};

INSTANTIATE_TEST_SUITE_P(Threads, Operations, testing::Values(1u, 3u));

TEST_P(Operations, Embedding) {
  for (const size_t channels : {1u, 5u, 70u, 128u}) {
    constexpr size_t kVocabulary = 11;
    constexpr size_t kContext = 9;
    const BatchShape shape{3, 7};
    const auto tokens = some_tokens(shape.rows(), kVocabulary, 1);
    const Embedding op{tokens.data(), channels, kContext};
    const Floats table = normal_floats(kVocabulary * channels, 1);
    const Floats positions = normal_floats(kContext * channels, 2);
    Floats out(shape.rows() * channels, kGarbage);
    embedding_forward(compute_, shape, op, table.data(), positions.data(), out.data());
    expect_near(
        out, reference::embedding(tokens, shape.length, channels, widen(table), widen(positions)),
        1e-6);

    const Floats direction = normal_floats(out.size(), 3);
    Floats table_gradient(table.size(), 2.0F);  // added to
    Floats position_gradient(positions.size(), kGarbage);
    embedding_backward(compute_, shape, op, direction.data(), table_gradient.data(),
                       position_gradient.data());
    for (float& value : table_gradient) {
      value -= 2.0F;
    }
    expect_slopes(
        [&](const Numbers& at) {
          return dot(reference::embedding(tokens, shape.length, channels, at, widen(positions)),
                     direction);
        },
        table, table_gradient, 3);
    expect_slopes(
        [&](const Numbers& at) {
          return dot(reference::embedding(tokens, shape.length, channels, widen(table), at),
                     direction);
        },
        positions, position_gradient, 3);
  }
}

TEST_P(Operations, LayerNorm) {
  for (const size_t columns : {1u, 3u, 16u, 33u, 100u}) {
    const size_t rows = 37;
    const Floats in = normal_floats(rows * columns, 1, 2);
    const Floats gain = normal_floats(columns, 2);
    const Floats bias = normal_floats(columns, 3);
    Floats out(in.size(), kGarbage);
    Floats mean(rows);
    Floats scale(rows);
    layer_norm_forward(
        compute_, rows,
        {in.data(), gain.data(), bias.data(), out.data(), mean.data(), scale.data(), columns});
    expect_near(out, reference::layer_norm(widen(in), widen(gain), widen(bias)), 1e-5);

    const Floats direction = normal_floats(in.size(), 4);
    Floats in_gradient(in.size(), kGarbage);
    Floats gain_gradient(columns, kGarbage);
    Floats bias_gradient(columns, kGarbage);
    LayerNormGradients op{.input = in.data(),
                          .gain = gain.data(),
                          .mean = mean.data(),
                          .scale = scale.data(),
                          .output_gradient = direction.data(),
                          .input_gradient = in_gradient.data(),
                          .gain_gradient = gain_gradient.data(),
                          .bias_gradient = bias_gradient.data(),
                          .rows = rows,
                          .columns = columns};
    layer_norm_backward(compute_, op);
    expect_slopes(
        [&](const Numbers& at) {
          return dot(reference::layer_norm(at, widen(gain), widen(bias)), direction);
        },
        in, in_gradient, 7);
    expect_slopes(
        [&](const Numbers& at) {
          return dot(reference::layer_norm(widen(in), at, widen(bias)), direction);
        },
        gain, gain_gradient);
    expect_slopes(
        [&](const Numbers& at) {
          return dot(reference::layer_norm(widen(in), widen(gain), at), direction);
        },
        bias, bias_gradient);

    Floats added(in.size(), 1.0F);
    op.input_gradient = added.data();
    op.accumulate = true;
    layer_norm_backward(compute_, op);
    for (size_t i = 0; i < added.size(); ++i) {
      ASSERT_EQ(added[i], 1.0F + in_gradient[i]);
    }
  }
}

TEST_P(Operations, Linear) {
  const Linear shapes[] = {{1, 1, 1}, {5, 3, 7}, {70, 33, 65}, {129, 20, 150}};
  for (const Linear& op : shapes) {
    const Floats in = normal_floats(op.rows * op.inputs, 1);
    const Floats weight = normal_floats(op.inputs * op.outputs, 2);
    const Floats bias = normal_floats(op.outputs, 3);
    Floats out(op.rows * op.outputs, kGarbage);
    linear_forward(compute_, op, in.data(), weight.data(), bias.data(), out.data());
    expect_near(out, reference::linear(widen(in), widen(weight), widen(bias)), 1e-5);

    const Floats direction = normal_floats(out.size(), 4);
    Floats in_gradient(in.size(), kGarbage);
    Floats weight_gradient(weight.size(), kGarbage);
    Floats bias_gradient(bias.size(), kGarbage);
    linear_backward(compute_, op, in.data(), weight.data(), direction.data(), in_gradient.data(),
                    weight_gradient.data(), bias_gradient.data());
    const size_t stride = 1 + in.size() / 40;
    expect_slopes(
        [&](const Numbers& at) {
          return dot(reference::linear(at, widen(weight), widen(bias)), direction);
        },
        in, in_gradient, stride);
    expect_slopes(
        [&](const Numbers& at) {
          return dot(reference::linear(widen(in), at, widen(bias)), direction);
        },
        weight, weight_gradient, stride);
    expect_slopes(
        [&](const Numbers& at) {
          return dot(reference::linear(widen(in), widen(weight), at), direction);
        },
        bias, bias_gradient, 5);
  }
}

TEST_P(Operations, Attention) {
  struct Row {
    BatchShape shape;
    Attention op;
  };
  const Row rows[] = {{{1, 1}, {1, 1}},
                      {{2, 5}, {2, 6}},
                      {{1, 64}, {1, 16}},
                      {{2, 65}, {3, 15}},
                      {{1, 150}, {1, 4}}};
  for (const Row& row : rows) {
    const BatchShape& shape = row.shape;
    const Attention& op = row.op;
    const Floats qkv = normal_floats(shape.rows() * 3 * op.channels, 1);
    Floats out(shape.rows() * op.channels, kGarbage);
    Floats maximum(op.heads * shape.rows());
    Floats inverse_sum(op.heads * shape.rows());
    attention_forward(compute_, shape, op, qkv.data(), out.data(), maximum.data(),
                      inverse_sum.data());
    expect_near(out, reference::attention(widen(qkv), shape.length, op.heads, op.channels), 1e-5);

    const Floats direction = normal_floats(out.size(), 2);
    Floats gradient(qkv.size(), kGarbage);
    attention_backward(compute_, shape, op, qkv.data(), out.data(), maximum.data(),
                       inverse_sum.data(), direction.data(), gradient.data());
    expect_slopes(
        [&](const Numbers& at) {
          return dot(reference::attention(at, shape.length, op.heads, op.channels), direction);
        },
        qkv, gradient, 1 + qkv.size() / 60);
  }
}

TEST_P(Operations, AttentionSurvivesLargeScores) {
  const BatchShape shape{1, 70};
  const Attention op{1, 2};
  Floats qkv = normal_floats(shape.rows() * 3 * op.channels, 1, 30);
  Floats out(shape.rows() * op.channels);
  Floats maximum(shape.rows());
  Floats inverse_sum(shape.rows());
  attention_forward(compute_, shape, op, qkv.data(), out.data(), maximum.data(),
                    inverse_sum.data());
  for (const float value : out) {
    ASSERT_TRUE(std::isfinite(value));
  }
}

TEST_P(Operations, Gelu) {
  for (const Gelu form : {Gelu::kTanh, Gelu::kExact}) {
    Floats in = normal_floats(1003, 1, 3);
    in[0] = 0;
    in[1] = 60;
    in[2] = -60;
    Floats out(in.size(), kGarbage);
    gelu_forward(compute_, form, in.size(), in.data(), out.data());
    expect_near(out, reference::gelu(form, widen(in)), 1e-6);

    const Floats direction = normal_floats(in.size(), 2);
    Floats gradient = direction;
    gelu_backward(compute_, form, in.size(), in.data(), gradient.data());
    for (size_t i = 0; i < in.size(); ++i) {
      const double expected =
          reference::slope([&](const Numbers& at) { return reference::gelu(form, at[0]); }, {in[i]},
                           0) *
          direction[i];
      ASSERT_NEAR(gradient[i], expected, 1e-5) << "at " << in[i];
    }
  }
}

constexpr DropoutKey kKey{.seed = 0x123456789abcdefULL, .step = 1ULL << 40, .microbatch = 3};

TEST_P(Operations, Dropout) {
  for (const size_t columns : {1u, 15u, 64u, 65u, 200u}) {
    for (const double probability : {0.0, 0.1, 0.5, 0.99999999}) {
      const size_t rows = 37;
      const DropoutMask mask = dropout_mask(kKey, 5, probability);
      const Floats in = normal_floats(rows * columns, 1);
      const Numbers expected = reference::dropout(widen(in), columns, mask);
      Floats out(in.size(), kGarbage);
      dropout_apply(compute_, mask, rows, columns, in.data(), out.data());
      expect_near(out, expected, 1e-6);
      Floats in_place = in;  // as backward does with a gradient: dropout is linear
      dropout_apply(compute_, mask, rows, columns, in_place.data(), in_place.data());
      EXPECT_EQ(in_place, out);
      EXPECT_EQ(probability == 0, in == out);
    }
  }
}

TEST_P(Operations, DropoutDropsItsShareAndOtherKeysDropOthers) {
  constexpr size_t kRows = 512;
  constexpr size_t kColumns = 256;
  const Floats ones(kRows * kColumns, 1.0F);
  const auto draw = [&](const DropoutKey& key, uint32_t site) {
    Floats out(ones.size());
    dropout_apply(compute_, dropout_mask(key, site, 0.25), kRows, kColumns, ones.data(),
                  out.data());
    return out;
  };
  const Floats first = draw(kKey, 0);
  const auto dropped = static_cast<double>(std::count(first.begin(), first.end(), 0.0F));
  const double count = kRows * kColumns;
  EXPECT_NEAR(dropped / count, 0.25, 4 * std::sqrt(0.25 * 0.75 / count));
  DropoutKey seed = kKey;
  seed.seed ^= 1ULL << 63;
  DropoutKey step = kKey;
  step.step ^= 1ULL << 63;
  DropoutKey microbatch = kKey;
  microbatch.microbatch++;
  for (const Floats& other : {draw(kKey, 1), draw(seed, 0), draw(step, 0), draw(microbatch, 0)}) {
    double both = 0;
    for (size_t i = 0; i < first.size(); ++i) both += first[i] == 0 && other[i] == 0;
    EXPECT_NEAR(both / count, 0.0625, 4 * std::sqrt(0.0625 * 0.9375 / count));
  }
  EXPECT_EQ(first, draw(kKey, 0));
}

TEST_P(Operations, AttentionWithDropout) {
  const BatchShape shape{2, 133};
  const DropoutMask mask = dropout_mask(kKey, 1, 0.3);
  const Attention op{.heads = 3, .channels = 15, .dropout = &mask};
  const Floats qkv = normal_floats(shape.rows() * 3 * op.channels, 1);
  const auto reference_out = [&](const Numbers& at) {
    return reference::attention(at, shape.length, op.heads, op.channels, mask);
  };
  Floats out(shape.rows() * op.channels, kGarbage);
  Floats maximum(op.heads * shape.rows());
  Floats inverse_sum(op.heads * shape.rows());
  attention_forward(compute_, shape, op, qkv.data(), out.data(), maximum.data(),
                    inverse_sum.data());
  expect_near(out, reference_out(widen(qkv)), 1e-5);
  const Floats direction = normal_floats(out.size(), 2);
  Floats gradient(qkv.size(), kGarbage);
  attention_backward(compute_, shape, op, qkv.data(), out.data(), maximum.data(),
                     inverse_sum.data(), direction.data(), gradient.data());
  expect_slopes([&](const Numbers& at) { return dot(reference_out(at), direction); }, qkv, gradient,
                1 + qkv.size() / 40);
}

TEST_P(Operations, Residual) {
  const Floats a = normal_floats(40001, 1);
  const Floats b = normal_floats(40001, 2);
  Floats out(a.size(), kGarbage);
  residual_forward(compute_, a.size(), a.data(), b.data(), out.data());
  for (size_t i = 0; i < a.size(); ++i) {
    ASSERT_EQ(out[i], a[i] + b[i]);
  }
}

TEST_P(Operations, Head) {
  const Head shapes[] = {{1, 1, 2}, {7, 5, 19}, {300, 3, 40}};
  for (const Head& op : shapes) {
    for (const size_t masked_every : {0u, 3u, 1u}) {  // none, some, all rows
      SCOPED_TRACE(testing::Message() << op.rows << " rows, masked every " << masked_every);
      const Floats in = normal_floats(op.rows * op.channels, 1);
      const Floats table = normal_floats(op.vocabulary * op.channels, 2);
      auto targets = some_tokens(op.rows, static_cast<uint32_t>(op.vocabulary), 3);
      for (size_t r = 0; masked_every > 0 && r < op.rows; r += masked_every) {
        targets[r] = kMaskedTarget;
      }
      Floats logits(head_scratch(op));
      std::vector<double> row_loss(op.rows);
      Floats in_gradient(in.size(), kGarbage);
      Floats table_gradient(table.size(), kGarbage);
      const double loss = head_forward(compute_, op, in.data(), table.data(), targets.data(),
                                       logits.data(), row_loss.data());
      head_backward(compute_, op, in.data(), table.data(), targets.data(), logits.data(),
                    in_gradient.data(), table_gradient.data());
      const double expected = reference::head_loss(widen(in), widen(table), op.channels, targets);
      EXPECT_NEAR(loss, expected, 1e-5 * expected);
      expect_slopes(
          [&](const Numbers& at) {
            return reference::head_loss(at, widen(table), op.channels, targets);
          },
          in, in_gradient, 1 + in.size() / 30);
      expect_slopes(
          [&](const Numbers& at) {
            return reference::head_loss(widen(in), at, op.channels, targets);
          },
          table, table_gradient, 1 + table.size() / 30);
      for (size_t r = 0; r < op.rows; ++r) {
        for (size_t c = 0; targets[r] == kMaskedTarget && c < op.channels; ++c) {
          ASSERT_EQ(in_gradient[r * op.channels + c], 0.0F);
        }
      }
    }
  }
}

TEST_P(Operations, HeadLogits) {
  const Head op{1, 5, 19};
  const Floats in = normal_floats(op.channels, 1);
  const Floats table = normal_floats(op.vocabulary * op.channels, 2);
  Floats last(op.vocabulary, kGarbage);
  head_logits(compute_, op, in.data(), table.data(), last.data());
  expect_near(last, reference::logits(widen(in), widen(table), op.channels), 1e-5);
}

TEST_P(Operations, NotANumberReachesTheLoss) {
  const Head op{2, 3, 20};
  Floats in = normal_floats(op.rows * op.channels, 1);
  in[4] = kGarbage;
  const Floats table = normal_floats(op.vocabulary * op.channels, 2);
  const auto targets = some_tokens(op.rows, 20, 3);
  Floats logits(head_scratch(op));
  std::vector<double> row_loss(op.rows);
  EXPECT_TRUE(std::isnan(head_forward(compute_, op, in.data(), table.data(), targets.data(),
                                      logits.data(), row_loss.data())));
}

}  // namespace
}  // namespace ballast
