// The worker's side of the protocol: finds the coordinator, joins, follows assignments, pulls
// exactly one version, pushes contributions and keeps them until their step is committed. Knows no
// model; what computes stands behind its effects.
//
// Promises: BeginWork for step t comes only after the assignment; a contribution is pushed again to
// the new primary when the map changes; pieces in flight towards one server never exceed its
// credits. Thread rule: none inside; one caller at a time.
#pragma once

#include <memory>
#include <vector>

#include "services/core/effects.h"

namespace ballast {

struct WorkerOptions {
  TimeMs resend_after_ms = 1000;
  TimeMs heartbeat_ms = 250;
  uint32_t credits_per_server = 8;  // pushes, and as many pulls, in flight
  TimeMs give_up_after_ms = 60000;  // no coordinator heard of for so long: end, a retry may help
  Precision precision = Precision::kFp32;  // that parameters are pulled in
};

struct WorkerState;  // worker_state.h

class WorkerMachine {
 public:
  // `servers`: some members to ask for the coordinator (names with incarnation 0 where unknown).
  WorkerMachine(ProcessId self, std::vector<Member> servers, JobIdentity identity,
                uint32_t microbatches, uint32_t segment_elements, std::string build,
                WorkerOptions options = {});
  ~WorkerMachine();
  WorkerMachine(WorkerMachine&&) noexcept;
  WorkerMachine& operator=(WorkerMachine&&) noexcept;

  Effects start(TimeMs now);
  Effects step(const Event& event, TimeMs now);

  const WorkerState& state() const;

 private:
  std::unique_ptr<WorkerState> state_;
};

}  // namespace ballast
