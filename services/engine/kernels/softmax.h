// The row loops of attention and of the cross-entropy: both are a softmax with the row's maximum
// taken off first. A NaN anywhere in a row makes the row NaN.
#pragma once

#include "services/engine/kernels.h"
#include "services/engine/kernels/vector.h"
#include "services/engine/math.h"

namespace ballast {
namespace {  // NOLINT(google-build-namespaces): a copy for each instruction set

constexpr float kLowest = -__FLT_MAX__;

inline size_t visible_columns(const ScoreBlock& block, size_t row) {
  const size_t visible = row + block.visible;
  return visible < block.columns ? visible : block.columns;
}

inline void clear(float* row, size_t begin, size_t end) {
  for (size_t i = begin; i < end; ++i) {
    row[i] = 0;
  }
}

inline float row_maximum(const float* row, size_t columns) {
  Vector largest = all(kLowest);
  for_vectors(columns, [&](size_t i, auto part) {
    largest = greater(load(row + i, part, kLowest), largest);
  });
  return maximum(largest);
}

void attention_block_forward(const ScoreBlock& block, float* running_maximum, float* running_sum,
                             float* decay) {
  for (size_t r = 0; r < block.rows; ++r) {
    float* row = block.scores + r * block.stride;
    const size_t visible = visible_columns(block, r);
    const float before = running_maximum[r];
    const float in_block = row_maximum(row, visible) * block.factor;
    const float now = in_block > before ? in_block : before;
    Vector total{};
    for_vectors(visible, [&](size_t i, auto part) {
      const Vector weight = keep(exponential(load(row + i, part) * block.factor - now), part);
      store(row + i, weight, part);
      total += weight;
    });
    clear(row, visible, block.columns);
    decay[r] = exponential(all(before - now))[0];
    running_maximum[r] = now;
    running_sum[r] = running_sum[r] * decay[r] + sum(total);
  }
}

// With p = exp(factor * s - maximum) / sum: ds = p * (dp - dot) where dot = sum of p dp over the
// row.
void attention_block_backward(const ScoreBlock& block, const float* row_maxima,
                              const float* inverse_sums, const float* dots, float* gradient) {
  for (size_t r = 0; r < block.rows; ++r) {
    float* row = block.scores + r * block.stride;
    float* gradient_row = gradient + r * block.stride;
    const size_t visible = visible_columns(block, r);
    for_vectors(visible, [&](size_t i, auto part) {
      const Vector p =
          exponential(load(row + i, part) * block.factor - row_maxima[r]) * inverse_sums[r];
      store(row + i, p, part);
      store(gradient_row + i, p * (load(gradient_row + i, part) - dots[r]) * block.factor, part);
    });
    clear(row, visible, block.columns);
    clear(gradient_row, visible, block.columns);
  }
}

double cross_entropy_row(float* logits, size_t columns, uint32_t target) {
  const float largest = row_maximum(logits, columns);
  const double target_logit = logits[target];
  Vector total{};
  for_vectors(columns, [&](size_t i, auto part) {
    const Vector weight = keep(exponential(load(logits + i, part) - largest), part);
    store(logits + i, weight, part);
    total += weight;
  });
  const float denominator = sum(total);
  const float inverse = 1.0F / denominator;
  for_vectors(columns, [&](size_t i, auto part) {
    store(logits + i, load(logits + i, part) * inverse, part);
  });
  logits[target] -= 1.0F;
  return logarithm(denominator) + static_cast<double>(largest) - target_logit;
}

}  // namespace
}  // namespace ballast
