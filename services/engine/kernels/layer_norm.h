// Layer normalisation over the columns of each row: y = (x - mean) * scale * gain + bias with
// scale = 1 / sqrt(variance + epsilon).
#pragma once

#include "services/engine/kernels.h"
#include "services/engine/kernels/vector.h"

namespace ballast {
namespace {  // NOLINT(google-build-namespaces): a copy for each instruction set

constexpr float kLayerNormEpsilon = 1e-5F;

void layer_norm_forward(const LayerNormRows& op, size_t row_begin, size_t row_end) {
  const float columns = static_cast<float>(op.columns);
  for (size_t r = row_begin; r < row_end; ++r) {
    const float* x = op.input + r * op.columns;
    float* y = op.output + r * op.columns;
    Vector total{};
    for_vectors(op.columns, [&](size_t i, auto part) { total += load(x + i, part); });
    const float mean = sum(total) / columns;
    Vector squares{};
    for_vectors(op.columns, [&](size_t i, auto part) {
      const Vector centred = keep(load(x + i, part) - mean, part);
      squares += centred * centred;
    });
    const float scale = 1.0F / __builtin_sqrtf(sum(squares) / columns + kLayerNormEpsilon);
    for_vectors(op.columns, [&](size_t i, auto part) {
      const Vector normal = (load(x + i, part) - mean) * scale;
      store(y + i, normal * load(op.gain + i, part) + load(op.bias + i, part), part);
    });
    op.mean[r] = mean;
    op.scale[r] = scale;
  }
}

// With n = (x - mean) * scale and d = dy * gain: dx = scale * (d - avg(d) - n * avg(d n)).
void layer_norm_backward_rows(const LayerNormGradients& op, size_t row_begin, size_t row_end) {
  const float columns = static_cast<float>(op.columns);
  for (size_t r = row_begin; r < row_end; ++r) {
    const float* x = op.input + r * op.columns;
    const float* dy = op.output_gradient + r * op.columns;
    float* dx = op.input_gradient + r * op.columns;
    const float mean = op.mean[r];
    const float scale = op.scale[r];
    Vector total{};
    Vector products{};
    for_vectors(op.columns, [&](size_t i, auto part) {
      const Vector d = load(dy + i, part) * load(op.gain + i, part);
      total += d;
      products += d * ((load(x + i, part) - mean) * scale);
    });
    const float average = sum(total) / columns;
    const float correlation = sum(products) / columns;
    for_vectors(op.columns, [&](size_t i, auto part) {
      const Vector d = load(dy + i, part) * load(op.gain + i, part);
      const Vector normal = (load(x + i, part) - mean) * scale;
      const Vector result = scale * (d - average - normal * correlation);
      store(dx + i, op.accumulate ? load(dx + i, part) + result : result, part);
    });
  }
}

void layer_norm_backward_columns(const LayerNormGradients& op, size_t begin, size_t end) {
  for_vectors(end - begin, [&](size_t offset, auto part) {
    const size_t c = begin + offset;
    Vector gain{};
    Vector bias{};
    for (size_t r = 0; r < op.rows; ++r) {
      const Vector dy = load(op.output_gradient + r * op.columns + c, part);
      const Vector x = load(op.input + r * op.columns + c, part);
      gain += dy * ((x - op.mean[r]) * op.scale[r]);
      bias += dy;
    }
    store(op.gain_gradient + c, gain, part);
    store(op.bias_gradient + c, bias, part);
  });
}

}  // namespace
}  // namespace ballast
