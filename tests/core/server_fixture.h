// A server machine, ps-0, and what it hears from a coordinator and primary, ps-1, and a worker.
#pragma once

#include <utility>
#include <vector>

#include "tests/core/machine_test_helpers.h"

namespace ballast::core_test {

inline MapVersion version(uint64_t number) { return {kTerm, number}; }

class Replicas : public testing::Test {
 protected:
  Effects hear(const ProcessId& sender, Message message) {
    return machine_.step(from(sender, std::move(message)), now_);
  }
  Effects seal(Term term = kTerm) { return hear(kPs1, Seal{term, {kPs1, "", ""}, 1}); }
  Effects map(uint64_t number, std::vector<Placement> segments) {
    const auto count = static_cast<uint32_t>(segments.size());
    return hear(kPs1, MapUpdate{kTerm, 5, map_of(version(number), {kPs0, kPs1, kPs2}, segments),
                                identity(count), training(2)});
  }
  void initialise(SegmentId segment, uint64_t number = 1) {
    const bool primary = machine_.state().replicas[segment].role == ReplicaRole::kPrimary;
    hear(primary ? kWorker0 : kPs1, PushInitial{kTerm, 5, version(number), segment});
  }
  Copy copy(uint8_t part, Step step, uint64_t number = 1) const {
    return {kTerm, 5, version(number), step, 0, part, 3};
  }
  Root root(Step step, uint64_t number = 1) const {
    return {kTerm, 5, version(number), step, 0, {1, 1}, 0, {}};
  }
  Record record(Step step) const {
    Record result;
    result.step = step;
    result.origin = 5;
    return result;
  }
  const Replica& replica(SegmentId segment = 0) { return machine_.state().replicas[segment]; }

  ServerMachine machine_{kPs0};
  TimeMs now_ = 1000;
};

}  // namespace ballast::core_test
