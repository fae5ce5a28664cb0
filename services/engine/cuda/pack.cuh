// Sixteen bytes of elements at a time, and sums over a warp. Arithmetic is fp32.
#pragma once

#include <cuda_bf16.h>

#include <cstdint>

namespace ballast::cuda {

using bf16 = __nv_bfloat16;

template <typename T>
inline constexpr int kPack = 16 / sizeof(T);
inline constexpr int kWarp = 32;
inline constexpr unsigned kAllLanes = 0xffffffffU;

__device__ inline void load(const float* from, float (&to)[4]) {
  const float4 read = *reinterpret_cast<const float4*>(from);
  to[0] = read.x;
  to[1] = read.y;
  to[2] = read.z;
  to[3] = read.w;
}

__device__ inline void load(const bf16* from, float (&to)[8]) {
  const uint4 read = *reinterpret_cast<const uint4*>(from);
  const uint32_t words[4] = {read.x, read.y, read.z, read.w};
#pragma unroll
  for (int i = 0; i < 4; ++i) {  // a bf16 is the upper half of an fp32
    to[2 * i] = __uint_as_float(words[i] << 16);
    to[2 * i + 1] = __uint_as_float(words[i] & 0xffff0000U);
  }
}

__device__ inline void store(float* to, const float (&from)[4]) {
  *reinterpret_cast<float4*>(to) = make_float4(from[0], from[1], from[2], from[3]);
}

__device__ inline void store(bf16* to, const float (&from)[8]) {
  uint32_t words[4];
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    const __nv_bfloat162 pair = __floats2bfloat162_rn(from[2 * i], from[2 * i + 1]);
    words[i] = *reinterpret_cast<const uint32_t*>(&pair);
  }
  *reinterpret_cast<uint4*>(to) = make_uint4(words[0], words[1], words[2], words[3]);
}

template <typename T>
__device__ inline float to_float(T value);
template <>
__device__ inline float to_float(float value) {
  return value;
}
template <>
__device__ inline float to_float(bf16 value) {
  return __bfloat162float(value);
}

template <typename T>
__device__ inline T from_float(float value);
template <>
__device__ inline float from_float(float value) {
  return value;
}
template <>
__device__ inline bf16 from_float(float value) {
  return __float2bfloat16_rn(value);
}

// As it will be read again.
template <typename T>
__device__ inline float rounded(float value) {
  return to_float(from_float<T>(value));
}

__device__ inline float warp_sum(float value) {
#pragma unroll
  for (int distance = kWarp / 2; distance > 0; distance /= 2) {
    value += __shfl_xor_sync(kAllLanes, value, distance);
  }
  return value;
}

// exp in the precision that T asks for.
template <typename T>
__device__ inline float exponential(float x) {
  if constexpr (sizeof(T) == 4) {
    return expf(x);
  } else {
    constexpr float kLog2OfE = 1.44269504088896F;
    float result;  // what is below the smallest normal fp32 becomes 0
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(result) : "f"(x * kLog2OfE));
    return result;
  }
}

}  // namespace ballast::cuda
