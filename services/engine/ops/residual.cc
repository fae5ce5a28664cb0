#include "services/engine/operations.h"

namespace ballast {
namespace {
constexpr size_t kElementsPerTask = 16384;  // a multiple of the vector width
}  // namespace

void residual_forward(const Compute& compute, size_t count, const float* a, const float* b,
                      float* out) {
  compute.pool->run_ranges(count, kElementsPerTask, [&](size_t begin, size_t end) {
    compute.kernels->add(a + begin, b + begin, out + begin, end - begin);
  });
}

}  // namespace ballast
