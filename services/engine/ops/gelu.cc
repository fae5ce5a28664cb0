#include "services/engine/operations.h"

namespace ballast {
namespace {
constexpr size_t kElementsPerTask = 8192;  // a multiple of the vector width
}  // namespace

void gelu_forward(const Compute& compute, Gelu form, size_t count, const float* in, float* out) {
  const auto kernel = form == Gelu::kTanh ? compute.kernels->gelu_tanh_forward
                                          : compute.kernels->gelu_exact_forward;
  compute.pool->run_ranges(count, kElementsPerTask, [&](size_t begin, size_t end) {
    kernel(in + begin, out + begin, end - begin);
  });
}

void gelu_backward(const Compute& compute, Gelu form, size_t count, const float* in,
                   float* gradient) {
  const auto kernel = form == Gelu::kTanh ? compute.kernels->gelu_tanh_backward
                                          : compute.kernels->gelu_exact_backward;
  compute.pool->run_ranges(count, kElementsPerTask, [&](size_t begin, size_t end) {
    kernel(in + begin, gradient + begin, end - begin);
  });
}

}  // namespace ballast
