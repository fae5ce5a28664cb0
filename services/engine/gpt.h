// A GPT with the tensors of GPT-2 as Hugging Face stores them (names, shapes, order; the head is
// tied to wte), over one flat arena of parameters that the caller owns.
//
// The loss and the gradients are sums over tokens, not means. Their bits depend on the parameters,
// the tokens and the batch's shape, and on nothing else: not on threads, not on what was computed
// before. One thread at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/error.h"
#include "services/core/layout.h"
#include "services/core/training.h"
#include "services/engine/buffer.h"
#include "services/engine/compute.h"
#include "services/engine/tape.h"

namespace ballast {

struct GptConfig {
  uint32_t layers = 0;
  uint32_t heads = 0;
  uint32_t channels = 0;  // a multiple of heads
  uint32_t context = 0;   // tokens of a window
  uint32_t vocabulary = 0;
  Gelu activation = Gelu::kTanh;
  double dropout = 0;      // of the embedding, of attention's probabilities, and of each branch
  bool recompute = false;  // layers run again in backward: the same bits, less memory
};

// "geluTanh", as GPT-2 has it and where the name is empty, or "gelu"; kInvalid tells so.
Result<Gelu> parse_activation(std::string_view name);

// The arena of such a model; kInvalid names the field that is out of range.
Result<Layout> gpt_layout(const GptConfig& config);

// Elements [begin, begin + out.size()) of version 0: a pure function of (seed, tensor). Weights are
// normal with deviation 0.02, those that end a residual branch divided by sqrt(2 * layers); gains
// 1; biases and padding 0.
void gpt_initial_values(const GptConfig& config, const Layout& layout, uint64_t seed,
                        uint64_t begin, std::span<float> out);

struct MemoryBytes {
  uint64_t parameters = 0;   // the caller's arena
  uint64_t gradients = 0;    // the caller's second arena
  uint64_t activations = 0;  // and their gradients
  uint64_t logits = 0;       // one block of rows
};

class Gpt {
 public:
  // Memory for microbatches of up to `sequences` windows. The config must have a layout.
  Gpt(const GptConfig& config, uint32_t sequences, Compute compute);
  ~Gpt();

  const GptConfig& config() const { return config_; }
  const Layout& layout() const { return tape_.layout(); }
  MemoryBytes memory() const;

  // The loss of one microbatch. tokens and targets: [sequences, context] each; a target that is
  // kMaskedTarget counts neither in the loss nor among its tokens. `need` is called before a range
  // of parameters is first read, first layers first; where it says false, the pass ends with kGone.
  // kInvalid: a token outside the vocabulary, a wrong length; then it was not called.
  // Without a key nothing is dropped.
  Result<LossSum> forward(std::span<const float> parameters, std::span<const uint32_t> tokens,
                          std::span<const uint32_t> targets, const NeedFunction& need = {},
                          const std::optional<DropoutKey>& dropout = std::nullopt);

  // The gradient of the loss of the last forward(), whose arguments must still be as they were; at
  // most once for each. Sets every element of `gradients` (an arena), padding to 0; `final` is
  // called when a range will not change any more, last layers first. The ranges of `need`, and
  // those of `final`, touch and cover [0, layout().elements).
  void backward(std::span<float> gradients, const RangeFunction& final = {});

  // The logits [vocabulary] that follow one window of 1 to `context` tokens.
  Result<void> logits(std::span<const float> parameters, std::span<const uint32_t> tokens,
                      std::span<float> out);

 private:
  void build();
  ValueId record_embedding();
  ValueId record_layer_norm(ValueId in, size_t gain);
  ValueId record_linear(ValueId in, size_t weight, size_t inputs, size_t outputs);
  ValueId record_attention(ValueId qkv, uint32_t site);
  ValueId record_gelu(ValueId in);
  ValueId record_dropout(ValueId in, uint32_t site);
  ValueId record_residual(ValueId a, ValueId b);
  void record_head(ValueId in);

  Result<void> check_tokens(std::span<const uint32_t> tokens) const;
  Result<void> check_targets(std::span<const uint32_t> targets) const;
  Result<Pass> windows(std::span<const float> parameters, std::span<const uint32_t> tokens,
                       std::span<const uint32_t> targets) const;
  DropoutMask dropout_of(const Pass& pass, uint32_t site) const;
  void clear_padding(std::span<float> gradients) const;
  const float* parameter(const Pass& pass, size_t tensor) const;
  float* gradient(const Pass& pass, size_t tensor) const;

  GptConfig config_;
  uint32_t sequences_ = 0;
  Compute compute_;
  Tape tape_;
  ValueId last_ = 0;          // what the head reads
  std::optional<Pass> pass_;  // the last forward(), until backward()
  FloatBuffer activations_;
  FloatBuffer logits_;
  std::vector<double> row_loss_;
};

}  // namespace ballast
