// oracle_start FOLDER LAYERS HEADS CHANNELS CONTEXT VOCABULARY SEED TRAIN_TOKENS TOTAL_TOKENS BATCH
//              MICROBATCHES STEPS EVALUATION_BATCHES
// Where a run begins and what it reads, for a peer that trains the same: version 0 of the
// parameters (parameters.f32), and on stdout a line a step with the positions of its windows, then
// a line with those of the evaluation. Its peer is whole_run_test.py.
#include <string>
#include <vector>

#include "services/core/sampler.h"
#include "services/engine/gpt.h"
#include "tests/oracle_torch/raw_files.h"

namespace ballast::oracle {
namespace {

void print(const std::vector<uint64_t>& positions) {
  for (const uint64_t position : positions) {
    std::printf("%llu ", static_cast<unsigned long long>(position));
  }
}

int run(const std::vector<std::string>& arguments) {
  if (arguments.size() != 13) give_up("usage: oracle_start FOLDER and twelve numbers");
  const auto number = [&](size_t i) { return static_cast<uint32_t>(std::stoul(arguments[i])); };
  const GptConfig config{number(1), number(2), number(3), number(4), number(5)};
  const auto layout = gpt_layout(config);
  if (!layout) give_up(layout.error().message);
  const uint64_t seed = number(6);
  std::vector<float> parameters(layout->elements);
  gpt_initial_values(config, *layout, seed, 0, parameters);
  RawFiles(arguments[0]).write("parameters", parameters);

  const SamplerConfig sampler{.seed = seed,
                              .train_tokens = number(7),
                              .context = config.context,
                              .batch = number(9),
                              .microbatches = number(10)};
  for (Step step = 0; step < number(11); ++step) {
    for (Microbatch v = 0; v < sampler.microbatches; ++v) print(sample_positions(sampler, step, v));
    std::printf("\n");
  }
  for (uint32_t index = 0; index < number(12); ++index) {
    print(evaluation_positions(sampler.train_tokens, number(8), config.context,
                               sampler.batch / sampler.microbatches, number(12), index));
  }
  std::printf("\n");
  return 0;
}

}  // namespace
}  // namespace ballast::oracle

int main(int count, char** arguments) {
  return ballast::oracle::run(std::vector<std::string>(arguments + 1, arguments + count));
}
