// A toy model for tests of the protocol with real processes: gradients, losses and initial values
// that are pure functions of (parameters, step, microbatch, element), and the same job as a plain
// loop.
#pragma once

#include <cmath>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "services/client/client.h"
#include "services/core/tree.h"
#include "services/server/optimizer.h"
#include "services/server/reduction.h"

namespace ballast {

struct ToyJob {
  Layout layout;
  TrainingSettings training;

  uint64_t elements() const { return layout.elements; }
};

inline float toy_value(uint64_t a, uint64_t b, uint64_t c) {
  uint64_t x = a * 0x9e3779b97f4a7c15u + b * 0xbf58476d1ce4e5b9u + c * 0x94d049bb133111ebu + 1;
  x ^= x >> 31;
  x *= 0xd6e8feb86659fd93u;
  x ^= x >> 29;
  return static_cast<float>(static_cast<int64_t>(x >> 40) - (int64_t{1} << 23)) * 0x1p-23f;
}

inline ToyJob make_toy_job(uint64_t rows, uint32_t segment_elements, uint32_t microbatches,
                           uint64_t steps) {
  ToyJob job;
  job.layout = make_layout({{.name = "weight",
                             .shape = {rows, 33},
                             .group = ParameterGroup::kDecay,
                             .offset = 0,
                             .elements = 0},
                            {.name = "bias",
                             .shape = {rows},
                             .group = ParameterGroup::kNoDecay,
                             .offset = 0,
                             .elements = 0}})
                   .value();
  job.training.steps = steps;
  job.training.microbatches = microbatches;
  job.training.segment_elements = segment_elements;
  job.training.optimizer.learning_rate = 0.01;
  job.training.optimizer.weight_decay = 0.1;
  job.training.evaluation_batches = 1;
  return job;
}

inline JobIdentity toy_identity(const ToyJob& job) {
  return {.layout = job.layout,
          .layout_hash = layout_hash(job.layout),
          .data_fingerprint = "toy data",
          .numerics_fingerprint = "toy numerics"};
}

// Padding stays zero: its gradient and initial value are.
inline std::vector<bool> toy_padding(const Layout& layout) {
  std::vector<bool> padding(layout.elements, true);
  for (const Tensor& tensor : layout.tensors) {
    for (uint64_t i = 0; i < tensor.elements; ++i) padding[tensor.offset + i] = false;
  }
  return padding;
}

inline void toy_initial(const ToyJob& job, uint64_t begin, std::span<float> values) {
  const std::vector<bool> padding = toy_padding(job.layout);
  for (uint64_t i = 0; i < values.size(); ++i) {
    values[i] = padding[begin + i] ? 0.0f : toy_value(7, begin + i, 0);
  }
}

inline uint64_t toy_tokens(Microbatch v) { return 10 + v; }

// Writes the gradient, returns the loss sum.
inline double toy_gradient(const ToyJob& job, std::span<const float> parameters, Step step,
                           Microbatch v, std::span<float> gradient) {
  const std::vector<bool> padding = toy_padding(job.layout);
  double loss = 0;
  for (uint64_t i = 0; i < parameters.size(); ++i) {
    const float miss = parameters[i] - toy_value(v, i, step % 3);
    gradient[i] = padding[i] ? 0.0f : miss * static_cast<float>(toy_tokens(v));
    if (!padding[i]) loss += static_cast<double>(miss) * static_cast<double>(miss);
  }
  return loss;
}

struct ToyResult {
  std::vector<float> parameters;
  LossSum last;  // training loss of the last step
};

// What workers of a job get of these parameters.
inline std::vector<float> toy_pulled(std::vector<float> parameters, Precision precision) {
  if (precision == Precision::kBf16) {
    for (float& value : parameters) value = expand_bfloat16(round_to_bfloat16(value));
  }
  return parameters;
}

// The whole job in a plain loop: tree sum, record, optimizer.
inline ToyResult run_plain_loop(const ToyJob& job, Precision precision = Precision::kFp32) {
  const uint32_t total = job.training.microbatches;
  ToyResult result;
  result.parameters.resize(job.elements());
  toy_initial(job, 0, result.parameters);
  std::vector<float> state1(job.elements(), 0.0f);
  std::vector<float> state2(job.elements(), 0.0f);
  for (Step step = 0; step < job.training.steps; ++step) {
    std::vector<std::vector<float>> nodes(2 * total);
    std::vector<LossSum> sums(2 * total);
    const std::vector<float> pulled = toy_pulled(result.parameters, precision);
    for (Microbatch v = 0; v < total; ++v) {
      nodes[total + v].resize(job.elements());
      sums[total + v] = {.loss = toy_gradient(job, pulled, step, v, nodes[total + v]),
                         .tokens = toy_tokens(v)};
    }
    for (uint32_t node = total - 1; node > 0; --node) {
      nodes[node] = nodes[2 * node];
      add_into(nodes[node], nodes[2 * node + 1]);
      sums[node] = {.loss = sums[2 * node].loss + sums[2 * node + 1].loss,
                    .tokens = sums[2 * node].tokens + sums[2 * node + 1].tokens};
    }
    Record record;
    record.step = step;
    record.applied_steps = step + 1;
    record.scale = static_cast<float>(1.0 / static_cast<double>(sums[1].tokens));
    record.learning_rate = static_cast<float>(
        learning_rate(job.training.schedule, job.training.optimizer.learning_rate, step));
    record.bias_correction1 =
        static_cast<float>(bias_correction(job.training.optimizer.beta1, step + 1));
    record.bias_correction2 =
        static_cast<float>(bias_correction(job.training.optimizer.beta2, step + 1));
    apply_record_to_segment(job.training.optimizer, record, group_ranges(job.layout), 0,
                            {.parameters = result.parameters,
                             .states = {std::span<float>(state1), std::span<float>(state2)},
                             .root = nodes[1]});
    result.last = sums[1];
  }
  return result;
}

struct ToyOutcome {
  End end;
  std::vector<float> parameters;  // of the last version that was evaluated
  uint64_t works = 0;
  ClientStatistics statistics;
};

// A worker's whole life, as the header of Client shows it.
inline Result<ToyOutcome> run_toy_worker(const ToyJob& job, ClientOptions options,
                                         InitialValues initial_values = {}) {
  if (!initial_values) {
    initial_values = [&](uint64_t begin, std::span<float> values) {
      toy_initial(job, begin, values);
    };
  }
  auto client = Client::join(std::move(options), toy_identity(job), std::move(initial_values));
  if (!client) return tl::unexpected(client.error());
  ToyOutcome outcome;
  for (;;) {
    const Next next = (*client)->next_work();
    if (const auto* end = std::get_if<End>(&next)) {
      outcome.end = *end;
      outcome.statistics = (*client)->statistics();
      return outcome;
    }
    const Work& work = std::get<Work>(next);
    ++outcome.works;
    if ((*client)->wait_parameters(0, job.elements()) == Wait::kGone) continue;
    const std::span<const float> parameters = (*client)->parameters();
    for (Microbatch v : work.microbatches) {
      std::vector<float> gradient(job.elements());
      const double loss = toy_gradient(job, parameters, work.step, v, gradient);
      const std::span<float> out = (*client)->begin_microbatch(v, toy_tokens(v), loss);
      // Last layers first, in uneven ranges.
      uint64_t end = job.elements();
      while (end > 0) {
        const uint64_t begin = end > 77 ? end - 77 : 0;
        std::copy(gradient.begin() + static_cast<int64_t>(begin),
                  gradient.begin() + static_cast<int64_t>(end),
                  out.begin() + static_cast<int64_t>(begin));
        (*client)->finished(begin, end);
        end = begin;
      }
      (*client)->end_microbatch();
    }
    for (uint32_t index : work.evaluations) {
      outcome.parameters.assign(parameters.begin(), parameters.end());
      (*client)->evaluation_done(index, 1.0, 1);
    }
  }
}

}  // namespace ballast
