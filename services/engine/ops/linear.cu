#include "services/engine/cuda/matrix_products.h"
#include "services/engine/cuda/operations.h"
#include "services/engine/cuda/partial_sums.cuh"

namespace ballast::cuda {
namespace {

constexpr unsigned kThreads = 256;

template <typename T>
__global__ void add_to_columns(size_t count, size_t columns, const T* bias, T* out) {
  constexpr int kN = kPack<T>;
  const size_t at = (size_t{blockIdx.x} * blockDim.x + threadIdx.x) * kN;
  if (at >= count) return;
  float value[kN];
  float addend[kN];
  load(out + at, value);
  load(bias + at % columns, addend);
#pragma unroll
  for (int i = 0; i < kN; ++i) value[i] += addend[i];
  store(out + at, value);
}

template <typename T>
void add_bias(const Compute& compute, const Linear& op, const T* bias, T* out) {
  const size_t count = op.rows * op.outputs;
  const auto blocks = static_cast<unsigned>((count / kPack<T> + kThreads - 1) / kThreads);
  add_to_columns<<<blocks, kThreads, 0, compute.stream>>>(count, op.outputs, bias, out);
  check_launch("add_bias");
}

// out [rows, outputs] = in * weight.
template <typename T>
Product forward_product(const Linear& op, const T* in, const T* weight, T* out) {
  return {.elements = kElementType<T>,
          .result = kElementType<T>,
          .m = op.rows,
          .n = op.outputs,
          .k = op.inputs,
          .a = in,
          .a_stride = op.inputs,
          .b = weight,
          .b_stride = op.outputs,
          .c = out,
          .c_stride = op.outputs};
}

// in_gradient [rows, inputs] = out_gradient * weight^T.
template <typename T>
Product input_product(const Linear& op, const T* weight, const T* out_gradient, T* in_gradient) {
  return {.elements = kElementType<T>,
          .result = kElementType<T>,
          .transpose_b = true,
          .m = op.rows,
          .n = op.inputs,
          .k = op.outputs,
          .a = out_gradient,
          .a_stride = op.outputs,
          .b = weight,
          .b_stride = op.outputs,
          .c = in_gradient,
          .c_stride = op.inputs};
}

// Multiplies in one go where the library can; `apart` does otherwise what the epilogue does.
template <typename Apart>
void multiply_or(const Compute& compute, Product product, const Apart& apart) {
  if (multiply(compute, product)) return;
  product.epilogue = Epilogue::kNone;
  multiply(compute, product);
  apart();
}

}  // namespace

template <typename T>
void linear_forward(const Compute& compute, const Linear& op, const T* in, const T* weight,
                    const T* bias, T* out) {
  Product product = forward_product(op, in, weight, out);
  product.epilogue = Epilogue::kBias;
  product.bias = bias;
  multiply_or(compute, product, [&] { add_bias(compute, op, bias, out); });
}

template <typename T>
void linear_parameters_backward(const Compute& compute, const Linear& op, const T* in,
                                const T* out_gradient, float* weight_gradient,
                                float* bias_gradient) {
  multiply(compute, {.elements = kElementType<T>,
                     .result = ElementType::kFp32,
                     .transpose_a = true,
                     .m = op.inputs,
                     .n = op.outputs,
                     .k = op.rows,
                     .a = in,
                     .a_stride = op.inputs,
                     .b = out_gradient,
                     .b_stride = op.outputs,
                     .c = weight_gradient,
                     .c_stride = op.outputs});
  column_sums(compute, out_gradient, op.rows, op.outputs, bias_gradient);
}

template <typename T>
void linear_backward(const Compute& compute, const Linear& op, const T* in, const T* weight,
                     const T* out_gradient, T* in_gradient, float* weight_gradient,
                     float* bias_gradient) {
  multiply(compute, input_product(op, weight, out_gradient, in_gradient));
  linear_parameters_backward(compute, op, in, out_gradient, weight_gradient, bias_gradient);
}

// The library's gelu is the tanh form, with a faster and coarser tanh: for bf16 alone.
template <typename T>
void linear_gelu_forward(const Compute& compute, Gelu form, const Linear& op, const T* in,
                         const T* weight, const T* bias, T* inner, T* out) {
  if (sizeof(T) == sizeof(bf16) && form == Gelu::kTanh) {
    Product product = forward_product(op, in, weight, out);
    product.epilogue = Epilogue::kBiasGelu;
    product.bias = bias;
    product.inner = inner;
    if (multiply(compute, product)) return;
  }
  linear_forward(compute, op, in, weight, bias, inner);
  gelu_forward(compute, form, op.rows * op.outputs, inner, out);
}

template <typename T>
void linear_gelu_backward(const Compute& compute, Gelu form, const Linear& op, const T* inner,
                          const T* weight, const T* out_gradient, T* inner_gradient) {
  Product product = input_product(op, weight, out_gradient, inner_gradient);
  if (sizeof(T) == sizeof(bf16) && form == Gelu::kTanh) {
    product.epilogue = Epilogue::kGeluBackward;
    product.inner = const_cast<T*>(inner);  // the library reads it
  }
  const bool apart = product.epilogue == Epilogue::kNone;
  const auto slope = [&] {
    gelu_backward(compute, form, op.rows * op.inputs, inner, inner_gradient);
  };
  multiply_or(compute, product, slope);
  if (apart) slope();
}

#define BALLAST_LINEAR(T)                                                                        \
  template void linear_forward(const Compute&, const Linear&, const T*, const T*, const T*, T*); \
  template void linear_backward(const Compute&, const Linear&, const T*, const T*, const T*, T*, \
                                float*, float*);                                                 \
  template void linear_gelu_forward(const Compute&, Gelu, const Linear&, const T*, const T*,     \
                                    const T*, T*, T*);                                           \
  template void linear_gelu_backward(const Compute&, Gelu, const Linear&, const T*, const T*,    \
                                     const T*, T*);                                              \
  template void linear_parameters_backward(const Compute&, const Linear&, const T*, const T*,    \
                                           float*, float*);
BALLAST_LINEAR(float)
BALLAST_LINEAR(bf16)
#undef BALLAST_LINEAR

}  // namespace ballast::cuda
