// oracle_training: what servers and the coordinator compute in a step. Its peer is
// training_test.py.
//
//   optimizer FOLDER NAME LR DECAY BETA1 BETA2 EPSILON MOMENTUM ALPHA CLIP STEPS COUNT
//     parameters [COUNT] and gradients [STEPS, COUNT] from files; the parameters after each step to
//     one
//   schedule KIND PEAK WARMUP LENGTH MINIMUM DECAY STEPS
//     prints the learning rate of each step; KIND is the number of the enum
#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "services/core/training.h"
#include "services/server/optimizer.h"
#include "services/server/reduction.h"
#include "tests/oracle_torch/raw_files.h"

namespace ballast::oracle {
namespace {

OptimizerKind kind_of(const std::string& name) {
  for (const OptimizerInfo& info : optimizer_table()) {
    if (info.name == name) return info.kind;
  }
  give_up("no optimizer " + name);
}

int optimizer(const std::vector<std::string>& arguments) {
  const auto value = [&](size_t i) { return std::stod(arguments[i]); };
  TrainingSettings settings;
  settings.optimizer = {.kind = kind_of(arguments[2]),
                        .learning_rate = value(3),
                        .weight_decay = value(4),
                        .beta1 = value(5),
                        .beta2 = value(6),
                        .epsilon = value(7),
                        .momentum = value(8),
                        .alpha = value(9)};
  settings.gradient_clip = value(10);
  settings.steps = std::stoul(arguments[11]);
  const size_t count = std::stoul(arguments[12]);
  const RawFiles files(arguments[1]);
  std::vector<float> parameters = files.floats("parameters", count);
  const std::vector<float> gradients = files.floats("gradients", settings.steps * count);
  std::vector<float> first(count);
  std::vector<float> second(count);
  std::vector<float> after;
  std::optional<Record> record;
  for (Step step = 0; step < settings.steps; ++step) {
    const auto root = std::span(gradients).subspan(step * count, count);
    const Summary summary = summarise(root);
    // One token: the gradient is its own mean.
    record = make_record(settings, record, step,
                         {.training = {.loss = 1, .tokens = 1},
                          .sum_squares = summary.sum_squares,
                          .finite = summary.finite,
                          .evaluation = {}});
    apply_record(settings.optimizer, *record, ParameterGroup::kDecay,
                 {.parameters = parameters, .states = {first, second}, .root = root});
    after.insert(after.end(), parameters.begin(), parameters.end());
  }
  files.write("after", after);
  return 0;
}

int schedule(const std::vector<std::string>& arguments) {
  const auto count = [&](size_t i) { return static_cast<uint64_t>(std::stoul(arguments[i])); };
  const ScheduleSettings settings{.kind = static_cast<ScheduleKind>(count(1)),
                                  .warmup_steps = count(3),
                                  .length_steps = count(4),
                                  .min_learning_rate = std::stod(arguments[5]),
                                  .decay_steps = count(6)};
  for (Step step = 0; step < count(7); ++step) {
    std::printf("%.17g\n", learning_rate(settings, std::stod(arguments[2]), step));
  }
  return 0;
}

int run(const std::vector<std::string>& arguments) {
  if (arguments.size() == 13 && arguments[0] == "optimizer") return optimizer(arguments);
  if (arguments.size() == 8 && arguments[0] == "schedule") return schedule(arguments);
  give_up("usage: oracle_training optimizer|schedule ...");
}

}  // namespace
}  // namespace ballast::oracle

int main(int count, char** arguments) {
  return ballast::oracle::run(std::vector<std::string>(arguments + 1, arguments + count));
}
