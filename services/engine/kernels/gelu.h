// gelu in both of its forms; kernels.h has the contracts. Stateless; any thread.
#pragma once

#include "services/engine/kernels/vector.h"

namespace ballast {
namespace {  // NOLINT(google-build-namespaces): a copy for each instruction set

// The tanh form: x / 2 (1 + tanh u) = x s(2u) with the logistic function s and
// u = sqrt(2/pi) (x + 0.044715 x^3).
constexpr float kTwiceRootTwoOverPi = 1.59576912160573F;
constexpr float kCubic = 0.044715F;

inline Vector gelu_gate(Vector x) {
  const Vector minus_2u = x * (x * x * (-kTwiceRootTwoOverPi * kCubic) - kTwiceRootTwoOverPi);
  return 1.0F / (1.0F + exponential(minus_2u));
}

void gelu_tanh_forward(const float* in, float* out, size_t count) {
  for_vectors(count, [=](size_t i, auto part) {
    const Vector x = load(in + i, part);
    store(out + i, x * gelu_gate(x), part);
  });
}

void gelu_tanh_backward(const float* in, float* gradient, size_t count) {
  for_vectors(count, [=](size_t i, auto part) {
    const Vector x = load(in + i, part);
    const Vector gate = gelu_gate(x);
    const Vector inner = x * x * (3.0F * kCubic * kTwiceRootTwoOverPi) + kTwiceRootTwoOverPi;
    const Vector slope = gate + x * inner * (gate * (1.0F - gate));
    store(gradient + i, load(gradient + i, part) * slope, part);
  });
}

// The exact form: x P(x) with the standard normal distribution P(x) = (1 + erf(x / sqrt 2)) / 2.
struct Normal {
  Vector below;    // P(x): within 2.5e-7, and for x < 0 within 5e-7 (1 + x^2) of its size
  Vector density;  // its derivative, exp(-x^2 / 2) / sqrt(2 pi)
};

// P(-a) = exp(-a^2 / 2) R(1 / (1 + 0.35 a)) for a >= 0, as Abramowitz and Stegun 26.2.17, but with
// a polynomial R of degree 9, fitted for the least relative error over a in [0, 14]: 3.2e-8.
inline Normal normal(Vector x) {
  const Vector a = x < 0.0F ? -x : x;
  const Vector t = 1.0F / (a * 0.35F + 1.0F);
  Vector r = t * -0.029145924F + 0.14397167F;
  r = r * t - 0.2557142F;
  r = r * t + 0.1591741F;
  r = r * t - 0.023109788F;
  r = r * t + 0.105507985F;
  r = r * t + 0.11983287F;
  r = r * t + 0.13986187F;
  r = r * t + 0.1396214F;
  const Vector bell = exponential(a * a * -0.5F);
  const Vector tail = bell * (r * t);
  return {x < 0.0F ? tail : 1.0F - tail, bell * 0.398942280401433F};
}

void gelu_exact_forward(const float* in, float* out, size_t count) {
  for_vectors(count, [=](size_t i, auto part) {
    const Vector x = load(in + i, part);
    store(out + i, x * normal(x).below, part);
  });
}

void gelu_exact_backward(const float* in, float* gradient, size_t count) {
  for_vectors(count, [=](size_t i, auto part) {
    const Vector x = load(in + i, part);
    const Normal at = normal(x);
    store(gradient + i, load(gradient + i, part) * (at.below + x * at.density), part);
  });
}

}  // namespace
}  // namespace ballast
