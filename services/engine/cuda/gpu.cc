#include "services/engine/cuda/gpu.h"

#include <fmt/format.h>

#include "services/engine/cuda/gpt_on_gpu.h"

namespace ballast {
namespace cuda {
namespace {

template <typename T>
Result<std::unique_ptr<Model>> make(const GptConfig& config, uint32_t sequences,
                                    uint64_t device_bytes) {
  try {
    return std::make_unique<GptOnGpu<T>>(config, sequences);
  } catch (const DeviceError& error) {
    const bool never = error.kind() == DeviceError::Kind::kUnsupported;
    return fail(never ? ErrorCode::kInvalid : ErrorCode::kUnavailable,
                fmt::format("the GPU with {} bytes of memory: {}", device_bytes, error.what()));
  }
}

constexpr uint64_t kMostRows = uint64_t{1} << 22;  // of a pass: what grids of blocks are made for

Result<void> check_config(const GptConfig& config, uint32_t sequences) {
  const auto layout = gpt_layout(config);
  if (!layout) return tl::unexpected(layout.error());
  if (config.channels / config.heads % 8 != 0) {
    return fail(ErrorCode::kInvalid,
                fmt::format("model.embedding is {} with {} heads: on a GPU a head has a multiple "
                            "of 8 channels",
                            config.channels, config.heads));
  }
  if (const uint64_t rows = uint64_t{sequences} * config.context; rows > kMostRows) {
    return fail(ErrorCode::kInvalid,
                fmt::format("a microbatch has {} sequences of {} tokens, {} in all: on a GPU at "
                            "most {}; more training.microbatches make smaller ones",
                            sequences, config.context, rows, kMostRows));
  }
  return {};
}

}  // namespace
}  // namespace cuda

Result<std::optional<Gpu>> find_gpu() {
  int count = 0;
  const cudaError_t counted = cudaGetDeviceCount(&count);
  if (counted == cudaErrorNoDevice || counted == cudaErrorInsufficientDriver ||
      (counted == cudaSuccess && count == 0)) {
    (void)cudaGetLastError();
    return std::nullopt;
  }
  try {
    cuda::check(counted, "cudaGetDeviceCount");
    cudaDeviceProp properties{};
    cuda::check(cudaGetDeviceProperties(&properties, 0), "cudaGetDeviceProperties");
    size_t free = 0;
    size_t total = 0;
    cuda::check(cudaMemGetInfo(&free, &total), "cudaMemGetInfo");
    return Gpu{.name = properties.name,
               .capability = 10 * properties.major + properties.minor,
               .memory_bytes = total,
               .free_bytes = free};
  } catch (const cuda::DeviceError& error) {
    return fail(ErrorCode::kUnavailable, fmt::format("the GPU failed: {}", error.what()));
  }
}

Result<std::unique_ptr<Model>> make_gpu_gpt(const GptConfig& config, uint32_t sequences,
                                            Precision precision) {
  if (auto checked = cuda::check_config(config, sequences); !checked)
    return tl::unexpected(checked.error());
  const auto gpu = find_gpu();
  if (!gpu) return tl::unexpected(gpu.error());
  if (!*gpu) return fail(ErrorCode::kInvalid, "this machine has no GPU");
  return precision == Precision::kBf16
             ? cuda::make<cuda::bf16>(config, sequences, (*gpu)->memory_bytes)
             : cuda::make<float>(config, sequences, (*gpu)->memory_bytes);
}

std::string gpu_numerics_fingerprint(const Gpu& gpu, Precision precision) {
  return fmt::format("ballast {}; CUDA {}.{}; {} (capability {}); {}; {}; {}", BALLAST_VERSION,
                     CUDART_VERSION / 1000, CUDART_VERSION / 10 % 100, gpu.name, gpu.capability,
                     cuda::MatrixProducts::library(), cuda::FusedAttention::library(),
                     precision == Precision::kBf16 ? "bf16" : "fp32");
}

}  // namespace ballast
