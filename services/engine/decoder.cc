#include "services/engine/decoder.h"

#include <algorithm>

#include <fmt/format.h>

#include "common/check.h"
#include "services/engine/gpt_tensors.h"
#include "services/engine/operations.h"

namespace ballast {
namespace {

Layout layout_of(const GptConfig& config) {
  auto layout = gpt_layout(config);
  CHECK(layout.has_value());
  return std::move(*layout);
}

}  // namespace

Decoder::Decoder(const GptConfig& config, std::span<const float> parameters, Compute compute)
    : config_(config),
      layout_(layout_of(config)),
      parameters_(parameters),
      compute_(compute),
      stream_(kAttentionBlock * size_t{config.channels}),
      branch_(kAttentionBlock * size_t{config.channels}),
      wide_(kAttentionBlock * 4 * size_t{config.channels}),
      mixed_(size_t{config.context} * config.channels),
      statistics_(2 * std::max(kAttentionBlock, size_t{config.heads} * config.context)) {
  CHECK(parameters.size() == layout_.elements);
  for (uint32_t layer = 0; layer < config.layers; ++layer) {
    layers_.emplace_back(size_t{config.context} * 3 * config.channels);
  }
}

uint64_t Decoder::memory_bytes() const {
  uint64_t elements =
      stream_.size() + branch_.size() + wide_.size() + mixed_.size() + statistics_.size();
  for (const FloatBuffer& layer : layers_) elements += layer.size();
  return elements * sizeof(float);
}

const float* Decoder::tensor(size_t index) const {
  return parameters_.data() + layout_.tensors[index].offset;
}

Result<void> Decoder::append(std::span<const uint32_t> tokens, std::span<float> logits) {
  CHECK(logits.size() == config_.vocabulary);
  if (tokens.empty() || length_ + tokens.size() > config_.context) {
    return fail(ErrorCode::kInvalid,
                fmt::format("{} tokens behind {}, expected 1 or more and {} in all", tokens.size(),
                            length_, config_.context));
  }
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (tokens[i] >= config_.vocabulary) {
      return fail(ErrorCode::kInvalid, fmt::format("token number {} is {}, the vocabulary has {}",
                                                   i, tokens[i], config_.vocabulary));
    }
  }
  size_t rows = 0;
  for (std::span<const uint32_t> left = tokens; !left.empty(); left = left.subspan(rows)) {
    // Attention takes queries of one block of its at a time.
    rows = std::min(left.size(), kAttentionBlock - length_ % kAttentionBlock);
    read(left.first(rows));
    length_ += rows;
  }
  head_logits(compute_, {1, config_.channels, config_.vocabulary},
              branch_.data() + (rows - 1) * config_.channels, tensor(kTokenTable), logits.data());
  return {};
}

void Decoder::read(std::span<const uint32_t> tokens) {
  const size_t channels = config_.channels;
  embedding_forward(compute_, {1, tokens.size()}, {tokens.data(), channels, config_.context},
                    tensor(kTokenTable), tensor(kPositionTable) + length_ * channels,
                    stream_.data());
  for (size_t layer = 0; layer < config_.layers; ++layer) read_layer(layer, tokens.size());
  norm(kFirstLayer + config_.layers * kTensorsOfLayer, tokens.size());
}

void Decoder::read_layer(size_t layer, size_t rows) {
  const size_t channels = config_.channels;
  const size_t first = kFirstLayer + layer * kTensorsOfLayer;
  float* qkv = layers_[layer].data();
  float* statistics = statistics_.data();
  norm(first + kNorm1, rows);
  linear(branch_.data(), first + kAttention, rows, channels, 3 * channels,
         qkv + length_ * 3 * channels);
  attention_forward_rows(compute_, {config_.heads, channels}, {length_, length_ + rows}, qkv,
                         mixed_.data(), statistics, statistics + statistics_.size() / 2);
  linear(mixed_.data() + length_ * channels, first + kAttentionOut, rows, channels, channels,
         branch_.data());
  residual_forward(compute_, rows * channels, stream_.data(), branch_.data(), stream_.data());
  norm(first + kNorm2, rows);
  linear(branch_.data(), first + kExpand, rows, channels, 4 * channels, wide_.data());
  gelu_forward(compute_, config_.activation, rows * 4 * channels, wide_.data(), wide_.data());
  linear(wide_.data(), first + kContract, rows, 4 * channels, channels, branch_.data());
  residual_forward(compute_, rows * channels, stream_.data(), branch_.data(), stream_.data());
}

void Decoder::norm(size_t gain, size_t rows) {
  layer_norm_forward(compute_, rows,
                     {.input = stream_.data(),
                      .gain = tensor(gain),
                      .bias = tensor(gain + 1),
                      .output = branch_.data(),
                      .mean = statistics_.data(),
                      .scale = statistics_.data() + statistics_.size() / 2,
                      .columns = config_.channels});
}

void Decoder::linear(const float* in, size_t weight, size_t rows, size_t inputs, size_t outputs,
                     float* out) {
  linear_forward(compute_, {rows, inputs, outputs}, in, tensor(weight), tensor(weight + 1), out);
}

}  // namespace ballast
