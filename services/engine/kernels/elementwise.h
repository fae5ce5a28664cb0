// Sums of rows and columns; kernels.h has the contracts. Each element of the output
// depends on one fixed order of operations. Stateless; any thread.
#pragma once

#include "services/engine/kernels/vector.h"

namespace ballast {
namespace {  // NOLINT(google-build-namespaces): a copy for each instruction set

void add(const float* a, const float* b, float* out, size_t count) {
  for_vectors(count, [=](size_t i, auto part) {
    store(out + i, load(a + i, part) + load(b + i, part), part);
  });
}

void add_bias(float* out, size_t stride, size_t rows, size_t columns, const float* bias) {
  for (size_t r = 0; r < rows; ++r) {
    add(out + r * stride, bias, out + r * stride, columns);
  }
}

void column_sums(const float* in, size_t rows, size_t stride, size_t begin, size_t end,
                 float* out) {
  for_vectors(end - begin, [=](size_t i, auto part) {
    Vector total{};
    for (size_t r = 0; r < rows; ++r) {
      total += load(in + r * stride + begin + i, part);
    }
    store(out + begin + i, total, part);
  });
}

void scale_rows(float* out, size_t stride, size_t rows, size_t columns, const float* factors) {
  for (size_t r = 0; r < rows; ++r) {
    float* row = out + r * stride;
    for_vectors(columns, [=](size_t i, auto part) {
      store(row + i, load(row + i, part) * factors[r], part);
    });
  }
}

void row_dots(const float* a, const float* b, size_t stride, size_t rows, size_t columns,
              float* out) {
  for (size_t r = 0; r < rows; ++r) {
    Vector total{};
    for_vectors(columns, [&](size_t i, auto part) {
      total += load(a + r * stride + i, part) * load(b + r * stride + i, part);
    });
    out[r] = sum(total);
  }
}

}  // namespace
}  // namespace ballast
