// Backward adds the rows of each token in ascending order, by pieces, instead of by atomic
// additions, whose order would change from run to run.
#include <algorithm>
#include <numeric>

#include "services/engine/cuda/operations.h"
#include "services/engine/cuda/pack.cuh"
#include "services/engine/cuda/profile.h"
#include "services/engine/cuda/runtime.h"

namespace ballast::cuda {
namespace {

constexpr unsigned kThreads = 256;

template <typename T>
__global__ void embed(size_t rows, size_t length, size_t channels, const uint32_t* tokens,
                      const T* token_table, const T* position_table, T* out) {
  constexpr int kN = kPack<T>;
  const size_t at = (size_t{blockIdx.x} * blockDim.x + threadIdx.x) * kN;
  if (at >= rows * channels) return;
  const size_t row = at / channels;
  const size_t column = at % channels;
  float token[kN];
  float position[kN];
  load(token_table + tokens[row] * channels + column, token);
  load(position_table + row % length * channels + column, position);
#pragma unroll
  for (int i = 0; i < kN; ++i) token[i] += position[i];
  store(out + at, token);
}

// One block a piece; a thread has one pack of columns, then the next one blockDim further on.
template <typename T>
__global__ void add_pieces(size_t channels, DeviceTokenRows of, const T* gradient, float* partials,
                           float* table) {
  constexpr int kN = kPack<T>;
  const TokenRows::Piece piece = of.pieces[blockIdx.x];
  for (size_t column = threadIdx.x * size_t{kN}; column < channels;
       column += size_t{blockDim.x} * kN) {
    float total[kN] = {};
#pragma unroll 4
    for (uint32_t k = 0; k < piece.count; ++k) {
      float values[kN];
      load(gradient + of.rows[piece.begin + k] * channels + column, values);
#pragma unroll
      for (int i = 0; i < kN; ++i) total[i] += values[i];
    }
    const bool alone = piece.slot == TokenRows::kNoSlot;
    float* to = alone ? table + piece.token * channels : partials + piece.slot * channels;
#pragma unroll
    for (int i = 0; i < kN; ++i) {
      to[column + i] = alone ? to[column + i] + total[i] : total[i];
    }
  }
}

__global__ void join_pieces(size_t channels, const TokenRows::Joined* joined, const float* partials,
                            float* table) {
  const TokenRows::Joined token = joined[blockIdx.x];
  for (size_t column = threadIdx.x; column < channels; column += blockDim.x) {
    float total = 0;
#pragma unroll 4
    for (uint32_t slot = 0; slot < token.slots; ++slot) {
      total += partials[(token.first_slot + slot) * channels + column];
    }
    table[token.token * channels + column] += total;
  }
}

template <typename T>
__global__ void add_sequences(size_t sequences, size_t length, size_t channels, const T* gradient,
                              float* table) {
  constexpr int kN = kPack<T>;
  const size_t at = (size_t{blockIdx.x} * blockDim.x + threadIdx.x) * kN;
  if (at >= length * channels) return;
  float total[kN] = {};
#pragma unroll 4
  for (size_t s = 0; s < sequences; ++s) {
    float values[kN];
    load(gradient + s * length * channels + at, values);
#pragma unroll
    for (int i = 0; i < kN; ++i) total[i] += values[i];
  }
#pragma unroll
  for (int i = 0; i < kN; ++i) table[at + i] = total[i];
}

unsigned blocks_for(size_t packs) {
  return static_cast<unsigned>((packs + kThreads - 1) / kThreads);
}

}  // namespace

template <typename T>
void embedding_forward(const Compute& compute, const BatchShape& shape, size_t channels,
                       const uint32_t* tokens, const T* token_table, const T* position_table,
                       T* out) {
  const Timed timed(compute.profile, "embedding", compute.stream);
  const size_t packs = shape.rows() * channels / kPack<T>;
  embed<<<blocks_for(packs), kThreads, 0, compute.stream>>>(
      shape.rows(), shape.length, channels, tokens, token_table, position_table, out);
  check_launch("embedding_forward");
}

TokenRows token_rows(const uint32_t* tokens, size_t rows, uint32_t vocabulary) {
  std::vector<uint32_t> ends(vocabulary, 0);  // of each token's rows, once they are in place
  for (size_t r = 0; r < rows; ++r) ++ends[tokens[r]];
  std::exclusive_scan(ends.begin(), ends.end(), ends.begin(), 0U);
  TokenRows out;
  out.rows.resize(rows);
  for (size_t r = 0; r < rows; ++r) out.rows[ends[tokens[r]]++] = static_cast<uint32_t>(r);
  uint32_t begin = 0;
  uint32_t slots = 0;
  for (uint32_t token = 0; token < vocabulary; begin = ends[token++]) {
    const uint32_t count = ends[token] - begin;
    const uint32_t pieces = (count + TokenRows::kRowsOfPiece - 1) / TokenRows::kRowsOfPiece;
    for (uint32_t p = 0; p < pieces; ++p) {
      const uint32_t first = p * TokenRows::kRowsOfPiece;
      out.pieces.push_back({.token = token,
                            .begin = begin + first,
                            .count = std::min(TokenRows::kRowsOfPiece, count - first),
                            .slot = pieces > 1 ? slots + p : TokenRows::kNoSlot});
    }
    if (pieces > 1) {
      out.joined.push_back({.token = token, .first_slot = slots, .slots = pieces});
      slots += pieces;
    }
  }
  return out;
}

template <typename T>
void embedding_backward(const Compute& compute, const BatchShape& shape, size_t channels,
                        const DeviceTokenRows& of, const T* out_gradient,
                        float* token_table_gradient, float* position_table_gradient) {
  const Timed timed(compute.profile, "embedding", compute.stream);
  const size_t packs = channels / kPack<T>;
  const auto threads =
      static_cast<unsigned>(std::min<size_t>(kThreads, (packs + kWarp - 1) / kWarp * kWarp));
  add_pieces<<<static_cast<unsigned>(of.piece_count), threads, 0, compute.stream>>>(
      channels, of, out_gradient, compute.scratch, token_table_gradient);
  check_launch("embedding_backward");
  if (of.joined_count > 0) {
    join_pieces<<<static_cast<unsigned>(of.joined_count), kThreads, 0, compute.stream>>>(
        channels, of.joined, compute.scratch, token_table_gradient);
    check_launch("embedding_backward: pieces");
  }
  add_sequences<<<blocks_for(shape.length * packs), kThreads, 0, compute.stream>>>(
      shape.sequences, shape.length, channels, out_gradient, position_table_gradient);
  check_launch("embedding_backward: positions");
}

template void embedding_forward(const Compute&, const BatchShape&, size_t, const uint32_t*,
                                const float*, const float*, float*);
template void embedding_forward(const Compute&, const BatchShape&, size_t, const uint32_t*,
                                const bf16*, const bf16*, bf16*);
template void embedding_backward(const Compute&, const BatchShape&, size_t, const DeviceTokenRows&,
                                 const float*, float*, float*);
template void embedding_backward(const Compute&, const BatchShape&, size_t, const DeviceTokenRows&,
                                 const bf16*, float*, float*);

}  // namespace ballast::cuda
