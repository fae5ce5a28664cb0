#include "services/engine/cuda/operations.h"
#include "services/engine/cuda/pack.cuh"
#include "services/engine/cuda/profile.h"
#include "services/engine/cuda/runtime.h"

namespace ballast::cuda {
namespace {

constexpr unsigned kThreads = 256;
constexpr float kTwiceRootTwoOverPi = 1.59576912160573F;
constexpr float kCubic = 0.044715F;
constexpr float kRootHalf = 0.707106781186548F;
constexpr float kInverseRootTwoPi = 0.398942280401433F;

// x s(2u) with the logistic function s and u = sqrt(2/pi) (x + 0.044715 x^3).
__device__ inline float gate(float x) {
  return 1.0F / (1.0F + expf(-kTwiceRootTwoOverPi * (x + kCubic * x * x * x)));
}

template <Gelu kForm>
__device__ inline float value(float x) {
  if constexpr (kForm == Gelu::kTanh) {
    return x * gate(x);
  } else {
    return 0.5F * x * erfcf(-x * kRootHalf);
  }
}

template <Gelu kForm>
__device__ inline float slope(float x) {
  if constexpr (kForm == Gelu::kTanh) {
    const float g = gate(x);
    return g + x * kTwiceRootTwoOverPi * (1.0F + 3.0F * kCubic * x * x) * (g * (1.0F - g));
  } else {
    return 0.5F * erfcf(-x * kRootHalf) + x * kInverseRootTwoPi * expf(-0.5F * x * x);
  }
}

template <typename T, Gelu kForm, bool kBackward>
__global__ void apply(size_t count, const T* in, T* out) {
  constexpr int kN = kPack<T>;
  const size_t at = (size_t{blockIdx.x} * blockDim.x + threadIdx.x) * kN;
  if (at >= count) return;
  float x[kN];
  load(in + at, x);
  float result[kN];
  if constexpr (kBackward) load(out + at, result);
#pragma unroll
  for (int i = 0; i < kN; ++i) {
    result[i] = kBackward ? result[i] * slope<kForm>(x[i]) : value<kForm>(x[i]);
  }
  store(out + at, result);
}

template <typename T, bool kBackward>
void launch(const Compute& compute, Gelu form, size_t count, const T* in, T* out) {
  const Timed timed(compute.profile, "gelu", compute.stream);
  const size_t packs = count / kPack<T>;
  const auto blocks = static_cast<unsigned>((packs + kThreads - 1) / kThreads);
  if (form == Gelu::kTanh) {
    apply<T, Gelu::kTanh, kBackward><<<blocks, kThreads, 0, compute.stream>>>(count, in, out);
  } else {
    apply<T, Gelu::kExact, kBackward><<<blocks, kThreads, 0, compute.stream>>>(count, in, out);
  }
  check_launch("gelu");
}

}  // namespace

template <typename T>
void gelu_forward(const Compute& compute, Gelu form, size_t count, const T* in, T* out) {
  launch<T, false>(compute, form, count, in, out);
}

template <typename T>
void gelu_backward(const Compute& compute, Gelu form, size_t count, const T* in, T* gradient) {
  launch<T, true>(compute, form, count, in, gradient);
}

template void gelu_forward(const Compute&, Gelu, size_t, const float*, float*);
template void gelu_forward(const Compute&, Gelu, size_t, const bf16*, bf16*);
template void gelu_backward(const Compute&, Gelu, size_t, const float*, float*);
template void gelu_backward(const Compute&, Gelu, size_t, const bf16*, bf16*);

}  // namespace ballast::cuda
