// The CUDA twins of services/engine/operations.h: the same operations on memory of the device, over
// elements T: float (within rounding of the CPU's) or bf16 with arithmetic and sums in fp32. Token
// and row numbers, shapes and what backward sets or adds to are as there. Gradients of parameters
// are fp32 always. Columns and the width of a head are multiples of 8, pointers of 16 bytes.
//
// What pays on a device is one operation here and several there: a residual with the norm behind
// it, a linear layer with its gelu, the head with its gradient.
//
// Put into compute.stream; one thread at a time.
#pragma once

#include <cuda_bf16.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "services/engine/cuda/compute.h"
#include "services/engine/operations.h"

namespace ballast::cuda {

using bf16 = __nv_bfloat16;

// fp32 to T, rounded to nearest even.
template <typename T>
void convert(const Compute&, size_t count, const float* in, T* out);

// --- embedding ---------------------------------------------------------------------------------
template <typename T>
void embedding_forward(const Compute&, const BatchShape&, size_t channels, const uint32_t* tokens,
                       const T* token_table, const T* position_table, T* out);

// The rows of each token in ascending order, cut into pieces of at most kRowsOfPiece, so that they
// are added in an order that only the tokens fix. Made on the host, read on the device.
struct TokenRows {
  static constexpr uint32_t kRowsOfPiece = 128;
  static constexpr uint32_t kNoSlot = UINT32_MAX;
  struct Piece {
    uint32_t token = 0;
    uint32_t begin = 0;  // of `rows`
    uint32_t count = 0;
    uint32_t slot = 0;  // of the partial sums; kNoSlot: the token's only piece
  };
  struct Joined {  // a token of several pieces, which lie one behind the other
    uint32_t token = 0;
    uint32_t first_slot = 0;
    uint32_t slots = 0;
  };
  std::vector<uint32_t> rows;
  std::vector<Piece> pieces;
  std::vector<Joined> joined;
};
TokenRows token_rows(const uint32_t* tokens, size_t rows, uint32_t vocabulary);

struct DeviceTokenRows {
  const uint32_t* rows = nullptr;
  const TokenRows::Piece* pieces = nullptr;
  const TokenRows::Joined* joined = nullptr;
  size_t piece_count = 0;
  size_t joined_count = 0;
};
template <typename T>
void embedding_backward(const Compute&, const BatchShape&, size_t channels, const DeviceTokenRows&,
                        const T* out_gradient, float* token_table_gradient,
                        float* position_table_gradient);

// --- layer norm, alone or of the sum of a residual stream and a branch --------------------------
template <typename T>
struct LayerNormRows {
  const T* input = nullptr;   // [rows, columns]
  const T* branch = nullptr;  // null: none
  T* sum = nullptr;           // [rows, columns], input + branch; with a branch alone
  const T* gain = nullptr;
  const T* bias = nullptr;
  T* output = nullptr;
  float* mean = nullptr;   // [rows]
  float* scale = nullptr;  // [rows]
  size_t rows = 0;
  size_t columns = 0;
};
template <typename T>
void layer_norm_forward(const Compute&, const LayerNormRows<T>&);

template <typename T>
struct LayerNormGradients {
  const T* input = nullptr;  // what was normalised
  const T* gain = nullptr;
  const float* mean = nullptr;
  const float* scale = nullptr;
  const T* output_gradient = nullptr;
  T* input_gradient = nullptr;
  float* gain_gradient = nullptr;
  float* bias_gradient = nullptr;
  size_t rows = 0;
  size_t columns = 0;
  bool accumulate = false;
};
template <typename T>
void layer_norm_backward(const Compute&, const LayerNormGradients<T>&);

// --- linear ------------------------------------------------------------------------------------
template <typename T>
void linear_forward(const Compute&, const Linear&, const T* in, const T* weight, const T* bias,
                    T* out);
template <typename T>
void linear_backward(const Compute&, const Linear&, const T* in, const T* weight,
                     const T* out_gradient, T* in_gradient, float* weight_gradient,
                     float* bias_gradient);

// With gelu behind it: `inner` is what gelu is taken of, and is kept for backward.
template <typename T>
void linear_gelu_forward(const Compute&, Gelu form, const Linear&, const T* in, const T* weight,
                         const T* bias, T* inner, T* out);
// The gradient of `inner`, from that of what a linear layer made of gelu(inner).
template <typename T>
void linear_gelu_backward(const Compute&, Gelu form, const Linear&, const T* inner, const T* weight,
                          const T* out_gradient, T* inner_gradient);
// The gradients of a linear layer's parameters alone.
template <typename T>
void linear_parameters_backward(const Compute&, const Linear&, const T* in, const T* out_gradient,
                                float* weight_gradient, float* bias_gradient);

// --- causal attention --------------------------------------------------------------------------
// Where compute.attention is set and no mask is given, row_maximum holds the logarithm of each
// row's sum of exponentials [sequences, heads, length], and inverse_sum is not touched; otherwise
// both are as on the CPU, and `scratch` is attention_scratch_bytes() long.
template <typename T>
struct AttentionMemory {
  float* row_maximum = nullptr;
  float* inverse_sum = nullptr;
  void* scratch = nullptr;
};
template <typename T>
uint64_t attention_scratch_bytes(size_t heads, size_t length);
template <typename T>
void attention_forward(const Compute&, const BatchShape&, const Attention&, const T* qkv, T* out,
                       const AttentionMemory<T>&);
template <typename T>
void attention_backward(const Compute&, const BatchShape&, const Attention&, const T* qkv,
                        const T* out, const AttentionMemory<T>&, const T* out_gradient,
                        T* qkv_gradient);

// --- gelu, dropout, residual -------------------------------------------------------------------
template <typename T>
void gelu_forward(const Compute&, Gelu form, size_t count, const T* in, T* out);
template <typename T>
void gelu_backward(const Compute&, Gelu form, size_t count, const T* in, T* gradient);
template <typename T>
void dropout_apply(const Compute&, const DropoutMask&, size_t rows, size_t columns, const T* in,
                   T* out);

// --- head --------------------------------------------------------------------------------------
struct PaddedHead {
  size_t rows = 0;
  size_t channels = 0;
  size_t vocabulary = 0;
  // Height of the table, whose rows from `vocabulary` on are 0, and of its gradient.
  size_t padded = 0;
};
inline constexpr size_t kVocabularyMultiple = 128;
size_t head_rows_at_once(const PaddedHead&);  // of the logits that exist at a time
// The loss, summed over rows that are not masked, into *loss (on the device). With in_gradient and
// table_gradient both are set in the same pass, and logits are made once. row_loss: [rows].
template <typename T>
void head(const Compute&, const PaddedHead&, const T* in, const T* table, const uint32_t* targets,
          T* logits, double* row_loss, double* loss, T* in_gradient, float* table_gradient);

// Elements of compute.scratch that operations on so many rows need.
size_t scratch_elements(size_t rows, size_t channels);

}  // namespace ballast::cuda
