#include "tests/bench_transport/plain_loop.h"

#include "common/vector_dispatch.h"

namespace ballast::bench {
namespace {

BALLAST_LOOP dispatched_loop(float* __restrict p, float* __restrict m, float* __restrict v,
                             const float* __restrict g, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    const float gradient = g[i];
    m[i] = m[i] + gradient;
    v[i] = v[i] - gradient;
    p[i] = p[i] + gradient;
  }
}
BALLAST_DISPATCH(dispatched,
                 (float* __restrict p, float* __restrict m, float* __restrict v,
                  const float* __restrict g, size_t count),
                 (p, m, v, g, count))

}  // namespace

void plain_loop(float* p, float* m, float* v, const float* g, size_t count) {
  dispatched(p, m, v, g, count);
}

}  // namespace ballast::bench
