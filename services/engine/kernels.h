// The vector loops of the operations as a table of functions, one table for each instruction set.
// All tables give the same bits: they are one 16-lane source, sums run in 16 lanes by index modulo
// 16 and then a fixed tree, and exp is our own polynomial. Matrices are row-major fp32; ranges are
// half-open. Stateless; any thread.
#pragma once

#include <cstddef>
#include <cstdint>

namespace ballast {

struct LayerNormRows {
  const float* input = nullptr;  // [rows, columns]
  const float* gain = nullptr;   // [columns]
  const float* bias = nullptr;   // [columns]
  float* output = nullptr;       // [rows, columns]
  float* mean = nullptr;         // [rows]
  float* scale = nullptr;        // [rows], 1 / standard deviation
  size_t columns = 0;
};

struct LayerNormGradients {
  const float* input = nullptr;
  const float* gain = nullptr;
  const float* mean = nullptr;
  const float* scale = nullptr;
  const float* output_gradient = nullptr;  // [rows, columns]
  float* input_gradient = nullptr;         // [rows, columns]
  float* gain_gradient = nullptr;          // [columns]
  float* bias_gradient = nullptr;          // [columns]
  size_t rows = 0;
  size_t columns = 0;
  bool accumulate = false;  // add to input_gradient instead of setting it
};

// One block of attention scores, [rows, columns] at a fixed distance between rows.
struct ScoreBlock {
  float* scores = nullptr;
  size_t stride = 0;
  size_t rows = 0;
  size_t columns = 0;
  // Row r sees columns [0, r + visible), at most all; those behind become 0.
  size_t visible = 0;
  float factor = 0;  // 1 / sqrt(channels of a head)
};

// Which elements of a matrix are dropped. Column c of row r has 16 bits of Philox 4x32-10
// (random.h) under `key` at the counter {c / 64 * 8 + c % 16 / 2, r, site, nonce}: of word c % 2,
// or from column 32 of each 64 on of word 2 + c % 2; the upper half in every other 16 columns. It
// is dropped where they are below the threshold.
struct DropoutMask {
  uint32_t key[2] = {};
  uint32_t nonce = 0;
  uint32_t site = 0;
  uint32_t threshold = 0;  // the probability times 2^16
  float scale = 0;         // what is left is multiplied with
};
inline constexpr size_t kDropoutColumns = 64;

// A part of the matrix: rows from first_row on, below 2^32; columns from first_column, a multiple
// of kDropoutColumns.
struct DropoutBlock {
  size_t first_row = 0;
  size_t first_column = 0;
  size_t rows = 0;
  size_t columns = 0;
  size_t stride = 0;  // of both arrays
};

struct KernelTable {
  const char* name;

  void (*add)(const float* a, const float* b, float* out, size_t count);
  // rows x columns at `out` += bias of each column.
  void (*add_bias)(float* out, size_t stride, size_t rows, size_t columns, const float* bias);
  // out[c] = sum over rows of in[r, c], for columns [begin, end), rows in ascending order.
  void (*column_sums)(const float* in, size_t rows, size_t stride, size_t begin, size_t end,
                      float* out);

  // gelu, and gradient *= gelu'(in); in both of its forms (kernels/gelu.h).
  void (*gelu_tanh_forward)(const float* in, float* out, size_t count);
  void (*gelu_tanh_backward)(const float* in, float* gradient, size_t count);
  void (*gelu_exact_forward)(const float* in, float* out, size_t count);
  void (*gelu_exact_backward)(const float* in, float* gradient, size_t count);

  // out = in with the elements that the mask drops set to 0, and the others scaled. In place, too.
  void (*dropout)(const DropoutMask& mask, const DropoutBlock& block, const float* in, float* out);

  void (*layer_norm_forward)(const LayerNormRows& op, size_t row_begin, size_t row_end);
  void (*layer_norm_backward_rows)(const LayerNormGradients& op, size_t row_begin, size_t row_end);
  void (*layer_norm_backward_columns)(const LayerNormGradients& op, size_t begin, size_t end);

  // Online softmax: scores become exp(factor * score - maximum); maximum and sum [rows] are carried
  // from block to block, and decay [rows] is what was accumulated so far must be multiplied with.
  void (*attention_block_forward)(const ScoreBlock& block, float* maximum, float* sum,
                                  float* decay);
  // row r of `out` *= factors[r].
  void (*scale_rows)(float* out, size_t stride, size_t rows, size_t columns, const float* factors);
  // out[r] = dot(a row, b row).
  void (*row_dots)(const float* a, const float* b, size_t stride, size_t rows, size_t columns,
                   float* out);
  // scores become probabilities (from the saved maximum and 1 / sum); `gradient`, the gradient of
  // the probabilities in the same form, becomes that of the scores before the factor.
  void (*attention_block_backward)(const ScoreBlock& block, const float* maximum,
                                   const float* inverse_sum, const float* dots, float* gradient);

  // The cross-entropy of one row of logits, in nats; the logits become its gradient.
  double (*cross_entropy_row)(float* logits, size_t columns, uint32_t target);
};

const KernelTable& kernels_baseline();
const KernelTable& kernels_avx2();
const KernelTable& kernels_avx512();

// The best table for this machine.
const KernelTable& best_kernels();

// Every table that this machine can run, by ascending width; the last one is best_kernels().
size_t available_kernels(const KernelTable* (&tables)[3]);

}  // namespace ballast
