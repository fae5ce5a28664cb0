// The coordinator machine of one appointment (one term): seals the members, chooses the replicas
// that win, fixes the map, assigns microbatches, makes or adopts each step's record, and commits
// it.
//
// Promises: acts only when every member is sealed or removed by status; makes a record for t only
// where none exists; commits t only when every segment is prepared under the map in force by every
// replica in sync in it, and after min(replication, members) members hold the record; never commits
// without a member that it has not first had removed; no step commits before status calls the
// origin complete. Thread rule: none inside; one caller at a time.
#pragma once

#include <memory>

#include "services/core/effects.h"

namespace ballast {

struct CoordinatorOptions {
  TimeMs resend_after_ms = 250;
  TimeMs worker_silence_ms = 5000;  // a worker that says nothing for so long is lost
  TimeMs server_silence_ms =
      3000;  // a server that answers nothing for so long: its removal is asked for
  TimeMs progress_every_ms = 1000;
};

struct CoordinatorState;  // coordinator_state.h

class CoordinatorMachine {
 public:
  // `operator_id`: where AskRemove, AskOrigin and Progress go.
  CoordinatorMachine(ProcessId self, ProcessId operator_id, Appoint appoint,
                     CoordinatorOptions options = {});
  ~CoordinatorMachine();
  CoordinatorMachine(CoordinatorMachine&&) noexcept;
  CoordinatorMachine& operator=(CoordinatorMachine&&) noexcept;

  Effects start(TimeMs now);
  Effects step(const Event& event, TimeMs now);

  const CoordinatorState& state() const;

 private:
  std::unique_ptr<CoordinatorState> state_;
};

}  // namespace ballast
