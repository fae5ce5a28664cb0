// What the job must compute: one plain loop over the steps, the whole arena at once, no servers, no
// segments except where the sum of squares is defined by them. Every world is held against it bit
// for bit. Immutable once run.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "services/core/messages.h"
#include "tests/sim/scenario.h"

namespace ballast::sim {

using Values = std::shared_ptr<const std::vector<float>>;

struct Reference {
  Segments segments;
  uint32_t microbatches = 1;
  uint32_t states = 0;
  Step steps = 0;  // committed; fewer than asked for where a run of skips ends the job
  std::vector<Values> parameters;    // [version * segments + segment]
  std::vector<Values> pulled;        // likewise: as workers get them
  std::vector<Values> state;         // [(version * segments + segment) * states + index]
  std::vector<Values> nodes;         // [(step * 2V + node) * segments + segment]
  std::vector<LossSum> node_sums;    // [step * 2V + node]
  std::vector<Record> records;       // [step]; map, origin and plan are left empty
  std::vector<LossSum> evaluations;  // [version * batches + index]
  std::optional<LossSum> final_evaluation;

  const Values& parameters_of(Step version, SegmentId segment) const {
    return parameters[version * segments.count() + segment];
  }
  const Values& pulled_of(Step version, SegmentId segment) const {
    return pulled[version * segments.count() + segment];
  }
  const Values& state_of(Step version, SegmentId segment, uint32_t index) const {
    return state[(version * segments.count() + segment) * states + index];
  }
  const Values& node(Step step, TreeNode tree_node, SegmentId segment) const {
    return nodes[(step * 2 * microbatches + tree_node) * segments.count() + segment];
  }
  const LossSum& node_sum(Step step, TreeNode tree_node) const {
    return node_sums[step * 2 * microbatches + tree_node];
  }
};

Reference run_reference(const Scenario& scenario);

// What a worker gets of these parameters.
std::vector<float> as_pulled(std::vector<float> parameters, Precision precision);

// Equal in every bit, NaN included; map, origin and plan are not compared.
bool same_decision(const Record& a, const Record& b);
// Equal in every bit, everything compared.
bool same_bits(const Record& a, const Record& b);
bool same_bits(const std::vector<float>& a, const std::vector<float>& b);

}  // namespace ballast::sim
