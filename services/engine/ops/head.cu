// The head and its cross-entropy. Probabilities are never stored: a row of logits becomes its own
// gradient where it lies, and both gradients are made of it before the next rows take its place.
#include <cuda_pipeline_primitives.h>

#include <algorithm>
#include <cmath>

#include "services/engine/cuda/matrix_products.h"
#include "services/engine/cuda/operations.h"
#include "services/engine/cuda/pack.cuh"
#include "services/engine/cuda/profile.h"

namespace ballast::cuda {
namespace {

constexpr int kThreads = 1024;
constexpr size_t kLogitBytes = size_t{1} << 30;
constexpr size_t kFewestRows = 1024;
constexpr int kSharedBytes = 200 << 10;  // of a block, beside what is static

// Sum of exponentials relative to the largest logit so far (Milakov and Gimelshein, Online
// normalizer calculation for softmax, 2018).
struct Exponentials {
  float largest = -INFINITY;
  float total = 0;
};

template <typename T>
__device__ inline Exponentials join(const Exponentials& a, const Exponentials& b) {
  const float largest = fmaxf(a.largest, b.largest);
  if (largest == -INFINITY) return {largest, a.total + b.total};
  return {largest, a.total * exponential<T>(a.largest - largest) +
                       b.total * exponential<T>(b.largest - largest)};
}

template <typename T>
__device__ Exponentials over_block(Exponentials value) {
  __shared__ Exponentials parts[kThreads / kWarp];
#pragma unroll
  for (int distance = kWarp / 2; distance > 0; distance /= 2) {
    const Exponentials other{__shfl_xor_sync(kAllLanes, value.largest, distance),
                             __shfl_xor_sync(kAllLanes, value.total, distance)};
    // Both lanes join in the same order, or their bits could differ.
    value = threadIdx.x & distance ? join<T>(other, value) : join<T>(value, other);
  }
  if (threadIdx.x % kWarp == 0) parts[threadIdx.x / kWarp] = value;
  __syncthreads();
  value = parts[0];
#pragma unroll
  for (int i = 1; i < kThreads / kWarp; ++i) value = join<T>(value, parts[i]);
  return value;
}

// Calls use(x, column, whole) for this thread's packs of a row, columns ascending. whole: no column
// of the pack is padding.
template <typename T, typename Use>
__device__ inline void for_columns(const T* row, size_t vocabulary, size_t padded, const Use& use) {
  constexpr int kN = kPack<T>;
  for (size_t c = threadIdx.x * size_t{kN}; c < padded; c += size_t{kThreads} * kN) {
    float x[kN];
    load(row + c, x);
    if (c + kN <= vocabulary) {
      use(x, c, true);
    } else {
      use(x, c, false);
    }
  }
}

// One block a row. Columns from `vocabulary` on are padding. kHeld: the row stays in shared memory
// between the passes over it, each thread's part for that thread alone.
template <typename T, bool kHeld>
__global__ void __launch_bounds__(kThreads)
    cross_entropy(T* logits, size_t vocabulary, size_t padded, const uint32_t* targets,
                  double* row_loss, bool gradient) {
  constexpr int kN = kPack<T>;
  extern __shared__ uint4 held[];
  T* row = logits + size_t{blockIdx.x} * padded;
  const T* source = row;
  if constexpr (kHeld) {
    T* to = reinterpret_cast<T*>(held);
    for (size_t c = threadIdx.x * size_t{kN}; c < padded; c += size_t{kThreads} * kN) {
      __pipeline_memcpy_async(to + c, row + c, sizeof(uint4));
    }
    __pipeline_commit();
    source = to;
  }
  const uint32_t target = targets[blockIdx.x];
  const bool masked = target == kMaskedTarget;
  const float target_logit = masked ? 0.0F : to_float(row[target]);
  if constexpr (kHeld) __pipeline_wait_prior(0);

  Exponentials mine;
  for_columns(source, vocabulary, padded, [&](const float* x, size_t c, bool whole) {
#pragma unroll
    for (int i = 0; i < kN; ++i) {
      if (whole || c + i < vocabulary) mine.largest = fmaxf(mine.largest, x[i]);
    }
  });
  const float from = mine.largest == -INFINITY ? 0.0F : mine.largest;
  for_columns(source, vocabulary, padded, [&](const float* x, size_t c, bool whole) {
#pragma unroll
    for (int i = 0; i < kN; ++i) {
      if (whole || c + i < vocabulary) mine.total += exponential<T>(x[i] - from);
    }
  });
  const Exponentials all = over_block<T>(mine);
  if (threadIdx.x == 0) {
    row_loss[blockIdx.x] = masked ? 0.0
                                  : static_cast<double>(logf(all.total)) +
                                        static_cast<double>(all.largest) -
                                        static_cast<double>(target_logit);
  }
  if (!gradient) return;
  const float inverse = masked ? 0.0F : 1.0F / all.total;
  for_columns(source, vocabulary, padded, [&](const float* x, size_t c, bool whole) {
    float slope[kN];
#pragma unroll
    for (int i = 0; i < kN; ++i) {
      const float p = exponential<T>(x[i] - all.largest) * inverse;
      slope[i] = whole || c + i < vocabulary ? p : 0.0F;
    }
    const uint32_t within = target - static_cast<uint32_t>(c);  // in the pack, where it is
    if (within < kN) {
#pragma unroll
      for (int i = 0; i < kN; ++i) {
        if (static_cast<uint32_t>(i) == within) slope[i] -= 1.0F;
      }
    }
    store(row + c, slope);
  });
}

// One block; each thread adds every kThreads-th row, then a tree.
__global__ void add_losses(const double* row_loss, size_t rows, double* loss) {
  __shared__ double parts[kThreads];
  double total = 0;
  for (size_t r = threadIdx.x; r < rows; r += kThreads) total += row_loss[r];
  parts[threadIdx.x] = total;
  for (int half = kThreads / 2; half > 0; half /= 2) {
    __syncthreads();
    if (static_cast<int>(threadIdx.x) < half) parts[threadIdx.x] += parts[threadIdx.x + half];
  }
  if (threadIdx.x == 0) *loss = parts[0];
}

}  // namespace

size_t head_rows_at_once(const PaddedHead& op) {
  size_t rows = kFewestRows;
  while (rows < op.rows && 2 * rows * op.padded * sizeof(bf16) <= kLogitBytes) rows *= 2;
  return std::min(rows, op.rows);
}

template <typename T>
void head(const Compute& compute, const PaddedHead& op, const T* in, const T* table,
          const uint32_t* targets, T* logits, double* row_loss, double* loss, T* in_gradient,
          float* table_gradient) {
  const bool gradient = in_gradient != nullptr;
  const size_t at_once = head_rows_at_once(op);
  for (size_t begin = 0; begin < op.rows; begin += at_once) {
    const size_t rows = std::min(at_once, op.rows - begin);
    const T* block = in + begin * op.channels;
    Product product{.elements = kElementType<T>,
                    .result = kElementType<T>,
                    .transpose_b = true,
                    .m = rows,
                    .n = op.padded,
                    .k = op.channels,
                    .a = block,
                    .a_stride = op.channels,
                    .b = table,
                    .b_stride = op.channels,
                    .c = logits,
                    .c_stride = op.padded};
    multiply(compute, product);
    {
      const Timed timed(compute.profile, "cross-entropy", compute.stream);
      const auto blocks = static_cast<unsigned>(rows);
      const size_t row_bytes = op.padded * sizeof(T);
      if (row_bytes <= size_t{kSharedBytes}) {
        check(cudaFuncSetAttribute(cross_entropy<T, true>,
                                   cudaFuncAttributeMaxDynamicSharedMemorySize, kSharedBytes),
              "cudaFuncSetAttribute");
        check(cudaFuncSetAttribute(cross_entropy<T, true>,
                                   cudaFuncAttributePreferredSharedMemoryCarveout,
                                   cudaSharedmemCarveoutMaxShared),  // for two rows at a time
              "cudaFuncSetAttribute");
        cross_entropy<T, true><<<blocks, kThreads, row_bytes, compute.stream>>>(
            logits, op.vocabulary, op.padded, targets + begin, row_loss + begin, gradient);
      } else {
        cross_entropy<T, false><<<blocks, kThreads, 0, compute.stream>>>(
            logits, op.vocabulary, op.padded, targets + begin, row_loss + begin, gradient);
      }
      check_launch("head");
    }
    if (!gradient) continue;
    multiply(compute, {.elements = kElementType<T>,
                       .result = kElementType<T>,
                       .m = rows,
                       .n = op.channels,
                       .k = op.padded,
                       .a = logits,
                       .a_stride = op.padded,
                       .b = table,
                       .b_stride = op.channels,
                       .c = in_gradient + begin * op.channels,
                       .c_stride = op.channels});
    multiply(compute, {.elements = kElementType<T>,
                       .result = ElementType::kFp32,
                       .transpose_a = true,
                       .m = op.padded,
                       .n = op.channels,
                       .k = rows,
                       .a = logits,
                       .a_stride = op.padded,
                       .b = block,
                       .b_stride = op.channels,
                       .c = table_gradient,
                       .c_stride = op.channels,
                       .beta = begin == 0 ? 0.0F : 1.0F});
  }
  add_losses<<<1, kThreads, 0, compute.stream>>>(row_loss, op.rows, loss);
  check_launch("head: loss");
}

template void head(const Compute&, const PaddedHead&, const float*, const float*, const uint32_t*,
                   float*, double*, double*, float*, float*);
template void head(const Compute&, const PaddedHead&, const bf16*, const bf16*, const uint32_t*,
                   bf16*, double*, double*, bf16*, float*);

size_t scratch_elements(size_t rows, size_t channels) {
  const size_t norm = (rows + 127) / 128 * 2 * channels;
  const size_t columns = (rows + 255) / 256 * 4 * channels;
  // At most two of a token's pieces are not full.
  const size_t pieces = (rows / TokenRows::kRowsOfPiece * 2 + 1) * channels;
  return std::max({norm, columns, pieces});
}

}  // namespace ballast::cuda
