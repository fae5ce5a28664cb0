#include "services/engine/model.h"

#include "common/check.h"

namespace ballast {
namespace {

class CpuGpt : public Model {
 public:
  CpuGpt(const GptConfig& config, uint32_t sequences, Compute compute)
      : gpt_(config, sequences, compute) {}

  const Layout& layout() const override { return gpt_.layout(); }
  MemoryBytes memory() const override { return gpt_.memory(); }

  Result<void> begin(const ModelInput& input) override {
    tokens_.assign(input.tokens.begin(), input.tokens.end());
    targets_.assign(input.targets.begin(), input.targets.end());
    loss_ = gpt_.forward(input.parameters, tokens_, targets_, input.need, input.dropout);
    return loss_ ? Result<void>() : tl::unexpected(loss_.error());
  }

  Result<LossSum> loss() override { return loss_; }

  Result<void> backward(std::span<float> gradients, const RangeFunction& final,
                        const std::function<void()>&) override {
    gpt_.backward(gradients, final);
    return {};
  }

 private:
  Gpt gpt_;
  std::vector<uint32_t> tokens_;  // of the pass under way
  std::vector<uint32_t> targets_;
  Result<LossSum> loss_;
};

}  // namespace

std::unique_ptr<Model> make_cpu_gpt(const GptConfig& config, uint32_t sequences, Compute compute) {
  return std::make_unique<CpuGpt>(config, sequences, compute);
}

double flop_per_token(const GptConfig& config) {
  const auto layout = gpt_layout(config);
  CHECK(layout.has_value());
  double parameters = 0;
  for (const Tensor& tensor : layout->tensors) {
    if (tensor.name != "wpe.weight") parameters += static_cast<double>(tensor.elements);
  }
  return 6 * parameters + 6.0 * config.layers * config.channels * config.context;
}

}  // namespace ballast
