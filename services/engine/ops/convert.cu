#include "services/engine/cuda/operations.h"
#include "services/engine/cuda/pack.cuh"
#include "services/engine/cuda/profile.h"
#include "services/engine/cuda/runtime.h"

namespace ballast::cuda {
namespace {

constexpr unsigned kThreads = 256;

template <typename T>
__global__ void convert_elements(size_t count, const float* in, T* out) {
  const size_t i = size_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (i < count) out[i] = from_float<T>(in[i]);
}

}  // namespace

template <typename T>
void convert(const Compute& compute, size_t count, const float* in, T* out) {
  if (count == 0) return;
  const Timed timed(compute.profile, "convert", compute.stream);
  const auto blocks = static_cast<unsigned>((count + kThreads - 1) / kThreads);
  convert_elements<<<blocks, kThreads, 0, compute.stream>>>(count, in, out);
  check_launch("convert");
}

template void convert(const Compute&, size_t, const float*, float*);
template void convert(const Compute&, size_t, const float*, bf16*);

}  // namespace ballast::cuda
