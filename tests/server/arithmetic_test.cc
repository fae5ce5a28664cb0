// Sums and optimizers against plain loops: the same bits for any length and any cut.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "services/core/precision.h"
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

// Any bits, at any address: NaN, subnormals and what becomes infinite among them.
RC_GTEST_PROP(RoundToBfloat16, EqualsThePlainLoop, ()) {
  std::vector<float> values(any_size());
  for (float& value : values) value = std::bit_cast<float>(*rc::gen::arbitrary<uint32_t>());
  const auto unaligned = *rc::gen::inRange<size_t>(0, 3);
  std::vector<std::byte> memory(2 * values.size() + unaligned);
  const std::span<std::byte> into = std::span(memory).subspan(unaligned);
  round_to_bfloat16(into, values);
  for (size_t i = 0; i < values.size(); ++i) {
    uint16_t half = 0;
    std::memcpy(&half, into.data() + 2 * i, sizeof half);
    RC_ASSERT(half == round_to_bfloat16(values[i]));
  }
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

// The formulas of optimizer.h, for one element: `a` and `b` are its states.
void plain_update(const OptimizerSettings& settings, const Record& record, float decay, float root,
                  float& p, float& a, float& b) {
  const auto f = [](double value) { return static_cast<float>(value); };
  const float lr = record.learning_rate;
  const float h = root * record.scale;
  const float g = h + decay * p;
  switch (settings.kind) {
    case OptimizerKind::kSgd:
      p = p - lr * g;
      return;
    case OptimizerKind::kMomentum:
      a = f(settings.momentum) * a + g;
      p = p - lr * a;
      return;
    case OptimizerKind::kNesterov:
      a = f(settings.momentum) * a + g;
      p = p - lr * (g + f(settings.momentum) * a);
      return;
    case OptimizerKind::kAdam:
    case OptimizerKind::kAdamW: {
      const bool decoupled = settings.kind == OptimizerKind::kAdamW;
      const float used = decoupled ? h : g;
      a = f(settings.beta1) * a + f(1.0 - settings.beta1) * used;
      b = f(settings.beta2) * b + (f(1.0 - settings.beta2) * used) * used;
      const float up = a * (1.0f / record.bias_correction1);
      const float down = std::sqrt(b * (1.0f / record.bias_correction2)) + f(settings.epsilon);
      p = decoupled ? p - lr * (up / down + decay * p) : p - lr * (up / down);
      return;
    }
    case OptimizerKind::kAdagrad:
      a = a + g * g;
      p = p - lr * (g / (std::sqrt(a) + f(settings.epsilon)));
      return;
    case OptimizerKind::kRmsProp:
      a = f(settings.alpha) * a + (f(1.0 - settings.alpha) * g) * g;
      p = p - lr * (g / (std::sqrt(a) + f(settings.epsilon)));
      return;
  }
}

OptimizerSettings any_settings() {
  OptimizerSettings settings;
  const auto kinds = static_cast<int>(optimizer_table().size());
  settings.kind = static_cast<OptimizerKind>(*rc::gen::inRange(0, kinds));
  settings.weight_decay = *rc::gen::element(0.0, 0.1);
  settings.momentum = 0.9;
  return settings;
}

RC_GTEST_PROP(Optimizer, EqualsItsFormula, (bool decays)) {
  const OptimizerSettings settings = any_settings();
  const auto decay = decays ? static_cast<float>(settings.weight_decay) : 0.0f;
  Arena arena = any_arena(any_size());
  Arena expected = arena;
  // A sum of squares is never negative: it stands where the kind keeps its first squares.
  if (state_count(settings) == 1) arena.m = expected.m = arena.v;
  for (size_t i = 0; i < expected.p.size(); ++i) {
    plain_update(settings, a_record(), decay, expected.root[i], expected.p[i], expected.m[i],
                 expected.v[i]);
  }
  apply_record(settings, a_record(), decays ? ParameterGroup::kDecay : ParameterGroup::kNoDecay,
               arena.view());
  RC_ASSERT(arena == expected);
}

// Parameters that cannot be told apart from a gradient of nothing stay, whatever divides by a root.
TEST(Optimizer, AZeroGradientFromTheStartChangesNothing) {
  for (const OptimizerInfo& info : optimizer_table()) {
    OptimizerSettings settings{.kind = info.kind};
    settings.momentum = 0.9;
    Arena arena{{1.5f, -2.0f, 0.0f}, {0, 0, 0}, {0, 0, 0}, {0, 0, 0}};
    const Arena before = arena;
    apply_record(settings, a_record(), ParameterGroup::kDecay, arena.view());
    EXPECT_EQ(arena, before) << info.name;
  }
}

// A segment with several groups gets the same bits as each element with its group.
RC_GTEST_PROP(Optimizer, CutsChangeNoBit, ()) {
  const OptimizerSettings settings = any_settings();
  const size_t size = any_size();
  const uint64_t begin = *rc::gen::inRange<uint64_t>(0, 50);
  const uint64_t cut = *rc::gen::inRange<uint64_t>(1, begin + size + 20);
  const std::vector<GroupRange> groups = {{0, cut, ParameterGroup::kDecay},
                                          {cut, begin + size + 40, ParameterGroup::kNoDecay}};
  Arena whole = any_arena(size);
  if (state_count(settings) == 1) whole.m = whole.v;  // may be a sum of squares
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
