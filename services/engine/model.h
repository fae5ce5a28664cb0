// A model as a training loop sees it, wherever it computes: a pass forward, its loss, a pass
// backward. The passes of one microbatch may be under way while the caller does something else.
//
//   begin(a); loss(); backward(gradient of a, final, [] { begin(b); }); loss(); backward(...); ...
//
// The host memory of parameters and gradients stays where it is until the model is gone: a device
// may have been told of it, to copy by itself.
//
// One thread at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "common/error.h"
#include "services/engine/gpt.h"

namespace ballast {

struct ModelInput {
  std::span<const float> parameters;  // the arena, on the host
  uint64_t version = 0;               // equal for equal parameters
  std::span<const uint32_t> tokens;   // as of Gpt::forward
  std::span<const uint32_t> targets;
  NeedFunction need;
  std::optional<DropoutKey> dropout;
  bool trains = true;  // backward() follows
};

// What a device of its own has done and holds; all 0 where the CPU computes.
struct DeviceStatistics {
  uint64_t memory_bytes = 0;  // taken by this process
  uint64_t memory_limit_bytes = 0;
  double busy_seconds = 0;  // in which passes ran
  double copy_seconds = 0;  // in which values travelled between host and device, beside passes too
  double flop = 0;          // of the passes, by flop_per_token()
  double peak_flop_per_second = 0;  // of its matrix products, by its data sheet; 0: not known
};

class Model {
 public:
  virtual ~Model() = default;
  virtual const Layout& layout() const = 0;
  virtual MemoryBytes memory() const = 0;

  // Begins the pass forward. tokens and targets may change once this returns; parameters once
  // loss() has. Errors as of Gpt::forward, and kUnavailable: the device failed.
  virtual Result<void> begin(const ModelInput& input) = 0;
  // Of the pass that was begun; waits for it.
  virtual Result<LossSum> loss() = 0;
  // The gradient of that loss; as Gpt::backward. Where the next pass may begin before all of it has
  // arrived, `meanwhile` is called, once, and `final` may be called before and after.
  virtual Result<void> backward(std::span<float> gradients, const RangeFunction& final,
                                const std::function<void()>& meanwhile = {}) = 0;

  virtual DeviceStatistics device() const { return {}; }
  // For benchmarks: seconds of the device by kind of work since the call before, which begins to
  // measure; passes are slower from then on.
  virtual std::map<std::string, double> profile() { return {}; }
};

std::unique_ptr<Model> make_cpu_gpt(const GptConfig& config, uint32_t sequences, Compute compute);

// Floating-point operations that a token costs forward and backward: 6N + 6LCT with N parameters
// but the position table's, L layers, C channels and context T (causal; Chowdhery et al., PaLM,
// 2022, appendix B, halved for the mask). Recomputation is not counted.
double flop_per_token(const GptConfig& config);

}  // namespace ballast
