// The optimizers that servers know, as one table: names, what each keeps beside the parameters, and
// so its memory. Their arithmetic is services/server/optimizer.h. Plain values.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace ballast {

// The numbers travel; new ones go to the end.
enum class OptimizerKind : uint8_t {
  kSgd,
  kAdamW,
  kMomentum,
  kNesterov,
  kAdam,
  kAdagrad,
  kRmsProp
};
inline constexpr OptimizerKind kLastOptimizer = OptimizerKind::kRmsProp;
inline constexpr uint32_t kMaxOptimizerStates = 2;

struct OptimizerSettings {
  OptimizerKind kind = OptimizerKind::kAdamW;
  double learning_rate = 1e-3;  // the schedule's peak
  double weight_decay = 0;      // kDecay groups only; see OptimizerInfo::decoupled_decay
  double beta1 = 0.9;           // Adam, AdamW
  double beta2 = 0.999;         // Adam, AdamW
  double epsilon = 1e-8;        // all that divide by a root
  double momentum = 0;          // momentum, Nesterov
  double alpha = 0.99;          // RMSProp: how much of the mean square stays

  bool operator==(const OptimizerSettings&) const = default;
};

struct OptimizerInfo {
  OptimizerKind kind = OptimizerKind::kSgd;
  std::string_view name;                     // in manifests, logs and documentation
  std::span<const std::string_view> states;  // fp32 arrays beside the parameters, in their order
  bool bias_corrected = false;               // records carry 1 - beta^k
  bool decoupled_decay = false;              // weight decay beside the gradient, not added to it

  // What a replica of one parameter takes.
  uint32_t bytes_per_parameter() const {
    return static_cast<uint32_t>(sizeof(float) * (1 + states.size()));
  }
};

// Every kind, in the order of the enum.
std::span<const OptimizerInfo> optimizer_table();
const OptimizerInfo& optimizer_info(OptimizerKind kind);

uint32_t state_count(const OptimizerSettings& settings);

}  // namespace ballast
