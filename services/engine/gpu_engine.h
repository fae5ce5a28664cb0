// The CUDA half of the engine as a library that a worker loads when it starts, if it is there: one
// program for machines with and without a GPU, which needs none of CUDA's libraries until then.
// (Linked into a program, cuBLASLt takes 92 KiB from the stack of each of its threads.)
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "common/error.h"
#include "services/engine/cuda/gpu.h"

namespace ballast {

// The functions of gpu.h.
struct GpuEngine {
  std::string_view build;
  Result<std::optional<Gpu>> (*find_gpu)() = nullptr;
  Result<std::unique_ptr<Model>> (*make_gpu_gpt)(const GptConfig&, uint32_t sequences,
                                                 Precision) = nullptr;
  std::string (*numerics_fingerprint)(const Gpu&, Precision) = nullptr;
};

inline constexpr const char* kGpuLibrary = "libballast_cuda.so";
inline constexpr const char* kGpuFunction = "ballast_gpu_engine";
using GpuFunction = const GpuEngine* (*)();

// From the program's folder or ../lib/ballast of it, else from where the loader looks. It stays
// loaded. kNotFound: it is not there, or something that it needs is not. kInvalid: it belongs to
// another build.
Result<const GpuEngine*> load_gpu_engine();

// What both sides must have in common.
std::string_view engine_build();

}  // namespace ballast
