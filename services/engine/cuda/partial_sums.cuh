// Sums over rows in two passes, in an order that the shape alone fixes: blocks add up their rows
// into one row of partial sums each, then those are added.
#pragma once

#include "services/engine/cuda/compute.h"
#include "services/engine/cuda/pack.cuh"

namespace ballast::cuda {

// out[c] = sum over p of partials[p, c], of `count` partial rows of `columns`; columns from `split`
// on go to second[c - split].
void add_partials(const Compute& compute, const float* partials, size_t count, size_t columns,
                  float* out, size_t split, float* second);

// out[c] = sum over rows of in[r, c].
template <typename T>
void column_sums(const Compute& compute, const T* in, size_t rows, size_t columns, float* out);
inline constexpr size_t kRowsOfColumnSum = 256;

}  // namespace ballast::cuda
