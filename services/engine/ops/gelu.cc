#include "services/engine/operations.h"

namespace ballast {
namespace {
constexpr size_t kElementsPerTask = 8192;  // a multiple of the vector width
}  // namespace

void gelu_forward(const Compute& compute, size_t count, const float* in, float* out) {
  compute.pool->run_ranges(count, kElementsPerTask, [&](size_t begin, size_t end) {
    compute.kernels->gelu_forward(in + begin, out + begin, end - begin);
  });
}

void gelu_backward(const Compute& compute, size_t count, const float* in, float* gradient) {
  compute.pool->run_ranges(count, kElementsPerTask, [&](size_t begin, size_t end) {
    compute.kernels->gelu_backward(in + begin, gradient + begin, end - begin);
  });
}

}  // namespace ballast
