#include "tests/sim/reference.h"

#include <bit>
#include <cmath>
#include <cstring>

namespace ballast::sim {
namespace {

struct Arena {
  std::vector<float> parameters;
  std::vector<float> first;  // the optimizer's states, by their order
  std::vector<float> second;
};

double sum_of_squares(const float* values, uint32_t count) {
  double lanes[64] = {};
  for (uint32_t i = 0; i < count; ++i) {
    const auto value = static_cast<double>(values[i]);
    lanes[i % 64] += value * value;
  }
  for (uint32_t half = 32; half > 0; half /= 2) {
    for (uint32_t i = 0; i < half; ++i) {
      lanes[i] += lanes[i + half];
    }
  }
  return lanes[0];
}

bool all_finite(const std::vector<float>& values) {
  for (const float value : values) {
    if (!std::isfinite(value)) {
      return false;
    }
  }
  return true;
}

// One element by the formulas of services/server/optimizer.h.
void update(const OptimizerSettings& settings, const Record& record, float decay, float root,
            float& parameter, float& first, float& second) {
  const auto of = [](double value) { return static_cast<float>(value); };
  const float raw = root * record.scale;
  const float gradient = settings.kind == OptimizerKind::kAdamW ? raw : raw + decay * parameter;
  float direction = gradient;
  switch (settings.kind) {
    case OptimizerKind::kSgd:
      break;
    case OptimizerKind::kMomentum:
      direction = first = of(settings.momentum) * first + gradient;
      break;
    case OptimizerKind::kNesterov:
      first = of(settings.momentum) * first + gradient;
      direction = gradient + of(settings.momentum) * first;
      break;
    case OptimizerKind::kAdam:
    case OptimizerKind::kAdamW: {
      first = of(settings.beta1) * first + of(1.0 - settings.beta1) * gradient;
      second = of(settings.beta2) * second + (of(1.0 - settings.beta2) * gradient) * gradient;
      const float inverse1 = 1.0f / record.bias_correction1;
      const float inverse2 = 1.0f / record.bias_correction2;
      direction = (first * inverse1) / (std::sqrt(second * inverse2) + of(settings.epsilon));
      if (settings.kind == OptimizerKind::kAdamW) direction = direction + decay * parameter;
      break;
    }
    case OptimizerKind::kAdagrad:
      first = first + gradient * gradient;
      direction = gradient / (std::sqrt(first) + of(settings.epsilon));
      break;
    case OptimizerKind::kRmsProp:
      first = of(settings.alpha) * first + (of(1.0 - settings.alpha) * gradient) * gradient;
      direction = gradient / (std::sqrt(first) + of(settings.epsilon));
      break;
  }
  parameter = parameter - record.learning_rate * direction;
}

void apply(const Scenario& scenario, const Record& record, const std::vector<float>& root,
           Arena& arena) {
  const OptimizerSettings& settings = scenario.training.optimizer;
  for (const GroupRange& range : group_ranges(scenario.identity.layout)) {
    const float decay =
        range.group == ParameterGroup::kDecay ? static_cast<float>(settings.weight_decay) : 0.0f;
    for (uint64_t i = range.begin; i < range.end; ++i) {
      update(settings, record, decay, root[i], arena.parameters[i], arena.first[i],
             arena.second[i]);
    }
  }
}

void append_segments(const Segments& segments, const std::vector<float>& arena,
                     std::vector<Values>& out) {
  for (SegmentId segment = 0; segment < segments.count(); ++segment) {
    const auto begin = arena.begin() + static_cast<ptrdiff_t>(segments.begin(segment));
    out.push_back(std::make_shared<std::vector<float>>(begin, begin + segments.size(segment)));
  }
}

void append_version(const Scenario& scenario, const Arena& arena, Reference& reference) {
  append_segments(scenario.segments, arena.parameters, reference.parameters);
  const std::vector<float> pulled = as_pulled(arena.parameters, scenario.worker_options.precision);
  append_segments(scenario.segments, pulled, reference.pulled);
  for (SegmentId segment = 0; segment < scenario.segments.count(); ++segment) {
    const auto begin = static_cast<ptrdiff_t>(scenario.segments.begin(segment));
    const auto end = begin + static_cast<ptrdiff_t>(scenario.segments.size(segment));
    for (uint32_t i = 0; i < reference.states; ++i) {
      const std::vector<float>& from = i == 0 ? arena.first : arena.second;
      reference.state.push_back(
          std::make_shared<std::vector<float>>(from.begin() + begin, from.begin() + end));
    }
  }
  const Step version = reference.parameters.size() / scenario.segments.count() - 1;
  for (uint32_t i = 0; i < scenario.training.evaluation_batches; ++i) {
    reference.evaluations.push_back(scenario.toy.evaluate(pulled, version, i));
  }
}

// The gradients of all tree nodes of a step, summed left + right; returns the root's.
std::vector<float> append_tree(const Scenario& scenario, Step step, const Arena& arena,
                               Reference& reference) {
  const uint32_t leaves = scenario.training.microbatches;
  std::vector<std::vector<float>> values(2 * leaves);
  std::vector<LossSum> sums(2 * leaves);
  const std::vector<float> pulled = as_pulled(arena.parameters, scenario.worker_options.precision);
  for (uint32_t v = 0; v < leaves; ++v) {
    values[leaves + v].resize(pulled.size());
    sums[leaves + v] = scenario.toy.compute(pulled, step, v, values[leaves + v]);
  }
  for (uint32_t node = leaves - 1; node >= 1; --node) {
    values[node] = values[2 * node];
    for (size_t i = 0; i < values[node].size(); ++i) {
      values[node][i] += values[2 * node + 1][i];
    }
    sums[node] = {sums[2 * node].loss + sums[2 * node + 1].loss,
                  sums[2 * node].tokens + sums[2 * node + 1].tokens};
  }
  reference.nodes.resize(reference.nodes.size() + scenario.segments.count());  // node 0: none
  for (uint32_t node = 1; node < 2 * leaves; ++node) {
    append_segments(scenario.segments, values[node], reference.nodes);
  }
  reference.node_sums.insert(reference.node_sums.end(), sums.begin(), sums.end());
  return values[1];
}

// Of `version`, in a balanced tree over the batches (a power of two is filled up with zeros).
std::optional<LossSum> evaluation_of(const Scenario& scenario, const Reference& reference,
                                     Step version) {
  const uint32_t batches = scenario.training.evaluation_batches;
  if (batches == 0) {
    return std::nullopt;
  }
  std::vector<LossSum> sums(std::bit_ceil(batches));
  for (uint32_t i = 0; i < batches; ++i) {
    sums[i] = reference.evaluations[version * batches + i];
  }
  while (sums.size() > 1) {
    for (size_t i = 0; i < sums.size() / 2; ++i) {
      sums[i] = {sums[2 * i].loss + sums[2 * i + 1].loss,
                 sums[2 * i].tokens + sums[2 * i + 1].tokens};
    }
    sums.resize(sums.size() / 2);
  }
  return sums[0];
}

Record decide(const Scenario& scenario, const Reference& reference, Step step,
              const std::vector<float>& root) {
  const TrainingSettings& training = scenario.training;
  const Record before = step == 0 ? Record{} : reference.records.back();
  Record record;
  record.step = step;
  record.training = reference.node_sum(step, 1);
  double squares = 0;
  for (SegmentId segment = 0; segment < scenario.segments.count(); ++segment) {
    squares += sum_of_squares(root.data() + scenario.segments.begin(segment),
                              scenario.segments.size(segment));
  }
  const auto tokens = static_cast<double>(record.training.tokens);
  const OptimizerSettings& optimizer = training.optimizer;
  record.apply = all_finite(root) && std::isfinite(squares);
  record.applied_steps = before.applied_steps + (record.apply ? 1 : 0);
  record.skipped_in_a_row = record.apply ? 0 : before.skipped_in_a_row + 1;
  record.learning_rate =
      static_cast<float>(learning_rate(training.schedule, optimizer.learning_rate, step));
  const bool adam =
      optimizer.kind == OptimizerKind::kAdam || optimizer.kind == OptimizerKind::kAdamW;
  if (adam && record.applied_steps > 0) {
    record.bias_correction1 =
        static_cast<float>(bias_correction(optimizer.beta1, record.applied_steps));
    record.bias_correction2 =
        static_cast<float>(bias_correction(optimizer.beta2, record.applied_steps));
  }
  if (record.apply) {
    record.gradient_norm = std::sqrt(squares) / tokens;
    const double clip = training.gradient_clip > 0 && record.gradient_norm > training.gradient_clip
                            ? training.gradient_clip / record.gradient_norm
                            : 1.0;
    record.scale = static_cast<float>(clip / tokens);
  }
  if (training.evaluation_every > 0 && step > 0 && step % training.evaluation_every == 0) {
    record.evaluation = evaluation_of(scenario, reference, step);
  }
  return record;
}

bool same(double a, double b) { return std::bit_cast<uint64_t>(a) == std::bit_cast<uint64_t>(b); }
bool same(float a, float b) { return std::bit_cast<uint32_t>(a) == std::bit_cast<uint32_t>(b); }
bool same(const LossSum& a, const LossSum& b) {
  return same(a.loss, b.loss) && a.tokens == b.tokens;
}

}  // namespace

Reference run_reference(const Scenario& scenario) {
  Reference reference;
  reference.segments = scenario.segments;
  reference.microbatches = scenario.training.microbatches;
  reference.states = state_count(scenario.training.optimizer);
  const uint64_t elements = scenario.segments.elements;
  Arena arena{std::vector<float>(elements), std::vector<float>(elements),
              std::vector<float>(elements)};
  for (uint64_t i = 0; i < elements; ++i) {
    arena.parameters[i] = scenario.toy.initial(i);
  }
  append_version(scenario, arena, reference);
  while (reference.steps < scenario.training.steps) {
    const std::vector<float> root = append_tree(scenario, reference.steps, arena, reference);
    const Record record = decide(scenario, reference, reference.steps, root);
    if (record.apply) {
      apply(scenario, record, root, arena);
    }
    reference.records.push_back(record);
    append_version(scenario, arena, reference);
    ++reference.steps;
    if (record.skipped_in_a_row >= scenario.training.max_skipped_in_a_row) {
      return reference;
    }
  }
  reference.final_evaluation = evaluation_of(scenario, reference, reference.steps);
  return reference;
}

std::vector<float> as_pulled(std::vector<float> parameters, Precision precision) {
  if (precision == Precision::kBf16) {
    for (float& value : parameters) value = expand_bfloat16(round_to_bfloat16(value));
  }
  return parameters;
}

bool same_decision(const Record& a, const Record& b) {
  if (a.evaluation.has_value() != b.evaluation.has_value() ||
      (a.evaluation && !same(*a.evaluation, *b.evaluation))) {
    return false;
  }
  return a.step == b.step && a.apply == b.apply && same(a.scale, b.scale) &&
         same(a.learning_rate, b.learning_rate) && same(a.bias_correction1, b.bias_correction1) &&
         same(a.bias_correction2, b.bias_correction2) && a.applied_steps == b.applied_steps &&
         a.skipped_in_a_row == b.skipped_in_a_row && same(a.training, b.training) &&
         same(a.gradient_norm, b.gradient_norm);
}

bool same_bits(const Record& a, const Record& b) {
  return same_decision(a, b) && a.map == b.map && a.origin == b.origin && a.plan == b.plan;
}

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

}  // namespace ballast::sim
