#include "tests/sim/scenario.h"

#include <limits>

#include <fmt/format.h>

#include "common/check.h"
#include "tests/sim/random.h"

namespace ballast::sim {
namespace {

void draw_arena(Random& random, Scenario& scenario) {
  const auto segments = static_cast<uint64_t>(random.between(4, 8));
  const auto size = static_cast<uint32_t>(random.pick(std::vector<uint32_t>{8, 16, 24, 32}));
  std::vector<Tensor> tensors;
  for (uint64_t left = segments * size, i = 0; left > 0; ++i) {
    const auto rows = static_cast<uint64_t>(random.between(1, 4));
    const auto columns = std::min<uint64_t>(left, static_cast<uint64_t>(random.between(5, 24)));
    const auto group = random.chance(500) ? ParameterGroup::kDecay : ParameterGroup::kNoDecay;
    tensors.push_back({fmt::format("tensor.{}", i), {rows, columns}, group, 0, 0});
    left -= std::min(left,
                     (rows * columns + kTensorAlignment - 1) / kTensorAlignment * kTensorAlignment);
  }
  auto layout = make_layout(std::move(tensors));
  CHECK(layout.has_value());
  scenario.training.segment_elements = size;
  scenario.identity.layout = std::move(*layout);
  scenario.identity.layout_hash = layout_hash(scenario.identity.layout);
  scenario.identity.data_fingerprint = "data";
  scenario.identity.numerics_fingerprint = "numerics";
  scenario.segments = {scenario.identity.layout.elements, size};
}

void draw_training(Random& random, Scenario& scenario) {
  TrainingSettings& training = scenario.training;
  training.steps = static_cast<uint64_t>(random.between(20, 40));
  training.microbatches = random.chance(800) ? 8 : 4;
  training.evaluation_every = static_cast<uint64_t>(random.between(0, 7));
  training.evaluation_batches = static_cast<uint32_t>(random.between(0, 4));
  training.gradient_clip = random.chance(500) ? 0.5 : 0;
  OptimizerSettings& optimizer = training.optimizer;
  const auto kinds = static_cast<uint64_t>(kLastOptimizer) + 1;
  optimizer.kind =
      random.chance(500) ? OptimizerKind::kAdamW : static_cast<OptimizerKind>(random.below(kinds));
  optimizer.learning_rate = 0.02;
  optimizer.weight_decay = random.chance(500) ? 0.1 : 0;
  optimizer.momentum = 0.9;
  if (random.chance(500)) {
    const auto schedules = static_cast<uint64_t>(kLastSchedule) + 1;
    training.schedule = {static_cast<ScheduleKind>(random.below(schedules)), 5, training.steps,
                         0.001, 6};
  }
  training.checkpoint_path = random.chance(500) ? "/checkpoints" : "";
  training.checkpoint_every = static_cast<uint64_t>(random.between(0, 9));
}

// Steps whose gradient is not finite: mostly a few, rarely a run that ends the job.
void draw_poison(Random& random, Scenario& scenario) {
  TrainingSettings& training = scenario.training;
  scenario.toy = {mix(scenario.seed), training.microbatches, scenario.segments.elements, {}};
  training.max_skipped_in_a_row = 3;
  scenario.fails = random.chance(30);
  const auto runs = scenario.fails ? 1 : random.between(0, 2);
  Step step = static_cast<Step>(random.between(0, 6));
  for (int64_t run = 0; run < runs; ++run) {
    const auto length = scenario.fails ? 3 : random.between(1, 2);
    for (int64_t i = 0; i < length; ++i, ++step) {
      scenario.toy.poison.push_back(
          {step, static_cast<Microbatch>(random.below(training.microbatches)), random.next() >> 8,
           random.chance(500) ? std::numeric_limits<float>::quiet_NaN()
                              : -std::numeric_limits<float>::infinity()});
    }
    step += static_cast<Step>(random.between(1, 6));
  }
}

void draw_times(Random& random, Scenario& scenario) {
  scenario.compute_ms = random.between(1, 60);
  scenario.tick_ms = random.between(10, 50);
  scenario.observed_after_ms = random.between(0, 150);
  // Where messages are sent again late, a lost one matters for long.
  const TimeMs longest_resend_ms = random.chance(250) ? 2000 : 250;
  scenario.server_options.resend_after_ms = random.between(50, longest_resend_ms);
  scenario.coordinator_options.resend_after_ms = random.between(50, longest_resend_ms);
  scenario.coordinator_options.worker_silence_ms = random.between(600, 3000);
  scenario.coordinator_options.server_silence_ms = random.between(600, 2000);
  scenario.worker_options.resend_after_ms = random.between(100, 1000);
  scenario.worker_options.credits_per_server = static_cast<uint32_t>(random.between(1, 8));
}

void draw_network(Random& random, NetworkScenario& network) {
  network.delay_max_ms = random.between(1, 10);
  if (random.chance(700)) {
    network.late_per_mille =
        static_cast<uint32_t>(random.between(1, random.chance(200) ? 300 : 50));
    network.late_ms = random.between(20, 600);
  }
  if (random.chance(700)) {
    network.lost_per_mille =
        static_cast<uint32_t>(random.between(1, random.chance(200) ? 200 : 40));
  }
  if (random.chance(700)) {
    network.doubled_per_mille = static_cast<uint32_t>(random.between(1, 60));
  }
  network.silent_death_per_mille = static_cast<uint32_t>(random.between(0, 1000));
}

// Each world has some kinds of faults and not others: many of one kind find what a few of each do
// not.
void draw_faults(Random& random, Scenario& scenario) {
  FaultScenario& faults = scenario.faults;
  const auto weight = [&random](uint32_t often) {
    return random.chance(600) ? static_cast<uint32_t>(random.between(1, often)) : 0;
  };
  faults.every_min_ms = random.between(10, 200);
  faults.every_max_ms = faults.every_min_ms + random.between(50, 800);
  faults.kill_worker = weight(10);
  faults.pause = weight(6);
  faults.slow = weight(3);
  faults.false_alarm = weight(3);
  faults.leave = weight(3);
  if (scenario.weather < Weather::kAll) {
    return;
  }
  faults.cut_link = weight(5);
  faults.cut_process = weight(5);
  faults.clog_link = weight(8);
  faults.operator_down = weight(3);
  faults.appoint = weight(4);
  faults.plan = weight(3);
  if (random.chance(200)) {
    faults.kill_any_server = static_cast<uint32_t>(random.between(1, 10));
  } else if (scenario.training.replication >= 2 && scenario.servers >= 2) {
    faults.kill_server = weight(30);
    faults.kill_coordinator = weight(20);
    faults.kill_when_whole_per_mille =
        random.chance(300) ? static_cast<uint32_t>(random.between(100, 900)) : 0;
    faults.kill_at_commit_per_mille =
        random.chance(400) ? static_cast<uint32_t>(random.between(50, 500)) : 0;
  }
  faults.clock_drift_per_mille =
      random.chance(300) ? static_cast<uint32_t>(random.between(1, 200)) : 0;
  faults.stale_status_per_mille = random.chance(500) ? 500 : 0;
  if (random.chance(400)) {
    scenario.disk = {static_cast<uint32_t>(random.between(0, 300)),
                     static_cast<uint32_t>(random.between(0, 500)), random.between(30, 3000)};
  }
}

// Long enough that every segment is compared once after the flip.
void draw_flip(Random& random, Scenario& scenario) {
  scenario.servers = std::max(scenario.servers, 2u);
  scenario.late_servers = 0;
  scenario.training.replication = 2;
  scenario.fails = false;
  scenario.toy.poison.clear();
  scenario.training.steps = 2 * kChecksumEvery + 20;
  scenario.flip_at_step = static_cast<Step>(random.between(1, kChecksumEvery));
  scenario.network = {};
  scenario.faults = {};
  scenario.disk = {};
  scenario.faults.every_max_ms = scenario.heal_at_ms = 0;
}

}  // namespace

Scenario make_scenario(uint64_t seed, Weather weather, bool decides) {
  Scenario scenario;
  scenario.seed = seed;
  scenario.weather = weather;
  scenario.decides = decides;
  Random random(seed);
  // By itself, so that all else of a seed stays what it was.
  scenario.worker_options.precision =
      Random(mix(seed)).chance(300) ? Precision::kBf16 : Precision::kFp32;
  scenario.servers = static_cast<uint32_t>(random.between(1, kMaxServers));
  scenario.workers = static_cast<uint32_t>(random.between(1, kMaxWorkers));
  scenario.training.replication = random.chance(750) ? 2 : 1;
  scenario.late_servers =
      random.chance(250) ? static_cast<uint32_t>(random.below(scenario.servers)) : 0;
  draw_training(random, scenario);
  if (weather == Weather::kMoves) {
    scenario.servers = std::max(3u, scenario.servers);
    scenario.training.steps *= 2;
  }
  draw_arena(random, scenario);
  draw_poison(random, scenario);
  draw_times(random, scenario);
  if (weather == Weather::kCalm) {
    return scenario;
  }
  draw_network(random, scenario.network);
  scenario.heal_at_ms = random.between(1000, 20000);
  if (weather != Weather::kNetwork) {
    draw_faults(random, scenario);
  }
  if (weather == Weather::kMoves) {
    scenario.faults.plan = static_cast<uint32_t>(random.between(5, 20));
  }
  if (weather == Weather::kAll && random.chance(20)) {
    draw_flip(random, scenario);
  }
  if (decides) {
    scenario.late_servers = 0;  // they are started when it says so
  }
  return scenario;
}

TimeMs computed_by_one_ms(const Scenario& scenario) {
  const TrainingSettings& training = scenario.training;
  return scenario.compute_ms * static_cast<TimeMs>(training.steps) *
         (TimeMs{training.microbatches} + TimeMs{training.evaluation_batches});
}

}  // namespace ballast::sim
