// Causal attention in one kernel that never stores the scores (Dao et al., FlashAttention, NeurIPS
// 2022): the one seam to cuDNN. bf16, without dropout, heads of up to 128 channels. Backward adds
// in a fixed order. One thread at a time.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <tuple>

#include "services/engine/cuda/runtime.h"

namespace ballast::cuda {

struct AttentionShape {
  size_t sequences = 0;
  size_t length = 0;
  size_t heads = 0;
  size_t channels = 0;  // of all heads
  auto operator<=>(const AttentionShape&) const = default;
};

class FusedAttention {
 public:
  FusedAttention();
  ~FusedAttention();
  FusedAttention(const FusedAttention&) = delete;
  FusedAttention& operator=(const FusedAttention&) = delete;

  // Builds what this shape needs, which takes seconds; others are built when they first come.
  // False: the library cannot do it here.
  bool prepare(const AttentionShape& shape);

  // qkv [rows, 3 * channels], out [rows, channels], bf16; log_sums [sequences, heads, length].
  void forward(cudaStream_t stream, const AttentionShape& shape, const void* qkv, void* out,
               float* log_sums);
  void backward(cudaStream_t stream, const AttentionShape& shape, const void* qkv, const void* out,
                const float* log_sums, const void* out_gradient, void* qkv_gradient);

  static std::string library();  // name and version

 private:
  struct Plan;
  Plan& plan_of(const AttentionShape& shape);

  void* handle_ = nullptr;
  DeviceMemory workspace_;
  std::map<AttentionShape, std::unique_ptr<Plan>> plans_;
};

}  // namespace ballast::cuda
