#include "services/core/schedule.h"

#include <algorithm>
#include <cmath>

namespace ballast {
namespace {

// cos(pi x) for x in [0, 1], as sin(pi (1/2 - x)) by its series: the first term left out is below
// 1e-17 at the ends. Only + - * / so that every build computes the same bits.
double cosine_of_pi_times(double x) {
  constexpr double kPi = 3.14159265358979323846;
  constexpr int kTerms = 11;
  const double y = kPi * (0.5 - x);
  double term = y;
  double sum = y;
  for (int n = 1; n < kTerms; ++n) {
    term = -term * y * y / ((2.0 * n) * (2.0 * n + 1.0));
    sum += term;
  }
  return sum;
}

// How far `step` is from `begin` to `end`: 0 before, 1 from `end` on.
double progress(Step step, Step begin, Step end) {
  if (step >= end) return 1;
  if (step <= begin) return 0;
  return static_cast<double>(step - begin) / static_cast<double>(end - begin);
}

Step decay_begin(const ScheduleSettings& schedule) {
  const uint64_t decay = std::min(schedule.decay_steps, schedule.length_steps);
  return std::max(schedule.length_steps - decay, schedule.warmup_steps);
}

}  // namespace

double learning_rate(const ScheduleSettings& schedule, double peak, Step step) {
  if (schedule.kind == ScheduleKind::kConstant) return peak;
  if (step < schedule.warmup_steps) {
    return peak * (static_cast<double>(step) + 1.0) / static_cast<double>(schedule.warmup_steps);
  }
  const double low = schedule.min_learning_rate;
  if (schedule.kind == ScheduleKind::kInverseSquareRoot) {
    const auto reached = static_cast<double>(std::max<uint64_t>(schedule.warmup_steps, 1));
    return std::max(low, peak * std::sqrt(reached / (static_cast<double>(step) + 1.0)));
  }
  if (step >= schedule.length_steps) return low;
  if (schedule.kind == ScheduleKind::kWarmupStableDecay) {
    return low +
           (peak - low) * (1.0 - progress(step, decay_begin(schedule), schedule.length_steps));
  }
  const double x = progress(step, schedule.warmup_steps, schedule.length_steps);
  if (schedule.kind == ScheduleKind::kLinear) return low + (peak - low) * (1.0 - x);
  return low + (peak - low) * 0.5 * (1.0 + cosine_of_pi_times(x));
}

}  // namespace ballast
