// The step: every segment prepared by every replica in sync, the record, enough members that hold
// it, the commit. And before the first step, the initial values.
#include <bit>
#include <cmath>
#include <numeric>

#include <algorithm>

#include <fmt/format.h>

#include "services/core/coordinator_steps.h"
#include "services/core/tree.h"

namespace ballast::coordinator {
namespace {

bool same_number(double a, double b) {
  return std::bit_cast<uint64_t>(a) == std::bit_cast<uint64_t>(b) ||
         (std::isnan(a) && std::isnan(b));
}

bool same_sum(const LossSum& a, const LossSum& b) {
  return a.tokens == b.tokens && same_number(a.loss, b.loss);
}

bool same_root(const SegmentProgress& known, const Prepared& message) {
  return same_sum(known.sum, message.sum) && known.finite == message.finite &&
         (!known.finite || same_number(known.sum_squares, message.sum_squares));
}

bool stays(const CoordinatorState& state, const ServerInfo& server) {
  return !state.leaving.contains(server.member.id);
}

// One that leaves holds nothing that only it holds, where the others are enough.
size_t holders(const CoordinatorState& state) {
  size_t staying = 0;
  size_t held = 0;
  size_t held_by_staying = 0;
  for (const auto& [id, server] : state.servers) {
    staying += stays(state, server) ? 1 : 0;
    held += server.holds_record ? 1 : 0;
    held_by_staying += server.holds_record && stays(state, server) ? 1 : 0;
  }
  return staying >= holders_needed(state) ? held_by_staying : held;
}

// Itself first: it costs no round trip; then others, on other nodes first; who leaves is last.
std::vector<ServerInfo*> holder_order(CoordinatorState& state) {
  std::vector<ServerInfo*> order;
  const auto self = state.servers.find(state.self);
  const std::string node = self == state.servers.end() ? "" : self->second.member.node;
  for (auto& [id, server] : state.servers) {
    if (server.sealed) {
      order.push_back(&server);
    }
  }
  std::stable_sort(order.begin(), order.end(), [&](const ServerInfo* a, const ServerInfo* b) {
    const auto rank = [&](const ServerInfo* server) {
      const int place = server->member.id == state.self ? 0 : (server->member.node != node ? 1 : 2);
      return stays(state, *server) ? place : place + 3;
    };
    return rank(a) < rank(b);
  });
  return order;
}

Record decide(const CoordinatorState& state) {
  if (state.adopted && state.adopted->step == state.step) {
    return *state.adopted;
  }
  StepSums sums{
      .training = state.segments.front().sum, .sum_squares = 0, .finite = true, .evaluation = {}};
  for (const SegmentProgress& segment : state.segments) {
    sums.sum_squares += segment.sum_squares;
    sums.finite &= segment.finite;
  }
  if (!state.evaluations.empty()) {
    std::vector<LossSum> parts;
    for (const auto& part : state.evaluations) {
      parts.push_back(part.value_or(LossSum{}));
    }
    sums.evaluation = sum_in_tree(std::move(parts));
  }
  Record record = make_record(state.training(), state.last, state.step, sums);
  record.map = state.map.version;
  record.origin = state.origin;
  record.plan = state.plan;
  return record;
}

void commit(Run& run) {
  CoordinatorState& state = run.state;
  state.last = *state.pending;
  state.pending.reset();
  state.adopted.reset();
  const Record& record = *state.last;
  state.step = record.step + 1;
  state.skipped += record.apply ? 0 : 1;
  if (record.evaluation) {
    state.latest_evaluation = record.evaluation;
    state.evaluation_version = record.step;
  }
  run.out.push_back(FactCommitted{record});
  for (auto& [id, server] : state.servers) {
    server.holds_record = false;
    server.offer_sent_ms = 0;
    if (server.sealed) {
      server.commit_sent_ms = run.now;
      run.send(id, Commit{state.term(), record});
    }
  }
  begin_step(run);
}

}  // namespace

size_t holders_needed(const CoordinatorState& state) {
  return std::min<size_t>(std::max<uint32_t>(state.training().replication, 1),
                          state.servers.size());
}

uint32_t replica_bit(const CoordinatorState& state, SegmentId segment, const ProcessId& server) {
  const Placement& placement = state.map.segments[segment];
  if (state.map.servers[placement.primary].id == server) {
    return 1;
  }
  for (size_t i = 0; i < placement.backups.size(); ++i) {
    if (state.map.servers[placement.backups[i]].id == server) {
      return 2u << i;
    }
  }
  return 0;
}

uint32_t all_replica_bits(const CoordinatorState& state, SegmentId segment) {
  return (2u << state.map.segments[segment].backups.size()) - 1;
}

void begin_initialisation(Run& run) {
  CoordinatorState& state = run.state;
  const Segments cut{state.identity->layout.elements, state.training().segment_elements};
  enter(run, JobPhase::kInitialising);
  publish_map(run, first_map(state, cut.count()));
}

void on_initialised(Run& run, const ProcessId& from, const InitialisedReport& message) {
  CoordinatorState& state = run.state;
  if (state.phase != JobPhase::kInitialising || message.term != state.term() ||
      message.origin != state.origin || message.map != state.map.version) {
    return;
  }
  for (const SegmentId segment : message.segments) {
    if (segment >= state.segments.size()) {
      return;
    }
    const uint32_t all = all_replica_bits(state, segment);
    uint32_t& bits = state.segments[segment].initialised;
    const bool was_open = bits != all;
    bits |= replica_bit(state, segment, from);
    state.uninitialised -= was_open && bits == all ? 1 : 0;
  }
  if (state.uninitialised == 0 && state.origin_asked_ms == 0) {
    begin_training_when_initialised(run);
  }
}

void begin_training_when_initialised(Run& run) {
  run.state.origin_asked_ms = run.now;
  run.send(run.state.operator_id, AskOrigin{run.state.term(), run.state.origin});
}

void on_origin_complete(Run& run, const OriginComplete& message) {
  CoordinatorState& state = run.state;
  if (message.term != state.term() || message.origin != state.origin || state.origin_complete ||
      state.phase != JobPhase::kInitialising || state.uninitialised != 0) {
    return;
  }
  state.origin_complete = true;
  enter(run, JobPhase::kTraining);
  take_in(run);
  begin_step(run);
}

void begin_step(Run& run) {
  CoordinatorState& state = run.state;
  const uint32_t limit = state.training().max_skipped_in_a_row;
  if (state.last && limit > 0 && state.last->skipped_in_a_row >= limit) {
    fail_job(run, fmt::format("{} steps in a row were not finite, the last was step {}",
                              state.last->skipped_in_a_row, state.last->step));
    return;
  }
  state.orphans.clear();
  state.orphan_evaluations.clear();
  state.evaluations.clear();
  state.evaluations_missing = 0;
  for (SegmentProgress& segment : state.segments) {
    segment.prepared = 0;
  }
  state.unprepared = static_cast<uint32_t>(state.segments.size());
  take_plan(run);
  move_segments(run);
  if (state.step >= state.training().steps) {
    begin_final_evaluation(run);
    return;
  }
  // A record that was found is a commit, which is carried out first.
  if (state.suspend && !state.adopted) {
    assign_all(run);  // nothing
    suspend(run);
    return;
  }
  begin_checkpoint_when_due(run);
  // What was found has its evaluation in it.
  if (!state.adopted && evaluation_due(state.training(), state.step)) {
    state.evaluations.resize(state.training().evaluation_batches);
    state.evaluations_missing = state.training().evaluation_batches;
    state.orphan_evaluations.resize(state.evaluations.size());
    std::iota(state.orphan_evaluations.begin(), state.orphan_evaluations.end(), 0u);
  }
  state.orphans.resize(state.training().microbatches);
  std::iota(state.orphans.begin(), state.orphans.end(), Microbatch{0});
  assign_all(run);
  send_progress(run);
}

void on_prepared(Run& run, const ProcessId& from, const Prepared& message) {
  CoordinatorState& state = run.state;
  if (state.phase != JobPhase::kTraining || message.term != state.term() ||
      message.step != state.step || message.map != state.map.version ||
      message.segment >= state.segments.size()) {
    return;
  }
  SegmentProgress& segment = state.segments[message.segment];
  const uint32_t bit = replica_bit(state, message.segment, from);
  if (bit == 0 || (segment.prepared & bit) != 0) {
    return;
  }
  if (segment.prepared == 0) {
    segment.sum = message.sum;
    segment.sum_squares = message.sum_squares;
    segment.finite = message.finite;
    segment.checksum = message.checksum;
    segment.first = from.name;
  } else if (segment.checksum != message.checksum) {
    fail_job(run, fmt::format("replicas of segment {} differ at version {}: {} has checksum "
                              "{:016x}, {} has {:016x}",
                              message.segment, state.step, segment.first, segment.checksum,
                              from.name, message.checksum));
    return;
  } else if (!same_root(segment, message)) {
    fail_job(run, fmt::format("replicas of segment {} disagree about step {}: {} differs",
                              message.segment, state.step, from.name));
    return;
  }
  const SegmentProgress& first = state.segments.front();
  if (first.prepared != 0 && !same_sum(first.sum, segment.sum)) {
    fail_job(run, fmt::format("segments 0 and {} counted step {} differently: {} and {} tokens",
                              message.segment, state.step, first.sum.tokens, segment.sum.tokens));
    return;
  }
  segment.prepared |= bit;
  if (segment.prepared == all_replica_bits(state, message.segment)) {
    --state.unprepared;
    decide_when_prepared(run);
  }
}

void on_evaluation(Run& run, const EvaluationDone& message) {
  CoordinatorState& state = run.state;
  if (message.term != state.term() || message.origin != state.origin ||
      message.version != state.step || message.index >= state.evaluations.size() ||
      state.evaluations[message.index]) {
    return;
  }
  state.evaluations[message.index] = message.sum;
  if (--state.evaluations_missing > 0) {
    return;
  }
  if (state.phase == JobPhase::kFinalEvaluation) {
    finish_evaluation(run);
  } else {
    decide_when_prepared(run);
  }
}

void decide_when_prepared(Run& run) {
  CoordinatorState& state = run.state;
  if (state.phase != JobPhase::kTraining || state.pending || state.unprepared > 0 ||
      state.evaluations_missing > 0 || !state.origin_complete) {
    return;
  }
  state.pending = decide(state);
  offer_record(run);
}

void offer_record(Run& run) {
  CoordinatorState& state = run.state;
  const size_t needed = holders_needed(state);
  size_t asked = 0;
  for (ServerInfo* server : holder_order(state)) {
    // The first ones at once; after a while, whoever has not answered.
    const bool first_round = server->offer_sent_ms == 0 && asked < needed;
    const bool again = server->offer_sent_ms != 0 && run.due(server->offer_sent_ms);
    if (!server->holds_record && (first_round || again)) {
      server->offer_sent_ms = run.now;
      run.send(server->member.id, OfferRecord{state.term(), *state.pending});
    }
    ++asked;
  }
}

void on_record_held(Run& run, const ProcessId& from, const RecordHeld& message) {
  CoordinatorState& state = run.state;
  const auto server = state.servers.find(from);
  if (message.term != state.term() || !state.pending || message.step != state.pending->step ||
      server == state.servers.end()) {
    return;
  }
  server->second.holds_record = true;
  server->second.held = message.step + 1;
  commit_when_held(run);
}

void commit_when_held(Run& run) {
  CoordinatorState& state = run.state;
  if (state.phase == JobPhase::kTraining && state.pending &&
      holders(state) >= holders_needed(state)) {
    commit(run);
  }
}

}  // namespace ballast::coordinator
