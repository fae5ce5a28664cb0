#include "services/engine/cuda/partial_sums.cuh"
#include "services/engine/cuda/profile.h"
#include "services/engine/cuda/runtime.h"

namespace ballast::cuda {
namespace {

constexpr int kSide = 32;  // columns of a block, and rows that it adds at a time

__global__ void add_partial_rows(const float* partials, size_t count, size_t columns, float* out,
                                 size_t split, float* second) {
  __shared__ float sums[kSide][kSide + 1];
  const size_t column = size_t{blockIdx.x} * kSide + threadIdx.x;
  float total = 0;
  if (column < columns) {
#pragma unroll 4
    for (size_t row = threadIdx.y; row < count; row += kSide) {
      total += partials[row * columns + column];
    }
  }
  sums[threadIdx.y][threadIdx.x] = total;
  __syncthreads();
  if (threadIdx.y != 0 || column >= columns) return;
  total = 0;
#pragma unroll
  for (int row = 0; row < kSide; ++row) total += sums[row][threadIdx.x];
  if (column < split) {
    out[column] = total;
  } else {
    second[column - split] = total;
  }
}

constexpr int kWarps = 8;

// Each warp adds every kWarps-th row of the block's; a lane has one pack of columns.
template <typename T>
__global__ void column_sum_rows(const T* in, size_t rows, size_t columns, float* partials) {
  constexpr int kN = kPack<T>;
  __shared__ float sums[kWarps][kWarp * kN + 1];
  const int lane = threadIdx.x % kWarp;
  const int warp = threadIdx.x / kWarp;
  const size_t column = (size_t{blockIdx.x} * kWarp + lane) * kN;
  const size_t begin = size_t{blockIdx.y} * kRowsOfColumnSum;
  const size_t end = begin + kRowsOfColumnSum < rows ? begin + kRowsOfColumnSum : rows;
  float total[kN] = {};
  if (column < columns) {
#pragma unroll 4
    for (size_t row = begin + warp; row < end; row += kWarps) {
      float values[kN];
      load(in + row * columns + column, values);
#pragma unroll
      for (int i = 0; i < kN; ++i) total[i] += values[i];
    }
  }
#pragma unroll
  for (int i = 0; i < kN; ++i) sums[warp][lane * kN + i] = total[i];
  __syncthreads();
  for (int i = threadIdx.x; i < kWarp * kN; i += kWarps * kWarp) {
    const size_t c = size_t{blockIdx.x} * kWarp * kN + i;
    if (c >= columns) continue;
    float sum = 0;
#pragma unroll
    for (int w = 0; w < kWarps; ++w) sum += sums[w][i];
    partials[size_t{blockIdx.y} * columns + c] = sum;
  }
}

}  // namespace

void add_partials(const Compute& compute, const float* partials, size_t count, size_t columns,
                  float* out, size_t split, float* second) {
  const auto blocks = static_cast<unsigned>((columns + kSide - 1) / kSide);
  add_partial_rows<<<blocks, dim3(kSide, kSide), 0, compute.stream>>>(partials, count, columns, out,
                                                                      split, second);
  check_launch("add_partials");
}

template <typename T>
void column_sums(const Compute& compute, const T* in, size_t rows, size_t columns, float* out) {
  const Timed timed(compute.profile, "column sums", compute.stream);
  constexpr size_t kColumns = size_t{kWarp} * kPack<T>;
  const size_t chunks = (rows + kRowsOfColumnSum - 1) / kRowsOfColumnSum;
  const dim3 grid(static_cast<unsigned>((columns + kColumns - 1) / kColumns),
                  static_cast<unsigned>(chunks));
  column_sum_rows<<<grid, kWarps * kWarp, 0, compute.stream>>>(in, rows, columns, compute.scratch);
  check_launch("column_sums");
  add_partials(compute, compute.scratch, chunks, columns, out, columns, nullptr);
}

template void column_sums(const Compute&, const float*, size_t, size_t, float*);
template void column_sums(const Compute&, const bf16*, size_t, size_t, float*);

}  // namespace ballast::cuda
