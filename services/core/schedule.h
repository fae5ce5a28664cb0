// The learning rate of each step, as a pure function: + - * / and square root only, so that every
// build computes the same bits. A schedule has a length of its own: growing `steps` bends nothing.
#pragma once

#include <cstdint>

#include "services/core/types.h"

namespace ballast {

// The numbers travel; new ones go to the end.
enum class ScheduleKind : uint8_t {
  kConstant,
  kWarmupCosine,
  kLinear,
  kWarmupStableDecay,
  kInverseSquareRoot
};
inline constexpr ScheduleKind kLastSchedule = ScheduleKind::kInverseSquareRoot;

struct ScheduleSettings {
  ScheduleKind kind = ScheduleKind::kConstant;
  uint64_t warmup_steps = 0;     // all but constant: peak * (step + 1) / warmup_steps
  uint64_t length_steps = 0;     // cosine, linear, stable-decay: the minimum from here on
  double min_learning_rate = 0;  // all but constant; inverse square root: never below it
  uint64_t decay_steps = 0;      // stable-decay: the last ones of its length

  bool operator==(const ScheduleSettings&) const = default;
};

// After the warm-up, from the peak at its end to the minimum m:
//   constant              peak, and no warm-up
//   cosine                m + (peak - m) * (1 + cos(pi x)) / 2, x from 0 to 1 over the rest of
//   length linear                m + (peak - m) * (1 - x) stable-decay          peak, then linear
//   over the last decay_steps (or what the warm-up leaves) inverse square root   peak *
//   sqrt(warmup_steps / (step + 1)); no warm-up counts as one step
// The cosine is our own polynomial (|error| below 1e-12).
double learning_rate(const ScheduleSettings& schedule, double peak, Step step);

}  // namespace ballast
