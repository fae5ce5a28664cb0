// A coordinator at work for tables: members that answer what they are asked, workers that join.
#pragma once

#include <map>

#include "tests/core/machine_test_helpers.h"

namespace ballast::core_test {

class Coordinator {
 public:
  explicit Coordinator(std::vector<ProcessId> servers, TrainingSettings settings = training(),
                       StartKind start = StartKind::kInitialise, Origin origin = 0)
      : machine_(kPs0, kOperator, appoint(std::move(servers), std::move(settings), start, origin)) {
    machine_.start(now_);
  }

  static Appoint appoint(std::vector<ProcessId> servers, TrainingSettings settings, StartKind start,
                         Origin origin) {
    Appoint result;
    result.term = kTerm;
    result.members = {1, members(servers)};
    result.start = start;
    result.origin = origin;
    result.training = std::move(settings);
    return result;
  }

  Effects hear(const ProcessId& sender, Message message) {
    return machine_.step(from(sender, std::move(message)), now_);
  }
  Effects lose(const ProcessId& peer) { return machine_.step(PeerLost{peer}, now_); }
  Effects tick_after(TimeMs wait) {
    now_ += wait;
    return machine_.step(Tick{}, now_);
  }
  Effects members_are(MemberListNumber number, const std::vector<ProcessId>& ids) {
    return hear(kOperator, MembersChanged{kTerm, {number, members(ids)}});
  }
  void seal_all() {
    for (const auto& [id, server] : std::map(state().servers)) {
      hear(id, sealed());
    }
  }
  static Sealed sealed() {
    Sealed empty;
    empty.term = kTerm;
    return empty;
  }
  Effects join(const ProcessId& worker, uint32_t segments = 2) {
    return hear(worker, Join{identity(segments), "build"});
  }
  // From the first Join to the first step, with every replica initialised.
  Effects begin(std::vector<ProcessId> workers = {kWorker0}, uint32_t segments = 2) {
    seal_all();
    for (const ProcessId& worker : workers) {
      join(worker, segments);
    }
    for (const auto& [id, server] : std::map(state().servers)) {
      InitialisedReport report{kTerm, kTerm, state().map.version, {}};
      for (SegmentId segment = 0; segment < segments; ++segment) {
        if (state().map.in_sync(segment, id)) {
          report.segments.push_back(segment);
        }
      }
      hear(id, report);
    }
    return hear(kOperator, OriginComplete{kTerm, kTerm});
  }
  Prepared prepared(SegmentId segment) const {
    return {.term = kTerm,
            .map = state().map.version,
            .step = state().step,
            .segment = segment,
            .sum = {8, 4},
            .sum_squares = 4,
            .finite = true};
  }
  // Every replica in sync reports; what the last report leads to.
  Effects prepare_all(bool finite = true) {
    Effects last;
    const SegmentMap map = state().map;
    for (SegmentId segment = 0; segment < map.segments.size(); ++segment) {
      for (const Member& server : map.servers) {
        if (map.in_sync(segment, server.id)) {
          Prepared message = prepared(segment);
          message.finite = finite;
          last = hear(server.id, message);
        }
      }
    }
    return last;
  }
  // The whole step; what its commit leads to.
  Effects commit(bool finite = true) {
    const Step step = state().step;
    Effects last;
    const Effects offers = prepare_all(finite);
    for (const ProcessId& holder : receivers<OfferRecord>(offers)) {
      last = hear(holder, RecordHeld{kTerm, step});
    }
    return last;
  }
  std::map<ProcessId, Assignment> assignments(const Effects& effects) const {
    std::map<ProcessId, Assignment> result;
    const auto to = receivers<Assignment>(effects);
    const auto messages = sent<Assignment>(effects);
    for (size_t i = 0; i < to.size(); ++i) {
      result[to[i]] = messages[i];
    }
    return result;
  }
  const CoordinatorState& state() const { return machine_.state(); }

  TimeMs now_ = 1000;
  CoordinatorMachine machine_;
};

}  // namespace ballast::core_test
