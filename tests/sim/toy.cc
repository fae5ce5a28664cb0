#include "tests/sim/toy.h"

#include "tests/sim/random.h"

namespace ballast::sim {
namespace {

// [-1, 1) from the upper 24 bits.
float unit(uint64_t hash) {
  return static_cast<float>(static_cast<int32_t>(hash >> 40) - (1 << 23)) * 0x1p-23f;
}

uint64_t key(uint64_t seed, uint64_t kind, uint64_t step, uint64_t part) {
  return mix(mix(mix(seed + kind) + step) + part);
}

double weighted_loss(std::span<const float> parameters, uint64_t start) {
  double loss = 0;
  for (size_t i = 0; i < parameters.size(); ++i) {
    const auto weight = static_cast<double>(unit(mix(start + i)));
    loss += weight * static_cast<double>(parameters[i]) + 0.25;
  }
  return loss;
}

}  // namespace

float Toy::initial(uint64_t element) const { return unit(key(seed, 1, 0, element)); }

uint64_t Toy::tokens(Step step, Microbatch microbatch) const {
  return 3 + key(seed, 2, step, microbatch) % 61;
}

LossSum Toy::compute(std::span<const float> parameters, Step step, Microbatch microbatch,
                     std::span<float> gradient) const {
  const uint64_t start = key(seed, 3, step, microbatch);
  const uint64_t count = parameters.size();
  const auto weight = static_cast<float>(tokens(step, microbatch));
  for (uint64_t i = 0; i < count; ++i) {
    const uint64_t hash = mix(start ^ i);
    const float own = unit(hash) * parameters[i];
    const float other = unit(hash << 20) * parameters[(i * 5 + microbatch + 17) % count];
    gradient[i] = weight * ((own + other) + unit(hash << 36));
  }
  for (const Poison& bad : poison) {
    if (bad.step == step && bad.microbatch == microbatch) {
      gradient[bad.element % count] = bad.value;
    }
  }
  return {weighted_loss(parameters, start), tokens(step, microbatch)};
}

LossSum Toy::evaluate(std::span<const float> parameters, Step version, uint32_t index) const {
  return {weighted_loss(parameters, key(seed, 4, version, index)), 7 + index};
}

}  // namespace ballast::sim
