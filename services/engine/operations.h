// The operations that models are composed of: forward/backward pairs over row-major fp32 matrices,
// one file each in ops/. A row is a token; rows = sequences * length. Backward sets the gradients
// of its parameters and inputs, unless a flag says that it adds. Bits depend on shapes and values
// only. Called by one thread at a time for a pool.
#pragma once

#include <cstddef>
#include <cstdint>

#include "services/engine/compute.h"

namespace ballast {

struct BatchShape {
  size_t sequences = 0;
  size_t length = 0;  // tokens of each
  size_t rows() const { return sequences * length; }
};

// --- embedding: out[r] = tokens_table[tokens[r]] + positions_table[r % length]
// ---------------------
struct Embedding {
  const uint32_t* tokens = nullptr;  // [rows], each below the table's height
  size_t channels = 0;
  size_t context = 0;  // height of the position table
};
void embedding_forward(const Compute&, const BatchShape&, const Embedding&,
                       const float* token_table, const float* position_table, float* out);
// Adds to the token table's gradient (its other use comes first), sets the position table's.
void embedding_backward(const Compute&, const BatchShape&, const Embedding&,
                        const float* out_gradient, float* token_table_gradient,
                        float* position_table_gradient);

// --- layer norm over each row
// ----------------------------------------------------------------------
void layer_norm_forward(const Compute&, size_t rows, const LayerNormRows&);
void layer_norm_backward(const Compute&, const LayerNormGradients&);

// --- linear: out [rows, outputs] = in [rows, inputs] * weight [inputs, outputs] + bias
// --------------
struct Linear {
  size_t rows = 0;
  size_t inputs = 0;
  size_t outputs = 0;
};
void linear_forward(const Compute&, const Linear&, const float* in, const float* weight,
                    const float* bias, float* out);
void linear_backward(const Compute&, const Linear&, const float* in, const float* weight,
                     const float* out_gradient, float* in_gradient, float* weight_gradient,
                     float* bias_gradient);

// --- causal attention
// -------------------------------------------------------------------------------
struct Attention {
  size_t heads = 0;
  size_t channels = 0;  // of all heads together
  // Of the probabilities: row (sequence * heads + head) * length + query, column key. null: none.
  const DropoutMask* dropout = nullptr;
};
inline constexpr size_t kAttentionBlock = 64;  // queries and keys that are taken at a time
// qkv [rows, 3 * channels]: queries, keys, values, each head after head. out [rows, channels].
// row_maximum, inverse_sum [heads, rows] are kept for backward. Scores exist one block at a time.
void attention_forward(const Compute&, const BatchShape&, const Attention&, const float* qkv,
                       float* out, float* row_maximum, float* inverse_sum);
// The same for some rows of one sequence alone, which see those before them: `rows` lies in one
// block, qkv has all rows up to its end, and of `out` its rows are set. row_maximum, inverse_sum
// [heads, end] are scratch.
struct RowRange {
  size_t begin = 0;
  size_t end = 0;
};
void attention_forward_rows(const Compute&, const Attention&, const RowRange& rows,
                            const float* qkv, float* out, float* row_maximum, float* inverse_sum);
void attention_backward(const Compute&, const BatchShape&, const Attention&, const float* qkv,
                        const float* out, const float* row_maximum, const float* inverse_sum,
                        const float* out_gradient, float* qkv_gradient);

// --- gelu: x times the share of the normal distribution below x, exactly, or in GPT-2's tanh form
// ---------------------------------------------------------------------------
enum class Gelu { kTanh, kExact };
void gelu_forward(const Compute&, Gelu form, size_t count, const float* in, float* out);
// In place: the gradient of out becomes that of in.
void gelu_backward(const Compute&, Gelu form, size_t count, const float* in, float* gradient);

// --- dropout: some elements become 0, the others grow so that the expected value stays
// ---------------------------------------------------------------------------
// The mask of one place in a model (`site`) in the pass of one microbatch: a pure function of these
// arguments, whoever computes. The probability, in [0, 1), counts in steps of 2^-16.
struct DropoutKey {
  uint64_t seed = 0;
  uint64_t step = 0;
  uint32_t microbatch = 0;
};
DropoutMask dropout_mask(const DropoutKey& key, uint32_t site, double probability);
// Forward, and backward on the gradient. In place where out == in.
void dropout_apply(const Compute&, const DropoutMask&, size_t rows, size_t columns, const float* in,
                   float* out);

// --- residual: out = a + b; the gradient of out is that of a and that of b
// ---------------------------
void residual_forward(const Compute&, size_t count, const float* a, const float* b, float* out);

// --- head: logits = in * table^T, then the cross-entropy summed over the rows
// ------------------------
struct Head {
  size_t rows = 0;
  size_t channels = 0;
  size_t vocabulary = 0;
};
// A row with this target is masked: it adds nothing to the loss, and its gradient is 0.
inline constexpr uint32_t kMaskedTarget = UINT32_MAX;
// The loss summed over the rows that are not masked. Logits exist for one block of rows at a time,
// in `logits` (scratch of head_scratch() elements) and become their own gradient there; row_loss:
// scratch of `rows` elements.
double head_forward(const Compute&, const Head&, const float* in, const float* table,
                    const uint32_t* targets, float* logits, double* row_loss);
// Sets in_gradient [rows, channels] and table_gradient [vocabulary, channels]. `logits` is what
// head_forward left; where there are several blocks, they are computed again.
void head_backward(const Compute&, const Head&, const float* in, const float* table,
                   const uint32_t* targets, float* logits, float* in_gradient,
                   float* table_gradient);
size_t head_scratch(const Head&);
// The logits of one row.
void head_logits(const Compute&, const Head&, const float* in_row, const float* table,
                 float* logits);

}  // namespace ballast
