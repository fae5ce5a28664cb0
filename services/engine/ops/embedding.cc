#include "services/engine/operations.h"

#include <cstring>

namespace ballast {
namespace {
constexpr size_t kRowsPerTask = 64;
constexpr size_t kColumnsPerTask = 64;
}  // namespace

void embedding_forward(const Compute& compute, const BatchShape& shape, const Embedding& op,
                       const float* token_table, const float* position_table, float* out) {
  compute.pool->run_ranges(shape.rows(), kRowsPerTask, [&](size_t begin, size_t end) {
    for (size_t r = begin; r < end; ++r) {
      compute.kernels->add(token_table + op.tokens[r] * op.channels,
                           position_table + r % shape.length * op.channels, out + r * op.channels,
                           op.channels);
    }
  });
}

void embedding_backward(const Compute& compute, const BatchShape& shape, const Embedding& op,
                        const float* out_gradient, float* token_table_gradient,
                        float* position_table_gradient) {
  // By columns: every task sees all rows in ascending order, and writes its own columns.
  compute.pool->run_ranges(op.channels, kColumnsPerTask, [&](size_t begin, size_t end) {
    const size_t count = end - begin;
    for (size_t position = shape.length; position < op.context; ++position) {
      std::memset(position_table_gradient + position * op.channels + begin, 0,
                  count * sizeof(float));
    }
    for (size_t r = 0; r < shape.rows(); ++r) {
      const float* gradient = out_gradient + r * op.channels + begin;
      float* of_token = token_table_gradient + op.tokens[r] * op.channels + begin;
      float* of_position = position_table_gradient + r % shape.length * op.channels + begin;
      compute.kernels->add(of_token, gradient, of_token, count);
      if (r < shape.length) {
        std::memcpy(of_position, gradient, count * sizeof(float));
      } else {
        compute.kernels->add(of_position, gradient, of_position, count);
      }
    }
  });
}

}  // namespace ballast
