// Dropout; kernels.h has the contract. Eight counters give 64 times 16 random bits, those of 64
// neighbouring columns. Stateless; any thread.
#pragma once

#ifdef __SSE2__
#include <immintrin.h>  // always inlined: no copy that the linker could keep for another machine
#endif

#include "services/engine/kernels.h"
#include "services/engine/kernels/vector.h"

namespace ballast {
namespace {  // NOLINT(google-build-namespaces): a copy for each instruction set

// Counters lie in 64-bit words, of which vector units multiply the lower halves; in vectors as wide
// as the machine's, as compilers are slow with wider ones here. Bits do not depend on the width.
#if defined(__AVX512F__)
inline constexpr size_t kWideBytes = 64;
#elif defined(__AVX2__)
inline constexpr size_t kWideBytes = 32;
#else
inline constexpr size_t kWideBytes = 16;
#endif
using Wide = uint64_t __attribute__((vector_size(kWideBytes)));
using WideInt = int32_t __attribute__((vector_size(kWideBytes)));
inline constexpr size_t kCounters = 8;  // for 64 columns

inline Wide all_wide(uint64_t value) { return Wide{} + value; }

inline Wide product(Wide a, Wide b) {
#if defined(__AVX512F__)
  return reinterpret_cast<Wide>(
      _mm512_maskz_mul_epu32(0xff, reinterpret_cast<__m512i>(a), reinterpret_cast<__m512i>(b)));
#elif defined(__AVX2__)
  return reinterpret_cast<Wide>(
      _mm256_mul_epu32(reinterpret_cast<__m256i>(a), reinterpret_cast<__m256i>(b)));
#elif defined(__SSE2__)
  return reinterpret_cast<Wide>(
      _mm_mul_epu32(reinterpret_cast<__m128i>(a), reinterpret_cast<__m128i>(b)));
#else
  return a * b;
#endif
}

struct RandomWords {
  Wide a, b, c, d;
};

// Philox 4x32-10 (random.h) of as many counters as there are lanes.
inline RandomWords philox_lanes(RandomWords at, uint32_t key0, uint32_t key1) {
  const Wide low = all_wide(UINT32_MAX);
  for (int round = 0; round < 10; ++round) {
    const Wide first = product(at.a, all_wide(0xD2511F53));
    const Wide second = product(at.c, all_wide(0xCD9E8D57));
    at = {(second >> 32) ^ at.b ^ all_wide(key0), second & low,
          (first >> 32) ^ at.d ^ all_wide(key1), first & low};
    key0 += 0x9E3779B9;
    key1 += 0xBB67AE85;
  }
  return at;
}

inline WideInt bits_of(float value) {
  int32_t bits = 0;
  __builtin_memcpy(&bits, &value, sizeof bits);
  return WideInt{} + bits;
}

// 0 or the scale, by 16 bits of each lane.
inline void store_factors(const DropoutMask& mask, WideInt draw, float* factors) {
  const WideInt dropped = WideInt{} + static_cast<int32_t>(mask.threshold) - 1;
  const WideInt kept = (dropped - (draw & 0xffff)) >> 31;  // all bits, or none
  const WideInt bits = kept & bits_of(mask.scale);
  __builtin_memcpy(factors, &bits, sizeof bits);
}

// The factors of columns [64 * group, 64 * group + 64) of a row.
inline void dropout_factors(const DropoutMask& mask, size_t row, size_t group, float* factors) {
  constexpr size_t kWords = kWideBytes / sizeof(uint64_t);
  Wide lanes{};
  for (size_t i = 0; i < kWords; ++i) lanes[i] = i;
  for (size_t first = 0; first < kCounters; first += kWords) {
    const RandomWords words =
        philox_lanes({lanes + (group * kCounters + first), all_wide(static_cast<uint32_t>(row)),
                      all_wide(mask.site), all_wide(mask.nonce)},
                     mask.key[0], mask.key[1]);
    const auto ab = reinterpret_cast<WideInt>(words.a | (words.b << 32));
    const auto cd = reinterpret_cast<WideInt>(words.c | (words.d << 32));
    float* to = factors + 2 * first;
    store_factors(mask, ab, to);
    store_factors(mask, ab >> 16, to + 2 * kCounters);
    store_factors(mask, cd, to + 4 * kCounters);
    store_factors(mask, cd >> 16, to + 6 * kCounters);
  }
}

static_assert(kDropoutColumns == 8 * kCounters);

void dropout(const DropoutMask& mask, const DropoutBlock& block, const float* in, float* out) {
  constexpr size_t kGroup = kDropoutColumns;
  alignas(64) float factors[kGroup];
  for (size_t r = 0; r < block.rows; ++r) {
    for (size_t begin = 0; begin < block.columns; begin += kGroup) {
      const size_t count = block.columns - begin < kGroup ? block.columns - begin : kGroup;
      dropout_factors(mask, block.first_row + r, (block.first_column + begin) / kGroup, factors);
      const float* from = in + r * block.stride + begin;
      float* to = out + r * block.stride + begin;
      for_vectors(count, [=](size_t i, auto part) {
        store(to + i, load(from + i, part) * load(factors + i, part), part);
      });
    }
  }
}

}  // namespace
}  // namespace ballast
