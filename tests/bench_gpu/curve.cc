#include <algorithm>
#include <cmath>
#include <fstream>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "services/server/optimizer.h"
#include "tests/bench_gpu/passes.h"

namespace ballast {
namespace {

template <typename T>
std::vector<T> read_numbers(const std::string& path) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  if (!file) stop(path + " cannot be read");
  std::vector<T> out(static_cast<size_t>(file.tellg()) / sizeof(T));
  file.seekg(0);
  file.read(reinterpret_cast<char*>(out.data()),
            static_cast<std::streamsize>(out.size() * sizeof(T)));
  return out;
}

double norm(const std::vector<float>& values, double scale) {
  double squares = 0;
  for (const float value : values) squares += std::pow(static_cast<double>(value) * scale, 2);
  return std::sqrt(squares);
}

}  // namespace

void write_curve(const std::string& folder, int steps) {
  std::ifstream file(folder + "/layout.json");
  if (!file) stop(folder + "/layout.json cannot be read");
  const auto layout = nlohmann::json::parse(file);
  const auto& shape = layout.at("model");
  const GptConfig config{.layers = shape.at("layers"),
                         .heads = shape.at("heads"),
                         .channels = shape.at("embedding"),
                         .context = shape.at("context"),
                         .vocabulary = shape.at("vocabulary")};
  const uint32_t batch = layout.at("batch");
  const auto& with = layout.at("optimizer");
  const auto model = gpu_model(config, batch, Precision::kBf16);
  auto parameters = read_numbers<float>(folder + "/parameters.f32");
  const auto tokens = read_numbers<uint32_t>(folder + "/tokens.u32");
  const size_t row = config.context + 1;
  if (parameters.size() != model->layout().elements ||
      tokens.size() < static_cast<size_t>(steps) * batch * row) {
    stop(folder + " has other sizes than its layout.json");
  }
  OptimizerSettings settings;
  settings.beta1 = with.at("beta1");
  settings.beta2 = with.at("beta2");
  settings.epsilon = with.at("epsilon");
  settings.weight_decay = with.at("weightDecay");
  const auto groups = group_ranges(model->layout());
  std::vector<float> gradients(parameters.size());
  std::vector<float> states[2] = {std::vector<float>(parameters.size()),
                                  std::vector<float>(parameters.size())};
  auto losses = nlohmann::json::array();
  for (int step = 0; step < steps; ++step) {
    std::vector<uint32_t> inputs;
    std::vector<uint32_t> targets;
    for (uint32_t b = 0; b < batch; ++b) {
      const uint32_t* window = &tokens[(static_cast<size_t>(step) * batch + b) * row];
      inputs.insert(inputs.end(), window, window + config.context);
      targets.insert(targets.end(), window + 1, window + row);
    }
    ModelInput input;
    input.parameters = parameters;
    input.version = static_cast<uint64_t>(step) + 1;
    input.tokens = inputs;
    input.targets = targets;
    stop_at(model->begin(input));
    const auto sum = model->loss();
    if (!sum) stop(sum.error().message);
    stop_at(model->backward(gradients, {}));
    losses.push_back(sum->loss / static_cast<double>(sum->tokens));

    const double mean = 1 / static_cast<double>(sum->tokens);
    const double length = norm(gradients, mean);
    const double clip = with.at("gradientClip");
    Record record;
    record.scale = static_cast<float>(length > clip ? mean * clip / length : mean);
    const double warmup = with.at("warmupSteps");
    record.learning_rate = static_cast<float>(with.at("learningRate").get<double>() *
                                              std::min(1.0, (step + 1) / warmup));
    record.applied_steps = static_cast<uint64_t>(step) + 1;
    record.bias_correction1 =
        static_cast<float>(bias_correction(settings.beta1, record.applied_steps));
    record.bias_correction2 =
        static_cast<float>(bias_correction(settings.beta2, record.applied_steps));
    for (size_t begin = 0; begin < parameters.size(); begin += kDefaultSegmentElements) {
      const size_t count = std::min<size_t>(kDefaultSegmentElements, parameters.size() - begin);
      const auto part = [&](auto& values) { return std::span(values).subspan(begin, count); };
      apply_record_to_segment(settings, record, groups, begin,
                              {.parameters = part(parameters),
                               .states = {part(states[0]), part(states[1])},
                               .root = part(gradients)});
    }
  }
  std::ofstream(folder + "/losses.json") << losses.dump() << '\n';
}

}  // namespace ballast
