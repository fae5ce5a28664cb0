#include "services/core/training.h"

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

}  // namespace

uint32_t state_count(const OptimizerSettings& settings) {
  switch (settings.kind) {
    case OptimizerKind::kAdamW:
      return 2;
    case OptimizerKind::kSgd:
      return settings.momentum != 0 ? 1 : 0;
  }
  return 0;
}

bool evaluation_due(const TrainingSettings& settings, Step step) {
  if (settings.evaluation_batches == 0 || step == 0) {
    return false;
  }
  return step == settings.steps ||
         (settings.evaluation_every > 0 && step % settings.evaluation_every == 0);
}

Record make_record(const TrainingSettings& settings, const std::optional<Record>& previous,
                   Step step, const StepSums& sums) {
  const double tokens = static_cast<double>(sums.training.tokens);
  Record record;
  record.step = step;
  record.apply = sums.finite && std::isfinite(sums.sum_squares) &&
                 std::isfinite(sums.training.loss) && sums.training.tokens > 0;
  record.training = sums.training;
  record.evaluation = sums.evaluation;
  record.learning_rate =
      static_cast<float>(learning_rate(settings.schedule, settings.optimizer.learning_rate, step));
  record.applied_steps = (previous ? previous->applied_steps : 0) + (record.apply ? 1 : 0);
  if (settings.optimizer.kind == OptimizerKind::kAdamW && record.applied_steps > 0) {
    record.bias_correction1 =
        static_cast<float>(bias_correction(settings.optimizer.beta1, record.applied_steps));
    record.bias_correction2 =
        static_cast<float>(bias_correction(settings.optimizer.beta2, record.applied_steps));
  }
  if (!record.apply) {
    record.skipped_in_a_row = (previous ? previous->skipped_in_a_row : 0) + 1;
    if (!std::isfinite(record.training.loss)) {
      record.training.loss = 0;
    }
  } else {
    record.gradient_norm = std::sqrt(sums.sum_squares) / tokens;
    const bool clipped =
        settings.gradient_clip > 0 && record.gradient_norm > settings.gradient_clip;
    const double factor = clipped ? settings.gradient_clip / record.gradient_norm : 1.0;
    record.scale = static_cast<float>(factor / tokens);
  }
  if (record.evaluation && !std::isfinite(record.evaluation->loss)) {
    record.evaluation->loss = 0;
  }
  return record;
}

double learning_rate(const ScheduleSettings& schedule, double peak, Step step) {
  if (schedule.kind == ScheduleKind::kConstant) {
    return peak;
  }
  if (step < schedule.warmup_steps) {
    return peak * (static_cast<double>(step) + 1.0) / static_cast<double>(schedule.warmup_steps);
  }
  if (step >= schedule.length_steps || schedule.length_steps <= schedule.warmup_steps) {
    return schedule.min_learning_rate;
  }
  const double progress = static_cast<double>(step - schedule.warmup_steps) /
                          static_cast<double>(schedule.length_steps - schedule.warmup_steps);
  return schedule.min_learning_rate +
         (peak - schedule.min_learning_rate) * 0.5 * (1.0 + cosine_of_pi_times(progress));
}

double bias_correction(double beta, uint64_t applied_steps) {
  double power = 1;
  double square = beta;
  for (uint64_t left = applied_steps; left > 0; left /= 2) {
    if (left % 2 == 1) {
      power *= square;
    }
    square *= square;
  }
  return 1 - power;
}

}  // namespace ballast
