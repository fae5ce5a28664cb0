#include "services/server/optimizer.h"

#include <algorithm>
#include <cstddef>

#include "common/check.h"
#include "common/vector_dispatch.h"

namespace ballast {
namespace {

struct AdamWConstants {
  float scale, beta1, rest1, beta2, rest2, inverse1, inverse2, epsilon, learning_rate, decay;
};

BALLAST_LOOP adamw_loop(float* __restrict p, float* __restrict m, float* __restrict v,
                        const float* __restrict root, size_t count, const AdamWConstants& c) {
  for (size_t i = 0; i < count; ++i) {
    const float g = root[i] * c.scale;
    m[i] = c.beta1 * m[i] + c.rest1 * g;
    v[i] = c.beta2 * v[i] + (c.rest2 * g) * g;
    const float direction = (m[i] * c.inverse1) / (__builtin_sqrtf(v[i] * c.inverse2) + c.epsilon);
    p[i] = p[i] - c.learning_rate * (direction + c.decay * p[i]);
  }
}
BALLAST_DISPATCH(adamw,
                 (float* __restrict p, float* __restrict m, float* __restrict v,
                  const float* __restrict root, size_t count, const AdamWConstants& c),
                 (p, m, v, root, count, c))

struct SgdConstants {
  float scale, momentum, learning_rate, decay;
};

BALLAST_LOOP sgd_loop(float* __restrict p, const float* __restrict root, size_t count,
                      const SgdConstants& c) {
  for (size_t i = 0; i < count; ++i) {
    const float g = root[i] * c.scale + c.decay * p[i];
    p[i] = p[i] - c.learning_rate * g;
  }
}
BALLAST_DISPATCH(sgd,
                 (float* __restrict p, const float* __restrict root, size_t count,
                  const SgdConstants& c),
                 (p, root, count, c))

BALLAST_LOOP sgd_momentum_loop(float* __restrict p, float* __restrict u,
                               const float* __restrict root, size_t count, const SgdConstants& c) {
  for (size_t i = 0; i < count; ++i) {
    const float g = root[i] * c.scale + c.decay * p[i];
    u[i] = c.momentum * u[i] + g;
    p[i] = p[i] - c.learning_rate * u[i];
  }
}
BALLAST_DISPATCH(sgd_momentum,
                 (float* __restrict p, float* __restrict u, const float* __restrict root,
                  size_t count, const SgdConstants& c),
                 (p, u, root, count, c))

void check_sizes(const OptimizerView& view, uint32_t states) {
  CHECK(view.root.size() == view.parameters.size());
  for (uint32_t i = 0; i < states; ++i) CHECK(view.states[i].size() == view.parameters.size());
}

}  // namespace

void apply_record(const OptimizerSettings& settings, const Record& record, ParameterGroup group,
                  const OptimizerView& view) {
  CHECK(record.apply);
  check_sizes(view, state_count(settings));
  const float decay =
      group == ParameterGroup::kDecay ? static_cast<float>(settings.weight_decay) : 0.0f;
  float* p = view.parameters.data();
  const float* root = view.root.data();
  const size_t count = view.parameters.size();
  if (settings.kind == OptimizerKind::kAdamW) {
    const AdamWConstants constants{.scale = record.scale,
                                   .beta1 = static_cast<float>(settings.beta1),
                                   .rest1 = static_cast<float>(1.0 - settings.beta1),
                                   .beta2 = static_cast<float>(settings.beta2),
                                   .rest2 = static_cast<float>(1.0 - settings.beta2),
                                   .inverse1 = 1.0f / record.bias_correction1,
                                   .inverse2 = 1.0f / record.bias_correction2,
                                   .epsilon = static_cast<float>(settings.epsilon),
                                   .learning_rate = record.learning_rate,
                                   .decay = decay};
    adamw(p, view.states[0].data(), view.states[1].data(), root, count, constants);
    return;
  }
  const SgdConstants constants{.scale = record.scale,
                               .momentum = static_cast<float>(settings.momentum),
                               .learning_rate = record.learning_rate,
                               .decay = decay};
  if (state_count(settings) == 0) return sgd(p, root, count, constants);
  sgd_momentum(p, view.states[0].data(), root, count, constants);
}

void apply_record_to_segment(const OptimizerSettings& settings, const Record& record,
                             std::span<const GroupRange> groups, uint64_t begin,
                             const OptimizerView& segment) {
  const uint64_t end = begin + segment.parameters.size();
  const auto first = std::partition_point(groups.begin(), groups.end(),
                                          [&](const GroupRange& r) { return r.end <= begin; });
  for (auto range = first; range != groups.end() && range->begin < end; ++range) {
    const size_t from = std::max(range->begin, begin) - begin;
    const size_t size = std::min(range->end, end) - begin - from;
    OptimizerView part{.parameters = segment.parameters.subspan(from, size),
                       .states = {},
                       .root = segment.root.subspan(from, size)};
    for (uint32_t i = 0; i < state_count(settings); ++i) {
      part.states[i] = segment.states[i].subspan(from, size);
    }
    apply_record(settings, record, range->group, part);
  }
}

}  // namespace ballast
