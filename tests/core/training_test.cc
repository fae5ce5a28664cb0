// Bias corrections and the record: values against the formula, rows of the decision.
#include "services/core/training.h"

#include <cmath>
#include <limits>

#include <gtest/gtest.h>
#include <rapidcheck.h>

namespace ballast {
namespace {

TEST(BiasCorrection, IsOneMinusThePower) {
  EXPECT_EQ(bias_correction(0.9, 0), 0);
  EXPECT_EQ(bias_correction(0.5, 3), 0.875);
  EXPECT_TRUE(rc::check("power", [] {
    const auto steps = *rc::gen::inRange<uint64_t>(1, 100000);
    const double expected = 1 - std::pow(0.999, static_cast<double>(steps));
    RC_ASSERT(std::abs(bias_correction(0.999, steps) - expected) < 1e-11);
  }));
}

TEST(EvaluationDue, AtMultiplesAndAtTheEndButNotAtTheStart) {
  TrainingSettings settings;
  settings.steps = 25;
  settings.evaluation_every = 10;
  settings.evaluation_batches = 4;
  for (const Step due : {10U, 20U, 25U}) {
    EXPECT_TRUE(evaluation_due(settings, due)) << due;
  }
  for (const Step not_due : {0U, 5U, 24U, 30U}) {
    EXPECT_EQ(evaluation_due(settings, not_due), not_due == 30) << not_due;
  }
  settings.evaluation_every = 0;
  EXPECT_FALSE(evaluation_due(settings, 10));
  EXPECT_TRUE(evaluation_due(settings, 25));
  settings.evaluation_batches = 0;
  EXPECT_FALSE(evaluation_due(settings, 25));
}

StepSums sums(double loss, uint64_t tokens, double sum_squares, bool finite = true) {
  return {
      .training = {loss, tokens}, .sum_squares = sum_squares, .finite = finite, .evaluation = {}};
}

TrainingSettings adamw() {
  TrainingSettings settings;
  settings.steps = 100;
  settings.optimizer = {
      .kind = OptimizerKind::kAdamW, .learning_rate = 0.5, .beta1 = 0.5, .beta2 = 0.75};
  return settings;
}

TEST(MakeRecord, NormalisesByTokensAndCorrectsBias) {
  const Record record = make_record(adamw(), std::nullopt, 0, sums(12.0, 4, 64));
  EXPECT_TRUE(record.apply);
  EXPECT_EQ(record.gradient_norm, 2.0);
  EXPECT_EQ(record.scale, 0.25f);
  EXPECT_EQ(record.learning_rate, 0.5f);
  EXPECT_EQ(record.applied_steps, 1u);
  EXPECT_EQ(record.bias_correction1, 0.5f);
  EXPECT_EQ(record.bias_correction2, 0.25f);
  EXPECT_EQ(record.skipped_in_a_row, 0u);
  EXPECT_EQ(record.training, (LossSum{12.0, 4}));
}

TEST(MakeRecord, ClipsByTheNormOfTheMean) {
  TrainingSettings settings = adamw();
  settings.gradient_clip = 1.0;
  const Record clipped = make_record(settings, std::nullopt, 0, sums(1, 4, 64));
  EXPECT_EQ(clipped.gradient_norm, 2.0);
  EXPECT_EQ(clipped.scale, 0.125f);
  const Record whole = make_record(settings, std::nullopt, 0, sums(1, 4, 16));
  EXPECT_EQ(whole.scale, 0.25f);
}

TEST(MakeRecord, CountsAppliedStepsAndNotSkippedOnes) {
  Record before;
  before.applied_steps = 6;
  before.skipped_in_a_row = 2;
  const Record skipped = make_record(adamw(), before, 8, sums(1, 4, 1, false));
  EXPECT_FALSE(skipped.apply);
  EXPECT_EQ(skipped.applied_steps, 6u);
  EXPECT_EQ(skipped.skipped_in_a_row, 3u);
  EXPECT_EQ(skipped.scale, 0.0f);
  const Record next = make_record(adamw(), skipped, 9, sums(1, 4, 1));
  EXPECT_EQ(next.applied_steps, 7u);
  EXPECT_EQ(next.skipped_in_a_row, 0u);
}

TEST(MakeRecord, SkipsWhateverIsNotANumber) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const double infinite = std::numeric_limits<double>::infinity();
  const StepSums rows[] = {
      sums(1, 4, 1, false), sums(1, 4, nan),      sums(1, 4, infinite),
      sums(nan, 4, 1),      sums(infinite, 4, 1), sums(0, 0, 1),  // no token at all
  };
  for (const StepSums& row : rows) {
    const Record record = make_record(adamw(), std::nullopt, 3, row);
    EXPECT_FALSE(record.apply);
    EXPECT_EQ(record, record);  // nothing in it that differs from itself
    EXPECT_EQ(record.skipped_in_a_row, 1u);
    EXPECT_EQ(record.bias_correction1, 1.0f);
  }
}

TEST(MakeRecord, CorrectsTheBiasOfAdamAlone) {
  for (const OptimizerInfo& info : optimizer_table()) {
    TrainingSettings settings = adamw();
    settings.optimizer.kind = info.kind;
    const Record record = make_record(settings, std::nullopt, 0, sums(1, 4, 1));
    const bool adam = info.name.starts_with("adam");
    EXPECT_EQ(record.bias_correction1, adam ? 0.5f : 1.0f) << info.name;
    EXPECT_EQ(record.bias_correction2, adam ? 0.25f : 1.0f) << info.name;
  }
}

}  // namespace
}  // namespace ballast
