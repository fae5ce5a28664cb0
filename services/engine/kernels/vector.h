// Sixteen fp32 lanes, the same on every instruction set (the compiler splits them into what the
// machine has), so that sums in lanes have one order everywhere. Only for kernels/table.cc:
// everything has internal linkage and no standard header with inline functions is included, or the
// linker could keep a copy made for another machine.
#pragma once

#include <cstddef>
#include <cstdint>

namespace ballast {
namespace {  // NOLINT(google-build-namespaces): a copy for each instruction set

inline constexpr size_t kLanes = 16;
using Vector = float __attribute__((vector_size(64)));
using IntVector = int32_t __attribute__((vector_size(64)));

// A whole vector, or the first `count` lanes of one at the end of a row.
struct Whole {};
struct Part {
  size_t count;
};

inline Vector all(float value) { return Vector{} + value; }

inline Vector load(const float* from, Whole = {}) {
  Vector v;
  __builtin_memcpy(&v, from, sizeof v);
  return v;
}

inline Vector load(const float* from, Part part, float fill = 0) {
  Vector v = all(fill);
  __builtin_memcpy(&v, from, part.count * sizeof(float));
  return v;
}

inline Vector load(const float* from, Whole, float) { return load(from); }

inline void store(float* to, Vector v, Whole = {}) { __builtin_memcpy(to, &v, sizeof v); }

inline void store(float* to, Vector v, Part part) {
  __builtin_memcpy(to, &v, part.count * sizeof(float));
}

// v with the lanes behind the part set to zero.
inline Vector keep(Vector v, Whole) { return v; }

inline Vector keep(Vector v, Part part) {
  for (size_t i = part.count; i < kLanes; ++i) {
    v[i] = 0;
  }
  return v;
}

// body(offset, Whole or Part) over [0, count).
template <typename Body>
inline __attribute__((always_inline)) void for_vectors(size_t count, Body body) {
  size_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    body(i, Whole{});
  }
  if (i < count) {
    body(i, Part{count - i});
  }
}

inline Vector greater(Vector a, Vector b) { return a > b ? a : b; }

// Lane i meets lane i + 8, then i + 4, i + 2, i + 1.
inline float sum(Vector v) {
  v += __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7);
  v += __builtin_shufflevector(v, v, 4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11);
  v += __builtin_shufflevector(v, v, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13);
  v += __builtin_shufflevector(v, v, 1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14);
  return v[0];
}

inline float maximum(Vector v) {
  v = greater(v,
              __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7));
  v = greater(v,
              __builtin_shufflevector(v, v, 4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11));
  v = greater(v,
              __builtin_shufflevector(v, v, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13));
  v = greater(v,
              __builtin_shufflevector(v, v, 1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14));
  return v[0];
}

// e^x within 2 units in the last place: x = n ln 2 + r, a Taylor polynomial for e^r (|r| <= ln 2 /
// 2), and 2^n in two factors so that results may be subnormal or infinite.
inline Vector exponential(Vector x) {
  constexpr float kRounding = 12582912.0F;  // 1.5 * 2^23: adding it leaves the nearest integer
  constexpr float kLog2High = 0.693359375F;
  constexpr float kLog2Low = -2.12194440e-4F;
  x = x > 89.0F ? all(89.0F) : x;
  x = x < -105.0F ? all(-105.0F) : x;
  const Vector shifted = x * 1.44269504F + kRounding;
  const Vector n = shifted - kRounding;
  const Vector r = (x - n * kLog2High) - n * kLog2Low;
  Vector p = r * (1.0F / 5040) + 1.0F / 720;
  p = p * r + 1.0F / 120;
  p = p * r + 1.0F / 24;
  p = p * r + 1.0F / 6;
  p = p * r + 0.5F;
  p = p * r + 1.0F;
  p = p * r + 1.0F;
  const IntVector exponent =
      reinterpret_cast<IntVector>(shifted) - reinterpret_cast<IntVector>(all(kRounding));
  const IntVector half = exponent >> 1;
  const Vector first = reinterpret_cast<Vector>((half + 127) << 23);
  const Vector second = reinterpret_cast<Vector>((exponent - half + 127) << 23);
  return p * first * second;
}

}  // namespace
}  // namespace ballast
