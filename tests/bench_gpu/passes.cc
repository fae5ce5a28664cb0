#include "tests/bench_gpu/passes.h"

#include <cstdlib>
#include <span>
#include <thread>

#include <fmt/format.h>

namespace ballast {

void stop(const std::string& message) {
  fmt::print(stderr, "bench_gpu: {}\n", message);
  std::exit(1);
}

void stop_at(const Result<void>& result) {
  if (!result) stop(result.error().message);
}

std::unique_ptr<Model> gpu_model(const GptConfig& config, uint32_t sequences, Precision precision) {
  auto model = make_gpu_gpt(config, sequences, precision);
  if (!model) stop(model.error().message);
  return std::move(*model);
}

Passes::Passes(const GptConfig& config, uint32_t sequences, Precision precision)
    : model_(gpu_model(config, sequences, precision)),
      parameters_(model_->layout().elements),
      gradients_(parameters_.size()) {
  ThreadPool pool(std::thread::hardware_concurrency());
  pool.run_ranges(parameters_.size(), kDefaultSegmentElements, [&](size_t first, size_t end) {
    gpt_initial_values(config, model_->layout(), 1, first,
                       std::span(parameters_).subspan(first, end - first));
  });
  const size_t rows = size_t{sequences} * config.context;
  uint32_t state = 1;
  for (size_t i = 0; i < rows + 1; ++i) {
    state = state * 1664525U + 1013904223U;
    tokens_.push_back((state >> 8) % config.vocabulary);
  }
  begin();
}

double Passes::pass() {
  const auto loss = model_->loss();
  if (!loss) stop(loss.error().message);
  stop_at(model_->backward(gradients_, {}, [this] { begin(); }));
  return loss->loss / static_cast<double>(loss->tokens);
}

void Passes::begin() {
  const std::span<const uint32_t> all = tokens_;
  ModelInput input;
  input.parameters = parameters_;
  input.version = 1;
  input.tokens = all.first(all.size() - 1);
  input.targets = all.subspan(1);
  stop_at(model_->begin(input));
}

}  // namespace ballast
