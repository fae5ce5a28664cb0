#include "services/engine/gemm.h"
#include "services/engine/operations.h"

namespace ballast {
namespace {
constexpr size_t kColumnsPerTask = 128;
}  // namespace

void linear_forward(const Compute& compute, const Linear& op, const float* in, const float* weight,
                    const float* bias, float* out) {
  gemm(compute, {.m = op.rows,
                 .n = op.outputs,
                 .k = op.inputs,
                 .a = in,
                 .a_stride = op.inputs,
                 .b = weight,
                 .b_stride = op.outputs,
                 .c = out,
                 .c_stride = op.outputs,
                 .bias = bias});
}

void linear_backward(const Compute& compute, const Linear& op, const float* in, const float* weight,
                     const float* out_gradient, float* in_gradient, float* weight_gradient,
                     float* bias_gradient) {
  gemm(compute, {.transpose_a = true,
                 .m = op.inputs,
                 .n = op.outputs,
                 .k = op.rows,
                 .a = in,
                 .a_stride = op.inputs,
                 .b = out_gradient,
                 .b_stride = op.outputs,
                 .c = weight_gradient,
                 .c_stride = op.outputs});
  compute.pool->run_ranges(op.outputs, kColumnsPerTask, [&](size_t begin, size_t end) {
    compute.kernels->column_sums(out_gradient, op.rows, op.outputs, begin, end, bias_gradient);
  });
  gemm(compute, {.transpose_b = true,
                 .m = op.rows,
                 .n = op.inputs,
                 .k = op.outputs,
                 .a = out_gradient,
                 .a_stride = op.outputs,
                 .b = weight,
                 .b_stride = op.outputs,
                 .c = in_gradient,
                 .c_stride = op.inputs});
}

}  // namespace ballast
