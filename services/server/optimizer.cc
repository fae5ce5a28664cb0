#include "services/server/optimizer.h"

#include <algorithm>
#include <cstddef>

#include "common/check.h"
#include "common/vector_dispatch.h"

namespace ballast {
namespace {

// Settings and record, rounded to fp32 once.
struct Constants {
  Constants(const OptimizerSettings& settings, const Record& record, ParameterGroup group)
      : scale(record.scale),
        learning_rate(record.learning_rate),
        decay(group == ParameterGroup::kDecay ? static_cast<float>(settings.weight_decay) : 0.0f),
        momentum(static_cast<float>(settings.momentum)),
        beta1(static_cast<float>(settings.beta1)),
        rest1(static_cast<float>(1.0 - settings.beta1)),
        beta2(static_cast<float>(settings.beta2)),
        rest2(static_cast<float>(1.0 - settings.beta2)),
        inverse1(1.0f / record.bias_correction1),
        inverse2(1.0f / record.bias_correction2),
        alpha(static_cast<float>(settings.alpha)),
        rest_alpha(static_cast<float>(1.0 - settings.alpha)),
        epsilon(static_cast<float>(settings.epsilon)) {}

  float scale, learning_rate, decay, momentum;
  float beta1, rest1, beta2, rest2, inverse1, inverse2;
  float alpha, rest_alpha, epsilon;
};

BALLAST_LOOP sgd_loop(float* __restrict p, const float* __restrict root, size_t count,
                      const Constants& c) {
  for (size_t i = 0; i < count; ++i) {
    const float g = root[i] * c.scale + c.decay * p[i];
    p[i] = p[i] - c.learning_rate * g;
  }
}

BALLAST_LOOP momentum_loop(float* __restrict p, float* __restrict u, const float* __restrict root,
                           size_t count, const Constants& c) {
  for (size_t i = 0; i < count; ++i) {
    const float g = root[i] * c.scale + c.decay * p[i];
    u[i] = c.momentum * u[i] + g;
    p[i] = p[i] - c.learning_rate * u[i];
  }
}

BALLAST_LOOP nesterov_loop(float* __restrict p, float* __restrict u, const float* __restrict root,
                           size_t count, const Constants& c) {
  for (size_t i = 0; i < count; ++i) {
    const float g = root[i] * c.scale + c.decay * p[i];
    u[i] = c.momentum * u[i] + g;
    p[i] = p[i] - c.learning_rate * (g + c.momentum * u[i]);
  }
}

BALLAST_LOOP adam_loop(float* __restrict p, float* __restrict m, float* __restrict v,
                       const float* __restrict root, size_t count, const Constants& c) {
  for (size_t i = 0; i < count; ++i) {
    const float g = root[i] * c.scale + c.decay * p[i];
    m[i] = c.beta1 * m[i] + c.rest1 * g;
    v[i] = c.beta2 * v[i] + (c.rest2 * g) * g;
    const float direction = (m[i] * c.inverse1) / (__builtin_sqrtf(v[i] * c.inverse2) + c.epsilon);
    p[i] = p[i] - c.learning_rate * direction;
  }
}

BALLAST_LOOP adamw_loop(float* __restrict p, float* __restrict m, float* __restrict v,
                        const float* __restrict root, size_t count, const Constants& c) {
  for (size_t i = 0; i < count; ++i) {
    const float g = root[i] * c.scale;
    m[i] = c.beta1 * m[i] + c.rest1 * g;
    v[i] = c.beta2 * v[i] + (c.rest2 * g) * g;
    const float direction = (m[i] * c.inverse1) / (__builtin_sqrtf(v[i] * c.inverse2) + c.epsilon);
    p[i] = p[i] - c.learning_rate * (direction + c.decay * p[i]);
  }
}

BALLAST_LOOP adagrad_loop(float* __restrict p, float* __restrict s, const float* __restrict root,
                          size_t count, const Constants& c) {
  for (size_t i = 0; i < count; ++i) {
    const float g = root[i] * c.scale + c.decay * p[i];
    s[i] = s[i] + g * g;
    p[i] = p[i] - c.learning_rate * (g / (__builtin_sqrtf(s[i]) + c.epsilon));
  }
}

BALLAST_LOOP rmsprop_loop(float* __restrict p, float* __restrict s, const float* __restrict root,
                          size_t count, const Constants& c) {
  for (size_t i = 0; i < count; ++i) {
    const float g = root[i] * c.scale + c.decay * p[i];
    s[i] = c.alpha * s[i] + (c.rest_alpha * g) * g;
    p[i] = p[i] - c.learning_rate * (g / (__builtin_sqrtf(s[i]) + c.epsilon));
  }
}

// clang-format off
#define BALLAST_OPTIMIZER_OF_0(name) \
  BALLAST_DISPATCH(name, (float* __restrict p, const float* __restrict root, size_t count, \
                          const Constants& c), (p, root, count, c))
#define BALLAST_OPTIMIZER_OF_1(name) \
  BALLAST_DISPATCH(name, (float* __restrict p, float* __restrict s, const float* __restrict root, \
                          size_t count, const Constants& c), (p, s, root, count, c))
#define BALLAST_OPTIMIZER_OF_2(name) \
  BALLAST_DISPATCH(name, (float* __restrict p, float* __restrict m, float* __restrict v, \
                          const float* __restrict root, size_t count, const Constants& c), \
                   (p, m, v, root, count, c))
// clang-format on
BALLAST_OPTIMIZER_OF_0(sgd)
BALLAST_OPTIMIZER_OF_1(momentum)
BALLAST_OPTIMIZER_OF_1(nesterov)
BALLAST_OPTIMIZER_OF_2(adam)
BALLAST_OPTIMIZER_OF_2(adamw)
BALLAST_OPTIMIZER_OF_1(adagrad)
BALLAST_OPTIMIZER_OF_1(rmsprop)

void check_sizes(const OptimizerView& view, uint32_t states) {
  CHECK(view.root.size() == view.parameters.size());
  for (uint32_t i = 0; i < states; ++i) CHECK(view.states[i].size() == view.parameters.size());
}

}  // namespace

void apply_record(const OptimizerSettings& settings, const Record& record, ParameterGroup group,
                  const OptimizerView& view) {
  CHECK(record.apply);
  check_sizes(view, state_count(settings));
  const Constants constants(settings, record, group);
  float* p = view.parameters.data();
  float* first = view.states[0].data();
  float* second = view.states[1].data();
  const float* root = view.root.data();
  const size_t count = view.parameters.size();
  switch (settings.kind) {
    case OptimizerKind::kSgd:
      return sgd(p, root, count, constants);
    case OptimizerKind::kMomentum:
      return momentum(p, first, root, count, constants);
    case OptimizerKind::kNesterov:
      return nesterov(p, first, root, count, constants);
    case OptimizerKind::kAdam:
      return adam(p, first, second, root, count, constants);
    case OptimizerKind::kAdamW:
      return adamw(p, first, second, root, count, constants);
    case OptimizerKind::kAdagrad:
      return adagrad(p, first, root, count, constants);
    case OptimizerKind::kRmsProp:
      return rmsprop(p, first, root, count, constants);
  }
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
