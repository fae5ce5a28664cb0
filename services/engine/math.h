// Scalar fp64 functions from + - * / sqrt only, so that their bits are the same with every library
// and on every machine. Finite arguments in the stated ranges; accurate to about 1e-15. Internal
// linkage, no other header: kernels/table.cc includes this.
#pragma once

#include <cstdint>

namespace ballast {
namespace {  // NOLINT(google-build-namespaces): a copy for each instruction set

inline constexpr double kLog2 = 0.693147180559945309417;

inline double from_bits(uint64_t bits) {
  double value = 0;
  __builtin_memcpy(&value, &bits, sizeof value);
  return value;
}

inline uint64_t to_bits(double value) {
  uint64_t bits = 0;
  __builtin_memcpy(&bits, &value, sizeof bits);
  return bits;
}

// Natural logarithm of a positive normal number; NaN and infinity come back as they are.
// x = 2^e m with m in [sqrt(1/2), sqrt(2)), and log m = 2 artanh((m - 1) / (m + 1)).
[[maybe_unused]] inline double logarithm(double x) {
  if (!(x < __builtin_inf())) {
    return x;
  }
  const uint64_t bits = to_bits(x);
  int exponent = static_cast<int>(bits >> 52) - 1023;
  double mantissa = from_bits((bits & 0xfffffffffffffULL) | (uint64_t{1023} << 52));
  if (mantissa > 1.41421356237309504880) {
    mantissa /= 2;
    exponent += 1;
  }
  const double s = (mantissa - 1) / (mantissa + 1);  // |s| < 0.172
  const double square = s * s;
  double series = 0;
  for (int n = 23; n >= 1; n -= 2) {
    series = series * square + 1.0 / n;
  }
  return exponent * kLog2 + 2 * s * series;
}

// e^x for x in [-700, 0]; below that 0.
[[maybe_unused]] inline double exponential_below_zero(double x) {
  if (x < -700) {
    return 0;
  }
  const auto n = static_cast<int64_t>(x / kLog2 - 0.5);
  const double r = x - static_cast<double>(n) * kLog2;  // |r| <= ln 2 / 2 and a little
  double series = 1;
  for (int k = 14; k >= 1; --k) {
    series = 1 + series * r / k;
  }
  return series * from_bits(static_cast<uint64_t>(n + 1023) << 52);
}

struct SineCosine {
  double sine;
  double cosine;
};

// Of a whole turn times `turns`, turns in [0, 1).
[[maybe_unused]] inline SineCosine sine_cosine(double turns) {
  constexpr double kHalfPi = 1.57079632679489661923;
  int quadrant = static_cast<int>(turns * 4);
  if (turns * 4 - quadrant >= 0.5) ++quadrant;
  const double x = (turns * 4 - quadrant) * kHalfPi;  // |x| <= pi / 4
  const double square = x * x;
  double sine = 1;
  double cosine = 1;
  for (int n = 18; n >= 2; n -= 2) {
    sine = 1 - sine * square / (n * (n + 1));
    cosine = 1 - cosine * square / (n * (n - 1));
  }
  sine *= x;
  switch (quadrant & 3) {
    case 0:
      return {sine, cosine};
    case 1:
      return {cosine, -sine};
    case 2:
      return {-sine, -cosine};
    default:
      return {-cosine, sine};
  }
}

}  // namespace
}  // namespace ballast
