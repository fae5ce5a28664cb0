#include "services/engine/operations.h"

namespace ballast {
namespace {
constexpr size_t kRowsPerTask = 32;
constexpr size_t kColumnsPerTask = 64;
}  // namespace

void layer_norm_forward(const Compute& compute, size_t rows, const LayerNormRows& op) {
  compute.pool->run_ranges(rows, kRowsPerTask, [&](size_t begin, size_t end) {
    compute.kernels->layer_norm_forward(op, begin, end);
  });
}

void layer_norm_backward(const Compute& compute, const LayerNormGradients& op) {
  compute.pool->run_ranges(op.columns, kColumnsPerTask, [&](size_t begin, size_t end) {
    compute.kernels->layer_norm_backward_columns(op, begin, end);
  });
  compute.pool->run_ranges(op.rows, kRowsPerTask, [&](size_t begin, size_t end) {
    compute.kernels->layer_norm_backward_rows(op, begin, end);
  });
}

}  // namespace ballast
