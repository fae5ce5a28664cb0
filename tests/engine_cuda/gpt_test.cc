// The whole GPT on a GPU: near the CPU's in fp32 and in bf16, the same bits each time, and what it
// does with bad input.
#include "services/engine/cuda/gpu.h"

#include <gtest/gtest.h>

#include "tests/engine/reference.h"
#include "tests/engine_cuda/on_device.h"

namespace ballast {
namespace {

using reference::some_tokens;
using Floats = std::vector<float>;

constexpr GptConfig kConfig{
    .layers = 3, .heads = 4, .channels = 128, .context = 128, .vocabulary = 301};
constexpr uint32_t kSequences = 4;

struct Sums {
  LossSum loss;
  Floats gradients;
};

Floats start(const GptConfig& config) {
  const Layout layout = gpt_layout(config).value();
  Floats parameters(layout.elements);
  gpt_initial_values(config, layout, 5, 0, parameters);
  return parameters;
}

std::vector<uint32_t> tokens_of(const GptConfig& config, uint64_t stream) {
  return some_tokens(size_t{kSequences} * config.context, config.vocabulary, stream);
}

ModelInput input_of(const Floats& parameters, const std::vector<uint32_t>& tokens,
                    const std::vector<uint32_t>& targets, bool drops = false) {
  ModelInput input;
  input.parameters = parameters;
  input.version = 1;
  input.tokens = tokens;
  input.targets = targets;
  if (drops) input.dropout = DropoutKey{.seed = 1, .step = 2, .microbatch = 3};
  return input;
}

Sums train(Model& model, const ModelInput& input) {
  Sums sums;
  sums.gradients.assign(model.layout().elements, std::numeric_limits<float>::quiet_NaN());
  EXPECT_TRUE(model.begin(input));
  const auto loss = model.loss();
  EXPECT_TRUE(loss);
  if (loss) sums.loss = *loss;
  uint64_t told = 0;
  const auto done =
      model.backward(sums.gradients, [&](uint64_t begin, uint64_t end) { told += end - begin; });
  EXPECT_TRUE(done) << (done ? "" : done.error().message);
  EXPECT_EQ(told, model.layout().elements);
  return sums;
}

std::unique_ptr<Model> on_gpu(const GptConfig& config, Precision precision) {
  auto model = make_gpu_gpt(config, kSequences, precision);
  EXPECT_TRUE(model) << (model ? "" : model.error().message);
  return model ? std::move(*model) : nullptr;
}

class GpuGpt : public testing::TestWithParam<Precision> {};
INSTANTIATE_TEST_SUITE_P(Precisions, GpuGpt, testing::Values(Precision::kFp32, Precision::kBf16));

TEST_P(GpuGpt, IsThatOfTheCpu) {
  ThreadPool pool(8);
  const bool exact = GetParam() == Precision::kFp32;
  for (const double dropout : {0.0, 0.2}) {
    for (const Gelu activation : {Gelu::kTanh, Gelu::kExact}) {
      GptConfig config = kConfig;
      config.dropout = dropout;
      config.activation = activation;
      const Floats parameters = exact ? start(config) : cuda::rounded<cuda::bf16>(start(config));
      const auto tokens = tokens_of(config, 1);
      auto targets = tokens_of(config, 2);
      targets[7] = kMaskedTarget;
      const ModelInput input = input_of(parameters, tokens, targets, dropout > 0);
      const auto cpu = make_cpu_gpt(config, kSequences, {&pool, &best_kernels()});
      const Sums expected = train(*cpu, input);
      const auto gpu = on_gpu(config, GetParam());
      ASSERT_NE(gpu, nullptr);
      const Sums found = train(*gpu, input);
      EXPECT_EQ(found.loss.tokens, expected.loss.tokens);
      EXPECT_NEAR(found.loss.loss / expected.loss.loss, 1, exact ? 1e-6 : 1e-3);
      for (const Tensor& tensor : gpu->layout().tensors) {
        const auto part = [&](const Floats& all) {
          return Floats(all.begin() + static_cast<ptrdiff_t>(tensor.offset),
                        all.begin() + static_cast<ptrdiff_t>(tensor.offset + tensor.elements));
        };
        cuda::expect_near(part(found.gradients), part(expected.gradients), exact ? 2e-5 : 4e-2,
                          tensor.name.c_str());
      }
    }
  }
}

TEST_P(GpuGpt, GivesTheSameBitsEachTimeAndWhateverCameBefore) {
  const Floats parameters = start(kConfig);
  const auto a = tokens_of(kConfig, 1);
  const auto b = tokens_of(kConfig, 2);
  const auto model = on_gpu(kConfig, GetParam());
  ASSERT_NE(model, nullptr);
  const ModelInput input = input_of(parameters, a, b);
  const Sums first = train(*model, input);
  (void)train(*model, input_of(parameters, b, a));
  ModelInput evaluation = input_of(parameters, b, a);
  evaluation.trains = false;
  ASSERT_TRUE(model->begin(evaluation));
  ASSERT_TRUE(model->loss());
  const Sums again = train(*model, input);
  EXPECT_EQ(again.loss, first.loss);
  EXPECT_EQ(again.gradients, first.gradients);

  // While the pass before is still under way.
  const ModelInput other = input_of(parameters, b, a);
  ASSERT_TRUE(model->begin(other));
  ASSERT_TRUE(model->loss());
  Floats gradients(model->layout().elements);
  Result<void> begun;
  ASSERT_TRUE(model->backward(gradients, {}, [&] { begun = model->begin(input); }));
  ASSERT_TRUE(begun);
  const auto loss = model->loss();
  ASSERT_TRUE(loss);
  EXPECT_EQ(*loss, first.loss);
  ASSERT_TRUE(model->backward(gradients, {}));
  EXPECT_EQ(gradients, first.gradients);

  GptConfig recomputing = kConfig;
  recomputing.recompute = true;
  const auto frugal = on_gpu(recomputing, GetParam());
  ASSERT_NE(frugal, nullptr);
  EXPECT_LT(frugal->memory().activations, model->memory().activations);
  const Sums frugal_sums = train(*frugal, input);
  EXPECT_EQ(frugal_sums.loss, first.loss);
  EXPECT_EQ(frugal_sums.gradients, first.gradients);
}

TEST_P(GpuGpt, TakesNewParametersWithANewVersion) {
  Floats parameters = start(kConfig);
  const auto a = tokens_of(kConfig, 1);
  const auto model = on_gpu(kConfig, GetParam());
  ASSERT_NE(model, nullptr);
  ModelInput input = input_of(parameters, a, a);
  const Sums before = train(*model, input);
  const Floats old = parameters;
  for (float& value : parameters) value *= 1.5F;
  input.version = 2;
  const Sums changed = train(*model, input);
  EXPECT_NE(changed.loss, before.loss);
  std::copy(old.begin(), old.end(), parameters.begin());
  input.version = 3;
  const Sums after = train(*model, input);
  EXPECT_EQ(after.loss, before.loss);
  EXPECT_EQ(after.gradients, before.gradients);
}

TEST_P(GpuGpt, StopsWhereParametersAreNotNeededAnyMore) {
  const Floats parameters = start(kConfig);
  const auto a = tokens_of(kConfig, 1);
  const auto model = on_gpu(kConfig, GetParam());
  ASSERT_NE(model, nullptr);
  ModelInput input = input_of(parameters, a, a);
  int asked = 0;
  input.need = [&](uint64_t, uint64_t) { return ++asked < 4; };
  const auto begun = model->begin(input);
  ASSERT_FALSE(begun);
  EXPECT_EQ(begun.error().code, ErrorCode::kGone);
  input.need = {};
  const Sums sums = train(*model, input);
  EXPECT_GT(sums.loss.loss, 0);
}

TEST(GpuGptInput, IsChecked) {
  const Floats parameters = start(kConfig);
  auto tokens = tokens_of(kConfig, 1);
  const auto good = tokens;
  const auto model = on_gpu(kConfig, Precision::kBf16);
  ASSERT_NE(model, nullptr);
  tokens[9] = kConfig.vocabulary;
  const auto bad_token = model->begin(input_of(parameters, tokens, good));
  ASSERT_FALSE(bad_token);
  EXPECT_NE(bad_token.error().message.find("token number 9 is 301"), std::string::npos);
  const auto bad_target = model->begin(input_of(parameters, good, tokens));
  ASSERT_FALSE(bad_target);
  EXPECT_NE(bad_target.error().message.find("target number 9 is 301"), std::string::npos);
}

TEST(GpuGptInput, AModelThatNeverFitsIsToldWithItsPlan) {
  GptConfig config{
      .layers = 48, .heads = 25, .channels = 1600, .context = 1024, .vocabulary = 50257};
  const auto model = make_gpu_gpt(config, 512, Precision::kBf16);
  ASSERT_FALSE(model);
  EXPECT_EQ(model.error().code, ErrorCode::kInvalid) << model.error().message;
  EXPECT_NE(model.error().message.find("the memory plan is"), std::string::npos);
  config.heads = 320;
  const auto odd = make_gpu_gpt(config, 1, Precision::kBf16);
  ASSERT_FALSE(odd);
  EXPECT_EQ(odd.error().code, ErrorCode::kInvalid);
}

}  // namespace
}  // namespace ballast
