// A GPT that reads a text token by token and says what may follow: the keys and values of what it
// has read are kept, so that a token costs one row of each product and not a whole window of them.
//
// What it gives equals Gpt::logits() up to rounding: products of other shapes round otherwise. Bits
// depend on parameters, tokens, and how they were cut into calls. One thread at a time.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "common/error.h"
#include "services/engine/buffer.h"
#include "services/engine/compute.h"
#include "services/engine/gpt.h"

namespace ballast {

class Decoder {
 public:
  // The config must have a layout, and `parameters` are its arena, which outlives this.
  Decoder(const GptConfig& config, std::span<const float> parameters, Compute compute);

  const GptConfig& config() const { return config_; }
  size_t length() const { return length_; }  // tokens read, at most `context`
  void clear() { length_ = 0; }

  // Reads tokens behind those; `logits` [vocabulary] are of what follows the last one. kInvalid: no
  // token, a token outside the vocabulary, more than the context has room for; then none was read.
  Result<void> append(std::span<const uint32_t> tokens, std::span<float> logits);
  uint64_t memory_bytes() const;

 private:
  // Rows are the tokens in hand, those from length_ on.
  void read(std::span<const uint32_t> tokens);
  void read_layer(size_t layer, size_t rows);
  void norm(size_t tensor, size_t rows);  // stream_ -> branch_
  void linear(const float* in, size_t tensor, size_t rows, size_t inputs, size_t outputs,
              float* out);
  const float* tensor(size_t index) const;

  GptConfig config_;
  Layout layout_;
  std::span<const float> parameters_;
  Compute compute_;
  size_t length_ = 0;
  std::vector<FloatBuffer> layers_;  // each [context, 3 * channels]: queries, keys, values
  FloatBuffer stream_;               // [rows, channels]
  FloatBuffer branch_;               // [rows, channels]
  FloatBuffer wide_;                 // [rows, 4 * channels]
  FloatBuffer mixed_;                // [context, channels]
  FloatBuffer statistics_;           // of rows of a norm, and [heads, context] of attention, twice
};

}  // namespace ballast
