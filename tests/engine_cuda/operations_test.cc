// Each CUDA operation against its twin on the CPU, on the same values (for bf16: rounded ones), in
// fp32 and in bf16. What is an output holds NaN before.
#include "services/engine/cuda/operations.h"

#include <algorithm>
#include <limits>

#include <gtest/gtest.h>

#include "tests/engine/reference.h"
#include "tests/engine_cuda/on_device.h"

namespace ballast::cuda {
namespace {

using reference::normal_floats;
using reference::some_tokens;

template <typename T>
class GpuOperations : public testing::Test {
 protected:
  static Floats some(size_t count, uint64_t stream, double deviation = 1) {
    return rounded<T>(normal_floats(count, stream, deviation));
  }

  ThreadPool pool_{4};
  ballast::Compute cpu_{&pool_, &best_kernels()};
  Device device_;
  Compute& gpu_ = device_.compute();
};

using Elements = testing::Types<float, bf16>;
TYPED_TEST_SUITE(GpuOperations, Elements);

TYPED_TEST(GpuOperations, Convert) {
  const Floats in = normal_floats(1001, 1);
  const OnDevice<float> from(in);
  const OnDevice<TypeParam> to(in.size());
  convert(this->gpu_, in.size(), from.get(), to.get());
  EXPECT_EQ(to.values(), rounded<TypeParam>(in));
}

TYPED_TEST(GpuOperations, Embedding) {
  using T = TypeParam;
  for (const size_t vocabulary : {3u, 997u}) {  // pieces of one token, and tokens of one piece
    constexpr size_t kChannels = 72;
    const BatchShape shape{5, 160};
    const auto tokens = some_tokens(shape.rows(), static_cast<uint32_t>(vocabulary), 1);
    const Embedding op{tokens.data(), kChannels, shape.length};
    const Floats table = this->some(vocabulary * kChannels, 1);
    const Floats positions = this->some(shape.length * kChannels, 2);
    Floats expected(shape.rows() * kChannels);
    ballast::embedding_forward(this->cpu_, shape, op, table.data(), positions.data(),
                               expected.data());
    const NumbersOnDevice<uint32_t> device_tokens(tokens);
    const OnDevice<T> out(expected.size());
    embedding_forward(this->gpu_, shape, kChannels, device_tokens.get(), OnDevice<T>(table).get(),
                      OnDevice<T>(positions).get(), out.get());
    expect_near(out.values(), expected, kNear<T>, "out");

    const Floats gradient = this->some(expected.size(), 3);
    Floats table_gradient(table.size(), 0.5F);  // added to
    Floats position_gradient(positions.size());
    const OnDevice<float> device_table(table_gradient);
    const OnDevice<float> device_positions(positions.size());
    ballast::embedding_backward(this->cpu_, shape, op, gradient.data(), table_gradient.data(),
                                position_gradient.data());
    const TokenRows rows =
        token_rows(tokens.data(), tokens.size(), static_cast<uint32_t>(vocabulary));
    const NumbersOnDevice<uint32_t> device_rows(rows.rows);
    const NumbersOnDevice<TokenRows::Piece> pieces(rows.pieces);
    const NumbersOnDevice<TokenRows::Joined> joined(rows.joined);
    embedding_backward(this->gpu_, shape, kChannels,
                       {.rows = device_rows.get(),
                        .pieces = pieces.get(),
                        .joined = joined.get(),
                        .piece_count = rows.pieces.size(),
                        .joined_count = rows.joined.size()},
                       OnDevice<T>(gradient).get(), device_table.get(), device_positions.get());
    expect_near(device_table.values(), table_gradient, 1e-5, "gradient of the table");
    expect_near(device_positions.values(), position_gradient, 1e-5, "gradient of positions");
  }
}

TYPED_TEST(GpuOperations, LayerNorm) {
  using T = TypeParam;
  for (const size_t columns : {8u, 64u, 200u, 768u, 1600u, 2048u, 2056u, 4096u}) {
    for (const bool residual : {false, true}) {
      const size_t rows = 259;
      const Floats in = this->some(rows * columns, 1);
      const Floats branch = this->some(rows * columns, 2);
      const Floats gain = this->some(columns, 3);
      const Floats bias = this->some(columns, 4);
      Floats sum = in;
      for (size_t i = 0; residual && i < sum.size(); ++i) sum[i] += branch[i];
      sum = rounded<T>(sum);
      Floats expected(in.size());
      Floats mean(rows);
      Floats scale(rows);
      ballast::layer_norm_forward(this->cpu_, rows,
                                  {.input = sum.data(),
                                   .gain = gain.data(),
                                   .bias = bias.data(),
                                   .output = expected.data(),
                                   .mean = mean.data(),
                                   .scale = scale.data(),
                                   .columns = columns});
      const OnDevice<T> device_in(in);
      const OnDevice<T> device_branch(branch);
      const OnDevice<T> device_gain(gain);
      const OnDevice<T> device_bias(bias);
      const OnDevice<T> device_sum(in.size());
      const OnDevice<T> out(in.size());
      const OnDevice<float> device_mean(rows);
      const OnDevice<float> device_scale(rows);
      layer_norm_forward<T>(this->gpu_, {.input = device_in.get(),
                                         .branch = residual ? device_branch.get() : nullptr,
                                         .sum = residual ? device_sum.get() : nullptr,
                                         .gain = device_gain.get(),
                                         .bias = device_bias.get(),
                                         .output = out.get(),
                                         .mean = device_mean.get(),
                                         .scale = device_scale.get(),
                                         .rows = rows,
                                         .columns = columns});
      SCOPED_TRACE(testing::Message() << columns << " columns, residual " << residual);
      expect_near(out.values(), expected, kNear<T>, "out");
      expect_near(device_mean.values(), mean, 1e-4, "mean");
      expect_near(device_scale.values(), scale, 1e-5, "scale");
      if (residual) {
        EXPECT_EQ(device_sum.values(), sum);
      }

      const Floats gradient = this->some(in.size(), 5);
      Floats in_gradient = this->some(in.size(), 6);
      const OnDevice<T> device_in_gradient(in_gradient);
      Floats gain_gradient(columns);
      Floats bias_gradient(columns);
      const bool accumulate = residual;
      ballast::layer_norm_backward(this->cpu_, {.input = sum.data(),
                                                .gain = gain.data(),
                                                .mean = mean.data(),
                                                .scale = scale.data(),
                                                .output_gradient = gradient.data(),
                                                .input_gradient = in_gradient.data(),
                                                .gain_gradient = gain_gradient.data(),
                                                .bias_gradient = bias_gradient.data(),
                                                .rows = rows,
                                                .columns = columns,
                                                .accumulate = accumulate});
      const OnDevice<float> device_gain_gradient(columns);
      const OnDevice<float> device_bias_gradient(columns);
      layer_norm_backward<T>(this->gpu_, {.input = residual ? device_sum.get() : device_in.get(),
                                          .gain = device_gain.get(),
                                          .mean = device_mean.get(),
                                          .scale = device_scale.get(),
                                          .output_gradient = OnDevice<T>(gradient).get(),
                                          .input_gradient = device_in_gradient.get(),
                                          .gain_gradient = device_gain_gradient.get(),
                                          .bias_gradient = device_bias_gradient.get(),
                                          .rows = rows,
                                          .columns = columns,
                                          .accumulate = accumulate});
      expect_near(device_in_gradient.values(), in_gradient, kNear<T>, "gradient of in");
      expect_near(device_gain_gradient.values(), gain_gradient, 1e-5, "gradient of gain");
      expect_near(device_bias_gradient.values(), bias_gradient, 1e-5, "gradient of bias");
    }
  }
}

TYPED_TEST(GpuOperations, Linear) {
  using T = TypeParam;
  for (const Linear op : {Linear{300, 64, 192}, Linear{17, 8, 40}, Linear{1024, 256, 1024}}) {
    const Floats in = this->some(op.rows * op.inputs, 1);
    const Floats weight = this->some(op.inputs * op.outputs, 2, 0.1);
    const Floats bias = this->some(op.outputs, 3);
    Floats expected(op.rows * op.outputs);
    ballast::linear_forward(this->cpu_, op, in.data(), weight.data(), bias.data(), expected.data());
    const OnDevice<T> device_in(in);
    const OnDevice<T> device_weight(weight);
    const OnDevice<T> out(expected.size());
    linear_forward<T>(this->gpu_, op, device_in.get(), device_weight.get(), OnDevice<T>(bias).get(),
                      out.get());
    SCOPED_TRACE(testing::Message() << op.rows << " rows, " << op.inputs << " to " << op.outputs);
    expect_near(out.values(), expected, kNear<T>, "out");

    const Floats gradient = this->some(expected.size(), 4);
    Floats in_gradient(in.size());
    Floats weight_gradient(weight.size());
    Floats bias_gradient(bias.size());
    ballast::linear_backward(this->cpu_, op, in.data(), weight.data(), gradient.data(),
                             in_gradient.data(), weight_gradient.data(), bias_gradient.data());
    const OnDevice<T> device_in_gradient(in.size());
    const OnDevice<float> device_weight_gradient(weight.size());
    const OnDevice<float> device_bias_gradient(bias.size());
    linear_backward<T>(this->gpu_, op, device_in.get(), device_weight.get(),
                       OnDevice<T>(gradient).get(), device_in_gradient.get(),
                       device_weight_gradient.get(), device_bias_gradient.get());
    expect_near(device_in_gradient.values(), in_gradient, kNear<T>, "gradient of in");
    expect_near(device_weight_gradient.values(), weight_gradient, 1e-5, "gradient of weight");
    expect_near(device_bias_gradient.values(), bias_gradient, 1e-5, "gradient of bias");
  }
}

TYPED_TEST(GpuOperations, LinearWithGelu) {
  using T = TypeParam;
  for (const Gelu form : {Gelu::kTanh, Gelu::kExact}) {
    for (const Linear op : {Linear{256, 64, 256}, Linear{48, 24, 96}}) {
      const Floats in = this->some(op.rows * op.inputs, 1);
      const Floats weight = this->some(op.inputs * op.outputs, 2, 0.2);
      const Floats bias = this->some(op.outputs, 3);
      Floats inner(op.rows * op.outputs);
      Floats expected(inner.size());
      ballast::linear_forward(this->cpu_, op, in.data(), weight.data(), bias.data(), inner.data());
      ballast::gelu_forward(this->cpu_, form, inner.size(), inner.data(), expected.data());
      const OnDevice<T> device_inner(inner.size());
      const OnDevice<T> out(inner.size());
      linear_gelu_forward<T>(this->gpu_, form, op, OnDevice<T>(in).get(), OnDevice<T>(weight).get(),
                             OnDevice<T>(bias).get(), device_inner.get(), out.get());
      SCOPED_TRACE(testing::Message() << "form " << static_cast<int>(form) << ", " << op.rows);
      expect_near(device_inner.values(), inner, kNear<T>, "inner");
      expect_near(out.values(), expected, kNearTwice<T>, "out");

      // Backward through the layer behind it.
      const Linear next{op.rows, op.outputs, op.inputs};
      const Floats next_weight = this->some(op.outputs * op.inputs, 4, 0.2);
      const Floats gradient = this->some(op.rows * op.inputs, 5);
      const Floats held = device_inner.values();
      Floats inner_gradient(inner.size());
      Floats unused_weight(next_weight.size());
      Floats unused_bias(op.inputs);
      ballast::linear_backward(this->cpu_, next, held.data(), next_weight.data(), gradient.data(),
                               inner_gradient.data(), unused_weight.data(), unused_bias.data());
      ballast::gelu_backward(this->cpu_, form, inner.size(), held.data(), inner_gradient.data());
      const OnDevice<T> device_gradient(inner.size());
      linear_gelu_backward<T>(this->gpu_, form, next, device_inner.get(),
                              OnDevice<T>(next_weight).get(), OnDevice<T>(gradient).get(),
                              device_gradient.get());
      expect_near(device_gradient.values(), inner_gradient, kNearTwice<T>, "gradient of inner");
    }
  }
}

TYPED_TEST(GpuOperations, GeluAndDropout) {
  using T = TypeParam;
  const size_t columns = 136;
  const size_t count = 100 * columns;
  const Floats in = this->some(count, 1, 3);
  for (const Gelu form : {Gelu::kTanh, Gelu::kExact}) {
    Floats expected(count);
    ballast::gelu_forward(this->cpu_, form, count, in.data(), expected.data());
    const OnDevice<T> out(count);
    const OnDevice<T> device_in(in);
    gelu_forward<T>(this->gpu_, form, count, device_in.get(), out.get());
    expect_near(out.values(), expected, kNear<T>, "gelu");
    Floats gradient = this->some(count, 2);
    const OnDevice<T> device_gradient(gradient);
    ballast::gelu_backward(this->cpu_, form, count, in.data(), gradient.data());
    gelu_backward<T>(this->gpu_, form, count, device_in.get(), device_gradient.get());
    expect_near(device_gradient.values(), gradient, kNear<T>, "gradient of gelu");
  }
  const DropoutMask mask = dropout_mask({.seed = 7, .step = 3, .microbatch = 2}, 5, 0.25);
  Floats expected(count);
  ballast::dropout_apply(this->cpu_, mask, 100, columns, in.data(), expected.data());
  const OnDevice<T> out(count);
  dropout_apply<T>(this->gpu_, mask, 100, columns, OnDevice<T>(in).get(), out.get());
  EXPECT_EQ(out.values(), rounded<T>(expected));
}

// Forward and backward, with or without the fused kernel and dropout.
template <typename T>
void attend(const ballast::Compute& cpu, Device& device, bool fused, bool drops,
            const BatchShape& shape, size_t heads, size_t channels) {
  SCOPED_TRACE(testing::Message() << "fused " << fused << ", drops " << drops << ", length "
                                  << shape.length << ", heads " << heads);
  const DropoutMask mask = dropout_mask({.seed = 7, .step = 3, .microbatch = 2}, 5, 0.25);
  const Attention op{heads, channels, drops ? &mask : nullptr};
  const Floats qkv = rounded<T>(normal_floats(shape.rows() * 3 * channels, 1));
  Floats expected(shape.rows() * channels);
  Floats maximum(shape.rows() * heads);
  Floats inverse_sum(maximum.size());
  ballast::attention_forward(cpu, shape, op, qkv.data(), expected.data(), maximum.data(),
                             inverse_sum.data());
  Compute gpu = device.compute();
  if (fused) gpu.attention = &device.attention();
  const OnDevice<T> device_qkv(qkv);
  const OnDevice<T> out(expected.size());
  const OnDevice<float> device_maximum(maximum.size());
  const OnDevice<float> device_inverse(maximum.size());
  const DeviceMemory scratch(attention_scratch_bytes<T>(heads, shape.length));
  const AttentionMemory<T> memory{device_maximum.get(), device_inverse.get(), scratch.as<void>()};
  check(cudaDeviceSynchronize(), "cudaDeviceSynchronize");
  attention_forward<T>(gpu, shape, op, device_qkv.get(), out.get(), memory);
  const Floats found = out.values();
  expect_near(found, expected, kNearTwice<T>, "out");

  const Floats gradient = rounded<T>(normal_floats(expected.size(), 2));
  Floats qkv_gradient(qkv.size());
  ballast::attention_backward(cpu, shape, op, qkv.data(), expected.data(), maximum.data(),
                              inverse_sum.data(), gradient.data(), qkv_gradient.data());
  const OnDevice<T> device_gradient(gradient);
  const OnDevice<T> device_qkv_gradient(qkv.size());
  attention_backward<T>(gpu, shape, op, device_qkv.get(), out.get(), memory, device_gradient.get(),
                        device_qkv_gradient.get());
  const Floats first = device_qkv_gradient.values();
  expect_near(first, qkv_gradient, kNearTwice<T>, "gradient");
  for (int again = 0; again < 3; ++again) {
    const OnDevice<T> once_more(qkv.size());
    attention_backward<T>(gpu, shape, op, device_qkv.get(), out.get(), memory,
                          device_gradient.get(), once_more.get());
    EXPECT_EQ(once_more.values(), first) << "not the same bits";
  }
}

TYPED_TEST(GpuOperations, Attention) {
  attend<TypeParam>(this->cpu_, this->device_, false, false, {2, 96}, 3, 48);
  attend<TypeParam>(this->cpu_, this->device_, false, true, {2, 200}, 2, 64);
  attend<TypeParam>(this->cpu_, this->device_, false, false, {2, 256}, 2, 128);
}

TEST(GpuFusedAttention, IsThatOfTheCpu) {
  ThreadPool pool{4};
  const ballast::Compute cpu{&pool, &best_kernels()};
  Device device;
  ASSERT_TRUE(
      device.attention().prepare({.sequences = 2, .length = 512, .heads = 4, .channels = 256}));
  attend<bf16>(cpu, device, true, false, {2, 512}, 4, 256);
  attend<bf16>(cpu, device, true, false, {3, 256}, 6, 384);
}

TYPED_TEST(GpuOperations, Head) {
  using T = TypeParam;
  for (const size_t vocabulary : {257u, 384u, 50257u}) {
    const size_t rows = vocabulary > 1000 ? 300 : 1500;
    constexpr size_t kChannels = 64;
    const size_t padded =
        (vocabulary + kVocabularyMultiple - 1) / kVocabularyMultiple * kVocabularyMultiple;
    const Head op{rows, kChannels, vocabulary};
    const PaddedHead padded_op{rows, kChannels, vocabulary, padded};
    const Floats in = this->some(rows * kChannels, 1);
    Floats table = this->some(vocabulary * kChannels, 2, 0.3);
    auto targets = some_tokens(rows, static_cast<uint32_t>(vocabulary), 3);
    targets[5] = kMaskedTarget;
    targets[rows - 1] = kMaskedTarget;
    Floats logits(head_scratch(op));
    std::vector<double> row_loss(rows);
    const double expected = ballast::head_forward(this->cpu_, op, in.data(), table.data(),
                                                  targets.data(), logits.data(), row_loss.data());
    Floats in_gradient(in.size());
    Floats table_gradient(table.size());
    ballast::head_backward(this->cpu_, op, in.data(), table.data(), targets.data(), logits.data(),
                           in_gradient.data(), table_gradient.data());
    table.resize(padded * kChannels, 0.0F);
    table_gradient.resize(table.size(), 0.0F);
    const OnDevice<T> device_logits(head_rows_at_once(padded_op) * padded);
    const DeviceMemory losses((rows + 1) * sizeof(double));
    const OnDevice<T> device_in_gradient(in.size());
    const OnDevice<float> device_table_gradient(table.size());
    check(cudaDeviceSynchronize(), "cudaDeviceSynchronize");
    for (const bool trains : {false, true}) {
      head<T>(this->gpu_, padded_op, OnDevice<T>(in).get(), OnDevice<T>(table).get(),
              NumbersOnDevice<uint32_t>(targets).get(), device_logits.get(),
              losses.as<double>() + 1, losses.as<double>(),
              trains ? device_in_gradient.get() : nullptr, device_table_gradient.get());
      check(cudaDeviceSynchronize(), "head");
      double loss = 0;
      check(cudaMemcpy(&loss, losses.as<void>(), sizeof loss, cudaMemcpyDeviceToHost), "copy");
      EXPECT_NEAR(loss / expected, 1, sizeof(T) == 4 ? 1e-6 : 1e-3);
    }
    SCOPED_TRACE(testing::Message() << "vocabulary " << vocabulary);
    expect_near(device_in_gradient.values(), in_gradient, kNearTwice<T>, "gradient of in");
    expect_near(device_table_gradient.values(), table_gradient, kNearTwice<T>, "gradient of table");
  }
}

}  // namespace
}  // namespace ballast::cuda
