// The first GPU that this process sees, and models on it. No type of CUDA's: what links the engine
// without its CUDA half includes nothing else of it.
//
// On a device, channels are a multiple of 8 times the heads. bf16: matrix products and attention
// take bf16 and add up in fp32; parameters are rounded to bf16, gradients of parameters are fp32.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "common/error.h"
#include "services/core/precision.h"
#include "services/engine/model.h"

namespace ballast {

struct Gpu {
  std::string name;
  int capability = 0;  // 10 * major + minor
  uint64_t memory_bytes = 0;
  uint64_t free_bytes = 0;
};

// None: this machine has no device or no driver. kUnavailable: there is one that does not work.
Result<std::optional<Gpu>> find_gpu();

// kInvalid: this device never can, with the reason, as where the memory plan is larger than its
// memory. kUnavailable: not now, as where others hold its memory.
Result<std::unique_ptr<Model>> make_gpu_gpt(const GptConfig& config, uint32_t sequences,
                                            Precision precision);

// Equal where results are equal to the last bit: build, device, libraries, precision.
std::string gpu_numerics_fingerprint(const Gpu& gpu, Precision precision);

}  // namespace ballast
