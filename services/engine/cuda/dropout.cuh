// Which elements a DropoutMask (kernels.h) drops: the same ones as on the CPU.
#pragma once

#include <cstdint>

#include "services/engine/kernels.h"

namespace ballast::cuda {

// Philox 4x32-10 (random.h).
__device__ inline uint4 philox(uint4 counter, uint32_t key0, uint32_t key1) {
#pragma unroll
  for (int round = 0; round < 10; ++round) {
    const uint32_t high0 = __umulhi(0xD2511F53U, counter.x);
    const uint32_t low0 = 0xD2511F53U * counter.x;
    const uint32_t high1 = __umulhi(0xCD9E8D57U, counter.z);
    const uint32_t low1 = 0xCD9E8D57U * counter.z;
    counter = make_uint4(high1 ^ counter.y ^ key0, low1, high0 ^ counter.w ^ key1, low0);
    key0 += 0x9E3779B9U;
    key1 += 0xBB67AE85U;
  }
  return counter;
}

// 0 or the scale.
__device__ inline float dropout_factor(const DropoutMask& mask, uint32_t row, uint32_t column) {
  const uint4 words =
      philox(make_uint4(column / 64 * 8 + column % 16 / 2, row, mask.site, mask.nonce), mask.key[0],
             mask.key[1]);
  const bool odd = column % 2 != 0;
  const uint32_t word = column % 64 >= 32 ? (odd ? words.w : words.z) : (odd ? words.y : words.x);
  const uint32_t draw = column / 16 % 2 == 0 ? word & 0xffffU : word >> 16;
  return draw < mask.threshold ? 0.0F : mask.scale;
}

}  // namespace ballast::cuda
