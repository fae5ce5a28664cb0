#include "services/engine/cuda/dropout.cuh"
#include "services/engine/cuda/operations.h"
#include "services/engine/cuda/pack.cuh"
#include "services/engine/cuda/profile.h"
#include "services/engine/cuda/runtime.h"

namespace ballast::cuda {
namespace {

constexpr unsigned kThreads = 256;

template <typename T>
__global__ void drop(DropoutMask mask, size_t rows, size_t columns, const T* in, T* out) {
  constexpr int kN = kPack<T>;
  const size_t at = (size_t{blockIdx.x} * blockDim.x + threadIdx.x) * kN;
  if (at >= rows * columns) return;
  const auto row = static_cast<uint32_t>(at / columns);
  const auto column = static_cast<uint32_t>(at % columns);
  float values[kN];
  load(in + at, values);
#pragma unroll
  for (int i = 0; i < kN; ++i) values[i] *= dropout_factor(mask, row, column + i);
  store(out + at, values);
}

}  // namespace

template <typename T>
void dropout_apply(const Compute& compute, const DropoutMask& mask, size_t rows, size_t columns,
                   const T* in, T* out) {
  const Timed timed(compute.profile, "dropout", compute.stream);
  const size_t packs = rows * columns / kPack<T>;
  const auto blocks = static_cast<unsigned>((packs + kThreads - 1) / kThreads);
  drop<<<blocks, kThreads, 0, compute.stream>>>(mask, rows, columns, in, out);
  check_launch("dropout_apply");
}

template void dropout_apply(const Compute&, const DropoutMask&, size_t, size_t, const float*,
                            float*);
template void dropout_apply(const Compute&, const DropoutMask&, size_t, size_t, const bf16*, bf16*);

}  // namespace ballast::cuda
