// Optimizers as pure functions over a range of elements: parameters and states go from version t to
// t+1 by a record and the root. Any thread; ranges do not see each other, so cuts change no bit.
//
// Invariant: + - * / and square root on fp32, in the order written here, without contraction: equal
// input gives equal bits on every machine. A record with apply = false must not be brought here.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "services/core/layout.h"
#include "services/core/training.h"

namespace ballast {

// One segment (or a part of one) with its states, in the order of optimizer_table(). All spans have
// the same size; unused states are empty.
struct OptimizerView {
  std::span<float> parameters;
  std::array<std::span<float>, kMaxOptimizerStates> states;
  std::span<const float> root;
};

// With h = root * record.scale, and g = h + decay*p for all but AdamW:
//   SGD       p = p - lr*g
//   momentum  u = momentum*u + g;  p = p - lr*u
//   Nesterov  u = momentum*u + g;  p = p - lr*(g + momentum*u)
//   Adam      m = beta1*m + (1-beta1)*g;  v = beta2*v + ((1-beta2)*g)*g
//             p = p - lr * ((m * (1/c1)) / (sqrt(v * (1/c2)) + epsilon))
//   AdamW     as Adam, with h for g, and  p = p - lr * ((m...) / (sqrt...) + decay*p)
//   Adagrad   s = s + g*g;  p = p - lr * (g / (sqrt(s) + epsilon))
//   RMSProp   s = alpha*s + ((1-alpha)*g)*g;  p = p - lr * (g / (sqrt(s) + epsilon))
// The settings are rounded to fp32 once; decay is weight_decay in kDecay, 0 in kNoDecay.
void apply_record(const OptimizerSettings& settings, const Record& record, ParameterGroup group,
                  const OptimizerView& view);

// The same over a whole segment that begins at arena element `begin`: each part by its group.
// `groups` covers the segment (ascending, touching), as group_ranges(layout) gives them.
void apply_record_to_segment(const OptimizerSettings& settings, const Record& record,
                             std::span<const GroupRange> groups, uint64_t begin,
                             const OptimizerView& segment);

}  // namespace ballast
