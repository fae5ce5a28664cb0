#include <algorithm>

#include "services/engine/gemm.h"
#include "services/engine/operations.h"

namespace ballast {
namespace {
constexpr size_t kBlockRows = 256;
constexpr size_t kRowsPerTask = 16;

// The logits of the block that starts at `row`, turned into their gradient; row_loss may be null.
void block_forward(const Compute& compute, const Head& op, size_t row, const float* in,
                   const float* table, const uint32_t* targets, float* logits, double* row_loss) {
  const size_t rows = std::min(kBlockRows, op.rows - row);
  gemm(compute, {.transpose_b = true,
                 .m = rows,
                 .n = op.vocabulary,
                 .k = op.channels,
                 .a = in + row * op.channels,
                 .a_stride = op.channels,
                 .b = table,
                 .b_stride = op.channels,
                 .c = logits,
                 .c_stride = op.vocabulary});
  compute.pool->run_ranges(rows, kRowsPerTask, [&](size_t begin, size_t end) {
    for (size_t r = begin; r < end; ++r) {
      float* row_logits = logits + r * op.vocabulary;
      double loss = 0;
      if (targets[row + r] == kMaskedTarget) {
        std::fill_n(row_logits, op.vocabulary, 0.0F);
      } else {
        loss = compute.kernels->cross_entropy_row(row_logits, op.vocabulary, targets[row + r]);
      }
      if (row_loss != nullptr) {
        row_loss[r] = loss;
      }
    }
  });
}

}  // namespace

size_t head_scratch(const Head& op) { return std::min(op.rows, kBlockRows) * op.vocabulary; }

double head_forward(const Compute& compute, const Head& op, const float* in, const float* table,
                    const uint32_t* targets, float* logits, double* row_loss) {
  for (size_t row = 0; row < op.rows; row += kBlockRows) {
    block_forward(compute, op, row, in, table, targets, logits, row_loss + row);
  }
  double loss = 0;
  for (size_t r = 0; r < op.rows; ++r) {
    loss += row_loss[r];
  }
  return loss;
}

void head_backward(const Compute& compute, const Head& op, const float* in, const float* table,
                   const uint32_t* targets, float* logits, float* in_gradient,
                   float* table_gradient) {
  for (size_t row = 0; row < op.rows; row += kBlockRows) {
    const size_t rows = std::min(kBlockRows, op.rows - row);
    if (op.rows > kBlockRows) {
      block_forward(compute, op, row, in, table, targets, logits, nullptr);
    }
    gemm(compute, {.m = rows,
                   .n = op.channels,
                   .k = op.vocabulary,
                   .a = logits,
                   .a_stride = op.vocabulary,
                   .b = table,
                   .b_stride = op.channels,
                   .c = in_gradient + row * op.channels,
                   .c_stride = op.channels});
    gemm(compute, {.transpose_a = true,
                   .m = op.vocabulary,
                   .n = op.channels,
                   .k = rows,
                   .a = logits,
                   .a_stride = op.vocabulary,
                   .b = in + row * op.channels,
                   .b_stride = op.channels,
                   .beta = row == 0 ? 0.0F : 1.0F,
                   .c = table_gradient,
                   .c_stride = op.channels});
  }
}

void head_logits(const Compute& compute, const Head& op, const float* in_row, const float* table,
                 float* logits) {
  gemm(compute, {.transpose_b = true,
                 .m = 1,
                 .n = op.vocabulary,
                 .k = op.channels,
                 .a = in_row,
                 .a_stride = op.channels,
                 .b = table,
                 .b_stride = op.channels,
                 .c = logits,
                 .c_stride = op.vocabulary});
}

}  // namespace ballast
