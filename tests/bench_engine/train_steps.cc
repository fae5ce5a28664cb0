// Whole training steps in one process, forward, backward and AdamW, for bench_peers.py: reads lines
// with a number of steps from standard input and answers each with the seconds that they took.
//
//   train_steps LAYERS HEADS CHANNELS CONTEXT VOCABULARY BATCH THREADS
#include <sys/resource.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "common/check.h"
#include "services/engine/gpt.h"
#include "services/server/optimizer.h"

namespace ballast {
namespace {

constexpr size_t kOptimizerGrain = kDefaultSegmentElements;

class Training {
 public:
  Training(const GptConfig& config, uint32_t batch, size_t threads)
      : pool_(threads),
        model_(config, batch, {&pool_, &best_kernels()}),
        groups_(group_ranges(model_.layout())),
        parameters_(model_.layout().elements),
        gradients_(parameters_.size()),
        states_{std::vector<float>(parameters_.size()), std::vector<float>(parameters_.size())},
        tokens_(size_t{batch} * config.context),
        targets_(tokens_.size()) {
    gpt_initial_values(config, model_.layout(), 1, 0, parameters_);
    for (size_t i = 0; i < tokens_.size(); ++i) {
      tokens_[i] = static_cast<uint32_t>(i * 37 % config.vocabulary);
      targets_[i] = static_cast<uint32_t>((i + 1) * 37 % config.vocabulary);
    }
  }

  double step() {
    const Result<LossSum> loss = model_.forward(parameters_, tokens_, targets_);
    CHECK(loss.has_value());
    model_.backward(gradients_);
    OptimizerSettings settings;
    settings.weight_decay = 0.1;
    Record record;
    record.scale = 1.0F / static_cast<float>(loss->tokens);
    record.learning_rate = 1e-4F;
    record.applied_steps = ++steps_;
    record.bias_correction1 = static_cast<float>(bias_correction(settings.beta1, steps_));
    record.bias_correction2 = static_cast<float>(bias_correction(settings.beta2, steps_));
    pool_.run_ranges(parameters_.size(), kOptimizerGrain, [&](size_t begin, size_t end) {
      const auto part = [&](auto& values) { return std::span(values).subspan(begin, end - begin); };
      apply_record_to_segment(settings, record, groups_, begin,
                              {.parameters = part(parameters_),
                               .states = {part(states_[0]), part(states_[1])},
                               .root = part(gradients_)});
    });
    return loss->loss / static_cast<double>(loss->tokens);
  }

 private:
  ThreadPool pool_;
  Gpt model_;
  std::vector<GroupRange> groups_;
  std::vector<float> parameters_;
  std::vector<float> gradients_;
  std::array<std::vector<float>, 2> states_;
  std::vector<uint32_t> tokens_;
  std::vector<uint32_t> targets_;
  uint64_t steps_ = 0;
};

int run(const std::array<uint32_t, 7>& numbers) {
  Training training({.layers = numbers[0],
                     .heads = numbers[1],
                     .channels = numbers[2],
                     .context = numbers[3],
                     .vocabulary = numbers[4]},
                    numbers[5], numbers[6]);
  int steps = 0;
  while (std::scanf("%d", &steps) == 1) {
    const auto began = std::chrono::steady_clock::now();
    double loss = 0;
    for (int i = 0; i < steps; ++i) loss = training.step();
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    std::printf("%.9f %.6f %ld\n", took.count(), loss, usage.ru_maxrss);
    std::fflush(stdout);
  }
  return 0;
}

}  // namespace
}  // namespace ballast

int main(int argc, char** argv) {
  std::array<uint32_t, 7> numbers{};
  if (argc != 8) {
    std::fprintf(stderr, "usage: %s LAYERS HEADS CHANNELS CONTEXT VOCABULARY BATCH THREADS\n",
                 argv[0]);
    return 2;
  }
  for (size_t i = 0; i < numbers.size(); ++i) {
    numbers[i] = static_cast<uint32_t>(std::strtoul(argv[i + 1], nullptr, 10));
  }
  return ballast::run(numbers);
}
