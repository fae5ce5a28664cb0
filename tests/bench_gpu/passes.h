// Passes of a GPT on a GPU over one batch of made-up tokens: forward and backward with the
// gradients on the host, while the next pass is already under way, as in training.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "services/engine/cuda/gpu.h"

namespace ballast {

// Tells what went wrong and ends the program.
[[noreturn]] void stop(const std::string& message);
void stop_at(const Result<void>& result);

std::unique_ptr<Model> gpu_model(const GptConfig& config, uint32_t sequences, Precision precision);

class Passes {
 public:
  Passes(const GptConfig& config, uint32_t sequences, Precision precision);

  // The pass under way to its end, and the next one begun. Returns its mean loss.
  double pass();
  Model& model() { return *model_; }
  uint64_t tokens() const { return tokens_.size() - 1; }  // of a pass

 private:
  void begin();

  std::unique_ptr<Model> model_;
  std::vector<float> parameters_;
  std::vector<float> gradients_;
  std::vector<uint32_t> tokens_;
};

// The losses of `steps` steps of AdamW from what `folder` holds (tests/oracle_torch_gpu), as
// losses.json beside it.
void write_curve(const std::string& folder, int steps);

}  // namespace ballast
