// A warp has a row. Rows of up to kMostPacks packs a lane stay in registers between the passes over
// them; wider ones are read again.
#include <type_traits>

#include "services/engine/cuda/operations.h"
#include "services/engine/cuda/partial_sums.cuh"
#include "services/engine/cuda/profile.h"
#include "services/engine/cuda/runtime.h"

namespace ballast::cuda {
namespace {

constexpr float kEpsilon = 1e-5F;
constexpr int kWarps = 8;
constexpr int kMostPacks = 8;
constexpr size_t kRowsOfBlock = 128;  // whose gradients of gain and bias become one partial sum

// Calls use(pack, column) for the packs of this lane.
template <typename T, int kPacks, typename Use>
__device__ inline void for_packs(size_t columns, int lane, const Use& use) {
  constexpr int kN = kPack<T>;
  if constexpr (kPacks > 0) {
#pragma unroll
    for (int p = 0; p < kPacks; ++p) {
      const size_t column = (size_t{static_cast<unsigned>(p)} * kWarp + lane) * kN;
      if (column < columns) use(p, column);
    }
  } else {
    for (size_t column = size_t{static_cast<unsigned>(lane)} * kN; column < columns;
         column += size_t{kWarp} * kN) {
      use(0, column);
    }
  }
}

// x, or x + branch as it is kept.
template <typename T>
__device__ inline void load_row(const LayerNormRows<T>& op, size_t at, float (&x)[kPack<T>]) {
  load(op.input + at, x);
  if (op.branch != nullptr) {
    float branch[kPack<T>];
    load(op.branch + at, branch);
#pragma unroll
    for (int i = 0; i < kPack<T>; ++i) x[i] = rounded<T>(x[i] + branch[i]);
  }
}

template <typename T, int kPacks>
__global__ void normalise_rows(LayerNormRows<T> op) {
  constexpr int kN = kPack<T>;
  const int lane = threadIdx.x % kWarp;
  const size_t row = size_t{blockIdx.x} * kWarps + threadIdx.x / kWarp;
  if (row >= op.rows) return;
  const size_t first = row * op.columns;
  float kept[kPacks > 0 ? kPacks : 1][kN];
  const auto again = [&](int p, size_t column) {
    if constexpr (kPacks == 0) load_row(op, first + column, kept[p]);
  };
  float total = 0;
  for_packs<T, kPacks>(op.columns, lane, [&](int p, size_t column) {
    load_row(op, first + column, kept[p]);
    if (op.branch != nullptr) store(op.sum + first + column, kept[p]);
#pragma unroll
    for (int i = 0; i < kN; ++i) total += kept[p][i];
  });
  const float mean = warp_sum(total) / static_cast<float>(op.columns);
  float squares = 0;
  for_packs<T, kPacks>(op.columns, lane, [&](int p, size_t column) {
    again(p, column);
#pragma unroll
    for (int i = 0; i < kN; ++i) squares += (kept[p][i] - mean) * (kept[p][i] - mean);
  });
  const float scale = 1.0F / sqrtf(warp_sum(squares) / static_cast<float>(op.columns) + kEpsilon);
  for_packs<T, kPacks>(op.columns, lane, [&](int p, size_t column) {
    again(p, column);
    float gain[kN];
    float bias[kN];
    load(op.gain + column, gain);
    load(op.bias + column, bias);
    float out[kN];
#pragma unroll
    for (int i = 0; i < kN; ++i) out[i] = (kept[p][i] - mean) * scale * gain[i] + bias[i];
    store(op.output + first + column, out);
  });
  if (lane == 0) {
    op.mean[row] = mean;
    op.scale[row] = scale;
  }
}

// With n = (x - mean) * scale and d = dy * gain: dx = scale * (d - avg(d) - n * avg(d n)); the
// gradients of gain and bias are the sums over rows of dy n and dy. `partials`: [blocks, 2 *
// columns], of gain and bias; with kPacks == 0 they are made by sum_columns.
template <typename T, int kPacks>
__global__ void __launch_bounds__(kWarps* kWarp)
    normalise_backward(LayerNormGradients<T> op, float* partials) {
  constexpr int kN = kPack<T>;
  constexpr int kHeld = kPacks > 0 ? kPacks : 1;
  extern __shared__ float sums[];  // [2 * columns]
  const int lane = threadIdx.x % kWarp;
  const int warp = threadIdx.x / kWarp;
  float gain_sum[kHeld][kN] = {};
  float bias_sum[kHeld][kN] = {};
  const size_t begin = size_t{blockIdx.x} * kRowsOfBlock;
  const size_t end = begin + kRowsOfBlock < op.rows ? begin + kRowsOfBlock : op.rows;
  for (size_t row = begin + warp; row < end; row += kWarps) {
    const size_t first = row * op.columns;
    const float mean = op.mean[row];
    const float scale = op.scale[row];
    float normal[kHeld][kN];
    float d[kHeld][kN];
    const auto read = [&](int p, size_t column) {
      float gain[kN];
      load(op.input + first + column, normal[p]);
      load(op.output_gradient + first + column, d[p]);
      load(op.gain + column, gain);
#pragma unroll
      for (int i = 0; i < kN; ++i) {
        normal[p][i] = (normal[p][i] - mean) * scale;
        if constexpr (kPacks > 0) {
          gain_sum[p][i] += d[p][i] * normal[p][i];
          bias_sum[p][i] += d[p][i];
        }
        d[p][i] *= gain[i];
      }
    };
    float total = 0;
    float products = 0;
    for_packs<T, kPacks>(op.columns, lane, [&](int p, size_t column) {
      read(p, column);
#pragma unroll
      for (int i = 0; i < kN; ++i) {
        total += d[p][i];
        products += d[p][i] * normal[p][i];
      }
    });
    const float average = warp_sum(total) / static_cast<float>(op.columns);
    const float correlation = warp_sum(products) / static_cast<float>(op.columns);
    for_packs<T, kPacks>(op.columns, lane, [&](int p, size_t column) {
      if constexpr (kPacks == 0) read(p, column);
      float out[kN] = {};
      if (op.accumulate) load(op.input_gradient + first + column, out);
#pragma unroll
      for (int i = 0; i < kN; ++i) {
        out[i] += scale * (d[p][i] - average - normal[p][i] * correlation);
      }
      store(op.input_gradient + first + column, out);
    });
  }
  if constexpr (kPacks > 0) {
    for (int turn = 0; turn < kWarps; ++turn) {  // warps add in ascending order
      if (warp == turn) {
        for_packs<T, kPacks>(op.columns, lane, [&](int p, size_t column) {
#pragma unroll
          for (int i = 0; i < kN; ++i) {
            float& gain = sums[column + i];
            float& bias = sums[op.columns + column + i];
            gain = turn == 0 ? gain_sum[p][i] : gain + gain_sum[p][i];
            bias = turn == 0 ? bias_sum[p][i] : bias + bias_sum[p][i];
          }
        });
      }
      __syncthreads();
    }
    for (size_t c = threadIdx.x; c < 2 * op.columns; c += kWarps * kWarp) {
      partials[size_t{blockIdx.x} * 2 * op.columns + c] = sums[c];
    }
  }
}

// The partial sums of wide rows: a thread has a column.
template <typename T>
__global__ void sum_columns(LayerNormGradients<T> op, float* partials) {
  const size_t column = size_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (column >= op.columns) return;
  const size_t begin = size_t{blockIdx.y} * kRowsOfBlock;
  const size_t end = begin + kRowsOfBlock < op.rows ? begin + kRowsOfBlock : op.rows;
  float gain = 0;
  float bias = 0;
  for (size_t row = begin; row < end; ++row) {
    const float dy = to_float(op.output_gradient[row * op.columns + column]);
    const float x = to_float(op.input[row * op.columns + column]);
    gain += dy * ((x - op.mean[row]) * op.scale[row]);
    bias += dy;
  }
  float* to = partials + size_t{blockIdx.y} * 2 * op.columns;
  to[column] = gain;
  to[op.columns + column] = bias;
}

// Calls use with the packs of a lane as a constant; 0: more than kMostPacks.
template <typename T, typename Use>
void with_packs(size_t columns, const Use& use) {
  constexpr size_t kColumns = size_t{kWarp} * kPack<T>;
  switch ((columns + kColumns - 1) / kColumns) {
    case 1:
      return use(std::integral_constant<int, 1>());
    case 2:
      return use(std::integral_constant<int, 2>());
    case 3:
      return use(std::integral_constant<int, 3>());
    case 4:
      return use(std::integral_constant<int, 4>());
    case 5:
      return use(std::integral_constant<int, 5>());
    case 6:
      return use(std::integral_constant<int, 6>());
    case 7:
      return use(std::integral_constant<int, 7>());
    case 8:
      return use(std::integral_constant<int, 8>());
    default:
      return use(std::integral_constant<int, 0>());
  }
}
static_assert(kMostPacks == 8);

}  // namespace

template <typename T>
void layer_norm_forward(const Compute& compute, const LayerNormRows<T>& op) {
  const Timed timed(compute.profile, "layer norm", compute.stream);
  const auto blocks = static_cast<unsigned>((op.rows + kWarps - 1) / kWarps);
  with_packs<T>(op.columns, [&](auto packs) {
    normalise_rows<T, packs()><<<blocks, kWarps * kWarp, 0, compute.stream>>>(op);
  });
  check_launch("layer_norm_forward");
}

template <typename T>
void layer_norm_backward(const Compute& compute, const LayerNormGradients<T>& op) {
  const Timed timed(compute.profile, "layer norm", compute.stream);
  const auto blocks = static_cast<unsigned>((op.rows + kRowsOfBlock - 1) / kRowsOfBlock);
  with_packs<T>(op.columns, [&](auto packs) {
    const size_t shared = packs() > 0 ? 2 * op.columns * sizeof(float) : 0;
    normalise_backward<T, packs()>
        <<<blocks, kWarps * kWarp, shared, compute.stream>>>(op, compute.scratch);
    check_launch("layer_norm_backward");
    if constexpr (packs() == 0) {
      constexpr unsigned kThreads = 256;
      const auto columns = static_cast<unsigned>((op.columns + kThreads - 1) / kThreads);
      sum_columns<<<dim3(columns, blocks), kThreads, 0, compute.stream>>>(op, compute.scratch);
      check_launch("layer_norm_backward: columns");
    }
  });
  add_partials(compute, compute.scratch, blocks, 2 * op.columns, op.gain_gradient, op.columns,
               op.bias_gradient);
}

template void layer_norm_forward(const Compute&, const LayerNormRows<float>&);
template void layer_norm_forward(const Compute&, const LayerNormRows<bf16>&);
template void layer_norm_backward(const Compute&, const LayerNormGradients<float>&);
template void layer_norm_backward(const Compute&, const LayerNormGradients<bf16>&);

}  // namespace ballast::cuda
