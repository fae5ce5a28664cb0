// The GPT of gpt.h on a device: the same tensors and the same tape, with the operations of
// operations.h. The caller's thread puts whole passes into one stream and waits only for the loss
// and for gradients to arrive. Throws DeviceError when it is made; then it returns errors.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "services/engine/cuda/fused_attention.h"
#include "services/engine/cuda/matrix_products.h"
#include "services/engine/cuda/operations.h"
#include "services/engine/cuda/profile.h"
#include "services/engine/cuda/transfers.h"
#include "services/engine/model.h"

namespace ballast::cuda {

PaddedHead head_of(const GptConfig& config, size_t rows);

template <typename T>
class GptOnGpu : public Model {
 public:
  GptOnGpu(const GptConfig& config, uint32_t sequences);

  const Layout& layout() const override { return tape_.layout(); }
  MemoryBytes memory() const override { return plan_; }
  Result<void> begin(const ModelInput& input) override;
  Result<LossSum> loss() override;
  Result<void> backward(std::span<float> gradients, const RangeFunction& final,
                        const std::function<void()>& meanwhile) override;
  DeviceStatistics device() const override;
  std::map<std::string, double> profile() override;

 private:
  static constexpr bool kRounds = sizeof(T) != sizeof(float);

  struct Sizes {  // in bytes
    uint64_t activations = 0;
    uint64_t scratch = 0;
    uint64_t attention = 0;
    uint64_t tokens = 0;
    uint64_t logits = 0;
    uint64_t row_loss = 0;
  };

  void plan(size_t rows, uint64_t activation_elements);
  void allocate();
  void build();
  ValueId record_embedding();
  ValueId record_layer_norm(ValueId in, size_t gain);
  std::pair<ValueId, ValueId> record_residual_norm(ValueId stream, ValueId branch, size_t gain);
  ValueId record_linear(ValueId in, size_t weight, size_t inputs, size_t outputs);
  ValueId record_attention(ValueId qkv, uint32_t site);
  ValueId record_mlp(ValueId in, size_t first);
  ValueId record_dropout(ValueId in, uint32_t site);
  void record_head(ValueId in);

  ValueId value(size_t columns) { return tape_.value(columns * sizeof(T) / sizeof(float)); }
  T* data(ValueId value) { return reinterpret_cast<T*>(tape_.data(value)); }
  T* slopes(ValueId value) { return reinterpret_cast<T*>(tape_.gradient(value)); }
  const T* parameter(size_t tensor) const {
    return parameters_.as<T>() + arena_.offset(layout().tensors[tensor].offset);
  }
  float* gradient(size_t tensor) const {
    return gradients_.as<float>() + arena_.offset(layout().tensors[tensor].offset);
  }

  Result<void> check_input(const ModelInput& input) const;
  void copy_tokens(const ModelInput& input);
  bool bring(const ModelInput& input, uint64_t begin, uint64_t end);
  bool brought(uint64_t begin) const;
  template <typename Call>
  Result<void> guarded(const Call& call) const;
  struct Times;
  void spent(const Times& times);

  GptConfig config_;
  uint32_t sequences_;
  Tape tape_;
  DeviceArena arena_;
  Sizes sizes_;
  MemoryBytes plan_;
  Stream stream_;
  MatrixProducts products_;
  std::unique_ptr<FusedAttention> attention_;
  DeviceMemory parameters_;
  DeviceMemory gradients_;  // fp32; while parameters arrive, also the place where they do
  DeviceMemory activations_;
  DeviceMemory logits_;
  DeviceMemory row_loss_;
  DeviceMemory loss_;
  DeviceMemory scratch_;
  DeviceMemory attention_scratch_;
  DeviceMemory token_memory_;
  PinnedMemory host_tokens_;
  PinnedMemory host_loss_;
  std::unique_ptr<Profile> profile_;
  Compute compute_;

  // The pass under way.
  struct UnderWay {
    Pass pass;
    size_t times = 0;  // of times_
    bool trains = false;
    uint64_t targets = 0;  // not masked
    DeviceTokenRows rows;
  };
  std::optional<UnderWay> pass_;
  std::optional<UnderWay> trained_;  // whose backward is being put into the stream
  Event forward_done_;

  // Parameters on their way in.
  Stream incoming_;
  HostMemory host_parameters_;
  Event arrived_;
  Event free_for_parameters_;
  std::optional<uint64_t> version_;
  std::vector<std::pair<uint64_t, uint64_t>> brought_;  // of version_

  GradientCopies copies_{arena_};
  // When passes began and ended on the device: of this one and of the one before.
  struct Times {
    Event began{true};
    Event ended{true};
  };
  Times times_[2];
  size_t passes_ = 0;
  double busy_seconds_ = 0;
  double peak_flop_per_second_ = 0;
  double flop_ = 0;
};

}  // namespace ballast::cuda
