// What a coordinator must know of a job's training, and the record in which it decides a step.
// Plain values. A record is made once, as bits: whoever adopts it applies it and computes nothing
// again.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "services/core/layout.h"
#include "services/core/optimizers.h"
#include "services/core/schedule.h"
#include "services/core/types.h"

namespace ballast {

struct TrainingSettings {
  uint64_t steps = 0;
  uint32_t microbatches = 1;  // V, a power of two, 1 .. 4096
  OptimizerSettings optimizer;
  ScheduleSettings schedule;
  double gradient_clip = 0;         // global norm; 0 = none
  uint64_t evaluation_every = 0;    // steps; 0 = only of version `steps`
  uint32_t evaluation_batches = 0;  // evaluation microbatches; 0 = no evaluation
  uint32_t max_skipped_in_a_row = 10;
  bool reproducible = true;
  uint32_t replication = 1;  // replicas of each segment, 1 .. 3
  uint32_t segment_elements = kDefaultSegmentElements;
  std::string checkpoint_path;     // empty: none is written
  uint64_t checkpoint_every = 0;   // steps; 0 = only of version `steps`
  TimeMs checkpoint_every_ms = 0;  // likewise, whichever comes first; 0 = not by time
  // What checkpoints tell of the job; nobody here acts on it.
  std::string job_name;
  std::string job_config;  // JobConfig (job.proto) as protobuf JSON
  uint64_t seed = 0;

  bool operator==(const TrainingSettings&) const = default;
};

struct LossSum {
  double loss = 0;  // summed over tokens, natural logarithm
  uint64_t tokens = 0;

  bool operator==(const LossSum&) const = default;
};

struct Record {
  Step step = 0;
  MapVersion map;  // under which every segment was prepared
  Origin origin = 0;
  PlanNumber plan = 0;
  bool apply = true;  // false: something was not finite; the version advances all the same
  float scale = 0;    // multiplies the root: clip factor / tokens
  float learning_rate = 0;
  float bias_correction1 = 1;  // 1 - beta1^k, k = applied_steps; 1 where the optimizer has none
  float bias_correction2 = 1;
  uint64_t applied_steps = 0;  // including this one
  uint32_t skipped_in_a_row = 0;
  LossSum training;                   // of this step's global batch
  double gradient_norm = 0;           // before clipping, of the mean gradient
  std::optional<LossSum> evaluation;  // of version `step`

  bool operator==(const Record&) const = default;
};

// Whether version `step` is evaluated: at multiples of evaluation_every, and the last one; never 0.
bool evaluation_due(const TrainingSettings& settings, Step step);

// Whether the replicas of a segment compare all their values of version `step`: each segment once
// in kChecksumEvery steps, some in every step. With one replica there is nothing to compare.
inline constexpr uint64_t kChecksumEvery = 32;
bool checksum_due(const TrainingSettings& settings, Step step, SegmentId segment);

// Whether version `step` is to be written to a checkpoint while training goes on; the last version
// always is, when it has.
bool checkpoint_due(const TrainingSettings& settings, Step step);

// What a step's segments report together: all that its record is made from.
struct StepSums {
  LossSum training;                   // the same in every segment
  double sum_squares = 0;             // segments added in ascending order, fp64
  bool finite = true;                 // of every segment
  std::optional<LossSum> evaluation;  // where due
};

// The record of `step`. Skips (apply = false) when something is not finite or no token was counted;
// what is not finite is written as 0, so that records compare. Map, origin and plan are the
// caller's.
Record make_record(const TrainingSettings& settings, const std::optional<Record>& previous,
                   Step step, const StepSums& sums);

// 1 - beta^k by repeated squaring in fp64.
double bias_correction(double beta, uint64_t applied_steps);

}  // namespace ballast
