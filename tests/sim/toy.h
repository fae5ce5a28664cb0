// A toy model: gradient, loss and evaluation are pure functions of (parameters, step, microbatch),
// rugged enough that a lost, doubled, mixed or reordered value changes bits. Each element of the
// gradient reads two parameters, usually of different segments, so that mixed versions are seen.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "services/core/training.h"

namespace ballast::sim {

// At this step one element of one microbatch's gradient is not finite.
struct Poison {
  Step step = 0;
  Microbatch microbatch = 0;
  uint64_t element = 0;
  float value = 0;
};

struct Toy {
  uint64_t seed = 0;
  uint32_t microbatches = 1;
  uint64_t elements = 0;
  std::vector<Poison> poison;

  float initial(uint64_t element) const;
  uint64_t tokens(Step step, Microbatch microbatch) const;
  // `gradient` has one value for each parameter; summed over the microbatch's tokens.
  LossSum compute(std::span<const float> parameters, Step step, Microbatch microbatch,
                  std::span<float> gradient) const;
  LossSum evaluate(std::span<const float> parameters, Step version, uint32_t index) const;
};

}  // namespace ballast::sim
