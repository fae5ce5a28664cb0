#include "tests/sim/checker.h"

#include <algorithm>

#include <fmt/format.h>

#include "tests/sim/describe.h"

namespace ballast::sim {

void Checker::fail(std::string what) {
  if (failure_.empty()) {
    failure_ = std::move(what);
  }
}

void Checker::coordinator_acts(Term term, const ProcessId& process) {
  const auto [found, inserted] = coordinators_.emplace(term, process);
  if (!inserted && found->second != process) {
    fail(fmt::format("two coordinators act in term {}: {} and {}", term, describe(found->second),
                     describe(process)));
  }
}

void Checker::check_payload(const std::string& what, SegmentId segment, const Values& expected,
                            const Values& payload) {
  const bool may_differ = flipped_ && flipped_->second == segment;
  if (!payload || (!may_differ && !same_bits(*payload, *expected))) {
    fail(fmt::format("{} of segment {} has other bits than the reference", what, segment));
  }
}

void Checker::sent(const ProcessId& from, const Message& message, const Values& payload) {
  if (const auto* update = std::get_if<MapUpdate>(&message)) {
    const auto [found, inserted] = maps_.emplace(update->map.version, update->map);
    if (!inserted && found->second != update->map) {
      fail(fmt::format("two maps have version {}", describe(update->map.version)));
    }
  } else if (const auto* prepared = std::get_if<Prepared>(&message)) {
    prepared_.emplace(prepared->map, prepared->step, prepared->segment, from);
  } else if (const auto* held = std::get_if<RecordHeld>(&message)) {
    holders_[held->step].insert(from);
  } else if (const auto* sealed = std::get_if<Sealed>(&message)) {
    for (const Record& record : sealed->records) {
      holders_[record.step].insert(from);
    }
  } else if (const auto* reply = std::get_if<PullReply>(&message)) {
    if (reply->status != DataStatus::kOk) {
      return;
    }
    if (reply->version > reference_.steps) {
      fail(fmt::format("{} serves version {}", describe(from), reply->version));
      return;
    }
    check_payload(fmt::format("what {} serves as version {}", describe(from), reply->version),
                  reply->segment, reference_.pulled_of(reply->version, reply->segment), payload);
  } else if (const auto* root = std::get_if<Root>(&message)) {
    if (root->step >= reference_.steps) {
      fail(fmt::format("{} sends a root of step {}", describe(from), root->step));
      return;
    }
    check_payload(fmt::format("the root of step {} from {}", root->step, describe(from)),
                  root->segment, reference_.node(root->step, 1, root->segment), payload);
  } else if (const auto* copy = std::get_if<Copy>(&message)) {
    if (copy->version > reference_.steps || copy->part > reference_.states) {
      fail(fmt::format("{} copies part {} of version {}", describe(from), copy->part,
                       copy->version));
      return;
    }
    check_payload(
        fmt::format("part {} of version {} from {}", copy->part, copy->version, describe(from)),
        copy->segment,
        copy->part == 0 ? reference_.parameters_of(copy->version, copy->segment)
                        : reference_.state_of(copy->version, copy->segment, copy->part - 1u),
        payload);
  }
}

void Checker::check_prepared(const Record& record) {
  const auto found = maps_.find(record.map);
  if (found == maps_.end()) {
    fail(fmt::format("{} is of a map that nobody was sent", describe(record)));
    return;
  }
  const SegmentMap& map = found->second;
  for (SegmentId segment = 0; segment < map.segments.size(); ++segment) {
    std::vector<ServerIndex> replicas = map.segments[segment].backups;
    replicas.push_back(map.segments[segment].primary);
    for (const ServerIndex replica : replicas) {
      const ProcessId& id = map.servers[replica].id;
      if (!prepared_.contains({record.map, record.step, segment, id})) {
        fail(fmt::format("{} commits though {} has not prepared segment {}", describe(record),
                         describe(id), segment));
      }
    }
  }
}

void Checker::committed(const ProcessId& coordinator, Term term, const Record& record,
                        Origin origin_of_status, const MemberList& members) {
  if (abandoned_.contains(record.origin)) {
    // Whoever has not heard of it yet harms nobody, and may write a checkpoint as good as any.
    remember_committed();
    if (record.step == ever_committed_.size()) {
      ever_committed_.push_back(record);
    }
    return;
  }
  if (record.map == MapVersion{}) {
    // What a restore began with: said again until everybody has it, made by no step.
    const bool fits = record.step < committed_.size() &&
                      record.applied_steps == reference_.records[record.step].applied_steps &&
                      record.skipped_in_a_row == reference_.records[record.step].skipped_in_a_row;
    if (!fits) {
      fail(fmt::format("{} in term {} is not what was restored", describe(record), term));
    }
    return;
  }
  const std::string what =
      fmt::format("{} by {} in term {}", describe(record), describe(coordinator), term);
  if (record.origin == 0 || record.origin != origin_of_status) {
    fail(fmt::format("{}: status has origin {}", what, origin_of_status));
  }
  if (record.step >= reference_.records.size()) {
    fail(fmt::format("{}: the job has {} steps", what, reference_.records.size()));
    return;
  }
  if (record.step > committed_.size()) {
    fail(fmt::format("{}: step {} has not been committed", what, committed_.size()));
    return;
  }
  if (record.step < committed_.size()) {
    if (same_bits(record, committed_[record.step])) {
      return;
    }
    // Where all that held the record were lost at once, the same is decided again under another
    // map.
    if (scenario_.faults.kill_any_server > 0 && record.map > committed_[record.step].map &&
        same_decision(record, reference_.records[record.step])) {
      check_prepared(record);
      committed_[record.step] = record;
    } else {
      fail(fmt::format("{}: committed before with other bits", what));
    }
    return;
  }
  const Record& expected = reference_.records[record.step];
  if (!same_decision(record, expected)) {
    fail(fmt::format(
        "{}: differs from the reference: tokens {} (expected {}), loss {} ({}), norm {} ({}), "
        "scale {} ({}), rate {} ({}), corrections {} {} ({} {}), applied {} ({}), run {} ({}), "
        "evaluation {} ({})",
        what, record.training.tokens, expected.training.tokens, record.training.loss,
        expected.training.loss, record.gradient_norm, expected.gradient_norm, record.scale,
        expected.scale, record.learning_rate, expected.learning_rate, record.bias_correction1,
        record.bias_correction2, expected.bias_correction1, expected.bias_correction2,
        record.applied_steps, expected.applied_steps, record.skipped_in_a_row,
        expected.skipped_in_a_row, record.evaluation ? record.evaluation->loss : -1.0,
        expected.evaluation ? expected.evaluation->loss : -1.0));
  }
  if (record.map.term == term) {
    check_prepared(record);
  }
  const std::set<ProcessId>& holders = holders_[record.step];
  const auto held = std::count_if(members.members.begin(), members.members.end(),
                                  [&](const Member& m) { return holders.contains(m.id); });
  const auto needed = std::min<size_t>(scenario_.training.replication, members.members.size());
  if (static_cast<size_t>(held) < needed) {
    fail(fmt::format("{}: held by {} members, expected {}", what, held, needed));
  }
  committed_.push_back(record);
}

void Checker::check_replica(const ProcessId& server, SegmentId segment, const Replica& replica) {
  const Step version = *replica.version;
  if (version > reference_.steps) {
    fail(fmt::format("{} holds version {} of segment {}", describe(server), version, segment));
    return;
  }
  const std::string what = fmt::format("version {} at {}", version, describe(server));
  check_payload(what, segment, reference_.parameters_of(version, segment), replica.parameters);
  for (uint32_t i = 0; i < reference_.states; ++i) {
    check_payload(fmt::format("optimizer state {} of {}", i, what), segment,
                  reference_.state_of(version, segment, i), replica.states[i]);
  }
}

void Checker::applied(const ProcessId& server, const Apply& effect, const Replica& replica) {
  const Record& record = effect.record;
  const bool known = !abandoned_.contains(record.origin);
  if (known && (record.step >= committed_.size() || !same_bits(record, committed_[record.step]))) {
    fail(fmt::format("{} applies {} to segment {}, which is not committed", describe(server),
                     describe(record), effect.segment));
    return;
  }
  check_replica(server, effect.segment, replica);
}

void Checker::copied(const ProcessId& server, SegmentId segment, const Replica& replica) {
  if (replica.version) {
    check_replica(server, segment, replica);
  }
}

void Checker::remember_committed() {
  for (Step step = 0; step < committed_.size(); ++step) {
    if (step < ever_committed_.size()) {
      ever_committed_[step] = committed_[step];
    } else {
      ever_committed_.push_back(committed_[step]);
    }
  }
}

void Checker::went_back(Origin abandoned, Step version) {
  abandoned_.insert(abandoned);
  remember_committed();
  for (const auto& [step, holders] : holders_) {
    ever_held_[step] = holders;
  }
  goes_back_instead(version);
}

// A checkpoint of an origin that was given up has the bits that any other would have.
void Checker::goes_back_instead(Step version) {
  if (version > ever_committed_.size()) {
    fail(fmt::format("the job goes back to version {}, committed are {}", version,
                     ever_committed_.size()));
    return;
  }
  committed_.assign(ever_committed_.begin(),
                    ever_committed_.begin() + static_cast<std::ptrdiff_t>(version));
  holders_ = {ever_held_.begin(), ever_held_.lower_bound(version)};
}

void Checker::progress(const Progress& progress) {
  if (progress.step > committed_.size()) {
    fail(fmt::format("progress says step {}, committed are {}", progress.step, committed_.size()));
  }
  if (progress.phase == JobPhase::kFailed && !flipped_ &&
      !(scenario_.fails && committed_.size() == reference_.steps)) {
    fail(fmt::format("the job failed: {}", progress.failure));
  }
}

void Checker::failed_by_flip(const std::string& reason) {
  const auto& [server, segment] = *flipped_;
  if (reason.find(fmt::format("segment {} ", segment)) == std::string::npos ||
      reason.find(server.name + " ") == std::string::npos) {
    fail(fmt::format("a bit of segment {} at {} has changed, and the job fails by '{}'", segment,
                     describe(server), reason));
  }
}

void Checker::done(const Progress& progress) {
  if (flipped_) {
    fail(fmt::format("done, though a bit of segment {} at {} has changed", flipped_->second,
                     describe(flipped_->first)));
  }
  if (scenario_.fails) {
    fail("the job is done, though a run of skipped steps should have failed it");
  } else if (committed_.size() != reference_.steps) {
    fail(fmt::format("done after {} steps of {}", committed_.size(), reference_.steps));
  } else if (progress.evaluation.has_value() != reference_.final_evaluation.has_value() ||
             (progress.evaluation && (*progress.evaluation != *reference_.final_evaluation ||
                                      progress.evaluation_version != reference_.steps))) {
    fail("the final evaluation differs from the reference");
  }
}

}  // namespace ballast::sim
