// The training loop of the simulated workers. What is computed from the reference's bits has the
// reference's bits: it is taken from there.
#include <algorithm>

#include <fmt/format.h>

#include "services/core/tree.h"
#include "services/core/worker_state.h"
#include "tests/sim/describe.h"
#include "tests/sim/world.h"

namespace ballast::sim {
namespace {

// For servers that have another address now: longer than an answer of one that was known takes.
constexpr TimeMs kLookAgainMs = 5000;

}  // namespace

void World::deliver_to_worker(Process& process, const Event& event, const Values& payload) {
  if (const auto* ready = std::get_if<ContributionReady>(&event)) {
    if (ready->step < process.toy.discarded_below) {
      return;
    }
    process.toy.computed.emplace(ready->step, ready->node);
  }
  if (const auto* ready = std::get_if<EvaluationReady>(&event);
      ready != nullptr && ready->version < process.toy.discarded_below) {
    return;
  }
  learn_addresses(process, event);
  if (process.worker->state().joined) {
    process.next_look_ms = now_ms_ + kLookAgainMs;
  } else if (std::holds_alternative<Tick>(event) && now_ms_ >= process.next_look_ms) {
    process.next_look_ms = now_ms_ + kLookAgainMs;
    happen(0, index_of(process.id), ServersFound{addresses_found(process)});
  }
  perform(index_of(process.id), process.worker->step(event, clock(process)), event, payload);
}

std::string World::accept_parameters(Process& process, const AcceptParameters& effect,
                                     const Values& payload) {
  if (effect.segment >= scenario_.segments.count() || effect.version > reference_.steps ||
      !payload) {
    return fmt::format("accepts version {} of segment {}", effect.version, effect.segment);
  }
  if (!checker_.flips() &&
      !same_bits(*payload, *reference_.pulled_of(effect.version, effect.segment))) {
    return fmt::format("takes other bits for version {} of segment {}", effect.version,
                       effect.segment);
  }
  process.toy.versions[effect.segment] = effect.version;
  return "";
}

void World::begin_work(uint32_t index, const BeginWork& effect) {
  ToyWorker& toy = processes_[index].toy;
  if (toy.step != effect.step) {
    toy.step = effect.step;
    toy.nodes.clear();
    toy.evaluations.clear();
  }
  toy.nodes.insert(toy.nodes.end(), effect.nodes.begin(), effect.nodes.end());
  toy.evaluations.insert(toy.evaluations.end(), effect.evaluations.begin(),
                         effect.evaluations.end());
  compute(index);
}

// Begins what waits, once every segment has the step's version. Gradients come last segments first.
void World::compute(uint32_t index) {
  Process& process = processes_[index];
  ToyWorker& toy = process.toy;
  if (!toy.step || std::any_of(toy.versions.begin(), toy.versions.end(),
                               [&](const auto& version) { return version != toy.step; })) {
    return;
  }
  const Step step = *toy.step;
  TimeMs at = std::max(now_ms_, toy.busy_until_ms);
  for (const TreeNode node : toy.nodes) {
    if (step >= reference_.steps) {
      checker_.fail(fmt::format("{} computes gradients of step {}", describe(process.id), step));
      return;
    }
    const uint32_t leaves = scenario_.training.microbatches;
    at += (scenario_.compute_ms + process.slow_ms) * microbatch_count(node, leaves);
    for (SegmentId segment = scenario_.segments.count(); segment-- > 0;) {
      happen(at - now_ms_, index,
             ContributionReady{step, node, segment, reference_.node_sum(step, node)});
    }
  }
  for (const uint32_t evaluation : toy.evaluations) {
    at += scenario_.compute_ms + process.slow_ms;
    const uint32_t batches = scenario_.training.evaluation_batches;
    if (evaluation >= batches) {
      checker_.fail(
          fmt::format("{} evaluates batch {} of {}", describe(process.id), evaluation, batches));
      return;
    }
    happen(at - now_ms_, index,
           EvaluationReady{step, evaluation, reference_.evaluations[step * batches + evaluation]});
  }
  toy.busy_until_ms = at;
  toy.nodes.clear();
  toy.evaluations.clear();
}

void World::end_worker(Process& process, const WorkerEnd& effect) {
  const bool over = checker_.next_step() == reference_.steps;
  if (effect.refused && !over) {
    checker_.fail(fmt::format("{} was refused: {}", describe(process.id), effect.reason));
  }
  const uint32_t index = index_of(process.id);
  const bool fails = scenario_.fails || checker_.flips();
  if ((over || checker_.flips()) && (fails || !effect.failed || effect.refused)) {
    process.ended = true;
    // Where status does not know of the end by then, workers are wanted again.
    begin(random_.between(500, 3000), [this, index, id = process.id] {
      if (lives(id) && !operator_->status().finished) {
        kill(index);
      }
    });
    return;
  }
  kill(index);  // a retry may help: it is started again
  lives_[index].exit_signal = 0;
  lives_[index].exit_code = effect.failed ? 1 : 0;
}

}  // namespace ballast::sim
