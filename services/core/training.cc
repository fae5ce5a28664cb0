#include "services/core/training.h"

#include <cmath>

namespace ballast {

bool evaluation_due(const TrainingSettings& settings, Step step) {
  if (settings.evaluation_batches == 0 || step == 0) {
    return false;
  }
  return step == settings.steps ||
         (settings.evaluation_every > 0 && step % settings.evaluation_every == 0);
}

bool checksum_due(const TrainingSettings& settings, Step step, SegmentId segment) {
  return settings.replication > 1 && (step + segment) % kChecksumEvery == 0;
}

bool checkpoint_due(const TrainingSettings& settings, Step step) {
  return !settings.checkpoint_path.empty() && settings.checkpoint_every > 0 && step > 0 &&
         step < settings.steps && step % settings.checkpoint_every == 0;
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
  if (optimizer_info(settings.optimizer.kind).bias_corrected && record.applied_steps > 0) {
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
