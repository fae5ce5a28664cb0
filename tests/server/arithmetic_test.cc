// Sums and optimizers against plain loops: the same bits for any length and any cut.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cmath>
#include <limits>

#include "services/server/optimizer.h"
#include "services/server/reduction.h"

namespace ballast {
namespace {

std::vector<float> any_values(size_t size) {
  std::vector<float> values(size);
  for (float& value : values) {
    value = static_cast<float>(*rc::gen::inRange(-100000, 100000)) * 0x1p-12f;
  }
  return values;
}
size_t any_size() { return *rc::gen::inRange<size_t>(1, 400); }

double plain_sum_squares(const std::vector<float>& values) {
  std::vector<double> lanes(64, 0.0);
  for (size_t i = 0; i < values.size(); ++i) {
    lanes[i % 64] += static_cast<double>(values[i]) * static_cast<double>(values[i]);
  }
  for (size_t half = 32; half > 0; half /= 2) {
    for (size_t lane = 0; lane < half; ++lane) lanes[lane] += lanes[lane + half];
  }
  return lanes[0];
}

RC_GTEST_PROP(Summarise, EqualsThePlainLoop, ()) {
  const std::vector<float> values = any_values(any_size());
  const Summary summary = summarise(values);
  RC_ASSERT(summary.sum_squares == plain_sum_squares(values));
  RC_ASSERT(summary.finite);
}

RC_GTEST_PROP(Summarise, SeesEveryElementThatIsNotFinite, ()) {
  std::vector<float> values = any_values(any_size());
  const size_t at = *rc::gen::inRange<size_t>(0, values.size());
  values[at] = *rc::gen::element(std::numeric_limits<float>::infinity(),
                                 -std::numeric_limits<float>::infinity(),
                                 std::numeric_limits<float>::quiet_NaN());
  RC_ASSERT(!summarise(values).finite);
}

RC_GTEST_PROP(AddInto, EqualsThePlainLoop, ()) {
  const size_t size = any_size();
  std::vector<float> into = any_values(size);
  const std::vector<float> from = any_values(size);
  std::vector<float> expected = into;
  for (size_t i = 0; i < size; ++i) expected[i] += from[i];
  add_into(into, from);
  RC_ASSERT(into == expected);
}

struct Arena {
  std::vector<float> p, m, v, root;
  bool operator==(const Arena&) const = default;
  OptimizerView view() {
    return {.parameters = p, .states = {std::span<float>(m), std::span<float>(v)}, .root = root};
  }
};

Arena any_arena(size_t size) {
  Arena arena{any_values(size), any_values(size), any_values(size), any_values(size)};
  for (float& value : arena.v) value = std::fabs(value);
  return arena;
}

Record a_record() {
  Record record;
  record.scale = 0.37f;
  record.learning_rate = 0.013f;
  record.bias_correction1 = 0.19f;
  record.bias_correction2 = 0.0037f;
  return record;
}

// The formulas of optimizer.h, one element after the other.
void plain_adamw(const OptimizerSettings& settings, const Record& record, float decay, Arena& a) {
  const float beta1 = static_cast<float>(settings.beta1);
  const float beta2 = static_cast<float>(settings.beta2);
  const float rest1 = static_cast<float>(1.0 - settings.beta1);
  const float rest2 = static_cast<float>(1.0 - settings.beta2);
  for (size_t i = 0; i < a.p.size(); ++i) {
    const float g = a.root[i] * record.scale;
    a.m[i] = beta1 * a.m[i] + rest1 * g;
    a.v[i] = beta2 * a.v[i] + (rest2 * g) * g;
    const float up = a.m[i] * (1.0f / record.bias_correction1);
    const float down =
        std::sqrt(a.v[i] * (1.0f / record.bias_correction2)) + static_cast<float>(settings.epsilon);
    a.p[i] = a.p[i] - record.learning_rate * (up / down + decay * a.p[i]);
  }
}

void plain_sgd(const OptimizerSettings& settings, const Record& record, float decay, Arena& a) {
  for (size_t i = 0; i < a.p.size(); ++i) {
    float g = a.root[i] * record.scale + decay * a.p[i];
    if (settings.momentum != 0) g = a.m[i] = static_cast<float>(settings.momentum) * a.m[i] + g;
    a.p[i] = a.p[i] - record.learning_rate * g;
  }
}

RC_GTEST_PROP(Optimizer, AdamWEqualsItsFormula, ()) {
  OptimizerSettings settings;
  settings.weight_decay = 0.1;
  Arena arena = any_arena(any_size());
  for (const ParameterGroup group : {ParameterGroup::kDecay, ParameterGroup::kNoDecay}) {
    Arena expected = arena;
    plain_adamw(settings, a_record(), group == ParameterGroup::kDecay ? 0.1f : 0.0f, expected);
    apply_record(settings, a_record(), group, arena.view());
    RC_ASSERT(arena == expected);
  }
}

RC_GTEST_PROP(Optimizer, SgdEqualsItsFormula, (bool with_momentum)) {
  OptimizerSettings settings;
  settings.kind = OptimizerKind::kSgd;
  settings.weight_decay = 0.1;
  settings.momentum = with_momentum ? 0.9 : 0.0;
  Arena arena = any_arena(any_size());
  Arena expected = arena;
  plain_sgd(settings, a_record(), 0.1f, expected);
  apply_record(settings, a_record(), ParameterGroup::kDecay, arena.view());
  RC_ASSERT(arena == expected);
}

// A segment with several groups gets the same bits as each element with its group.
RC_GTEST_PROP(Optimizer, CutsChangeNoBit, ()) {
  OptimizerSettings settings;
  settings.weight_decay = 0.1;
  const size_t size = any_size();
  const uint64_t begin = *rc::gen::inRange<uint64_t>(0, 50);
  const uint64_t cut = *rc::gen::inRange<uint64_t>(1, begin + size + 20);
  const std::vector<GroupRange> groups = {{0, cut, ParameterGroup::kDecay},
                                          {cut, begin + size + 40, ParameterGroup::kNoDecay}};
  Arena whole = any_arena(size);
  Arena single = whole;
  apply_record_to_segment(settings, a_record(), groups, begin, whole.view());
  for (size_t i = 0; i < size; ++i) {
    OptimizerView view = single.view();
    view.parameters = view.parameters.subspan(i, 1);
    view.states = {view.states[0].subspan(i, 1), view.states[1].subspan(i, 1)};
    view.root = view.root.subspan(i, 1);
    apply_record(settings, a_record(),
                 begin + i < cut ? ParameterGroup::kDecay : ParameterGroup::kNoDecay, view);
  }
  RC_ASSERT(whole == single);
}

}  // namespace
}  // namespace ballast
