// Decides what to do for a job: from what is observed now to actions, in the order in which they
// must be performed. Whoever performs them stops at the first that fails (a lost compare-and-swap
// too) and decides anew from a fresh look; doing so at any moment is harmless. Pure functions.
//
// Promises: status is written before anything that depends on it is done or sent; a member is
// removed there before anybody hears of it, a term is there before its appointment is sent, the
// outcome is there before anything is stopped. Nothing is started once an outcome stands, and
// nothing is done for a job that is being deleted. No action names a process that was not observed,
// except to start one that the spec wants. A look that shows a process of a later status than its
// own is an old one, and nothing follows from it: only a write is safe from being decided too late,
// and to end a process takes none. Servers that are asked about checkpoints run until they have
// answered, or kCheckpointPatienceMs long after the outcome.
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "operator/core/observed.h"

namespace ballast::decide {

inline constexpr TimeMs kServerStartDeadlineMs = 60'000;
inline constexpr TimeMs kWorkerStartDeadlineMs = 600'000;  // it may have to read the text first
inline constexpr TimeMs kStopGraceMs = 10'000;
inline constexpr TimeMs kFirstBackoffMs = 100;
inline constexpr TimeMs kLongestBackoffMs = 30'000;
// An end with code 0 while the job goes on is most often the job's own end, whose report is on its
// way.
inline constexpr TimeMs kUnexpectedDoneBackoffMs = 5'000;
inline constexpr TimeMs kHealthyLifeMs =
    600'000;  // a life of that length forgives the failures before
inline constexpr TimeMs kFirstRefusalBackoffMs = 1'000;  // of a cluster that takes no process
// A coordinator speaks every second. One that has said nothing for so long is replaced.
inline constexpr TimeMs kCoordinatorSilenceMs = 4'000;
// One that speaks, has workers, and commits nothing for so long is replaced, too. A longer step
// loses nothing by it: workers keep what they have computed for the next coordinator.
inline constexpr TimeMs kStandingMs = 60'000;
// A worker that is ready and has not answered us for so long hangs or is paused: it is ended, and
// started again.
inline constexpr TimeMs kSilentWorkerMs = 30'000;
// A living server that others call silent is removed when it has not answered us for so long,
// either.
inline constexpr TimeMs kSilenceToAgreeMs = 2'000;
// A removed server that lives finds out by itself when it can; after so long it is ended.
inline constexpr TimeMs kRemovedGraceMs = 5'000;
// Workers of a job that has succeeded end by themselves; what is left of them then is stopped.
inline constexpr TimeMs kDoneWorkerMs = 10'000;
// Who asks for the end waits no longer for a checkpoint.
inline constexpr TimeMs kStopPatienceMs = 20'000;

// Servers of a job with an outcome stay until they have read back and deleted what is open; after
// so long they are stopped, and what is not known to be whole is never gone on from unread.
inline constexpr TimeMs kCheckpointPatienceMs = 600'000;
// So many checkpoints are read back and deleted at a time, so that others are told how far it is.
inline constexpr size_t kMostInHand = 8;

struct MemberId {
  std::string name;
  uint64_t incarnation = 0;
  bool operator==(const MemberId&) const = default;
};

// Compare-and-swap: succeeds only while the stored version is expected_version.
struct WriteStatus {
  uint64_t expected_version = 0;
  api::TrainingJobStatus next;  // its version is expected_version + 1
  bool operator==(const WriteStatus&) const = default;
};
struct StartProcess {
  Role role = Role::kServer;
  int64_t index = 0;
  uint64_t instance = 0;
  uint64_t status_version = 0;  // of the status that wants it; kept with the process
  bool operator==(const StartProcess&) const = default;
};
struct StopProcess {
  std::string name;
  uint64_t instance = 0;
  bool kill = false;  // its time to end by itself has passed
  bool operator==(const StopProcess&) const = default;
};
// To the coordinator of the status in force, with that status's values.
struct SendAppoint {
  MemberId to;
  uint64_t term = 0;
  bool operator==(const SendAppoint&) const = default;
};
struct SendMembers {
  MemberId to;
  uint64_t number = 0;
  bool operator==(const SendMembers&) const = default;
};
struct SendOrigin {
  MemberId to;
  uint64_t origin = 0;
  bool operator==(const SendOrigin&) const = default;
};
struct SendPlan {
  MemberId to;
  uint64_t plan_number = 0;
  bool operator==(const SendPlan&) const = default;
};
// Reads a checkpoint back.
struct VerifyCheckpoint {
  std::string directory;
  bool operator==(const VerifyCheckpoint&) const = default;
};
// Of a job that has not begun: which checkpoints of earlier jobs are there?
struct FindCheckpoint {
  std::string path;
  bool operator==(const FindCheckpoint&) const = default;
};
// Of a folder that status lists as deletable.
struct DeleteCheckpoint {
  std::string directory;
  bool operator==(const DeleteCheckpoint&) const = default;
};
// Of a cluster: takes away what is left of a process that has ended, its logs too.
struct RemoveEnded {
  std::string name;
  uint64_t instance = 0;
  bool operator==(const RemoveEnded&) const = default;
};
// Of a cluster: the job has been over for as long as the spec keeps it.
struct DeleteJob {
  bool operator==(const DeleteJob&) const = default;
};
// Nothing is left to do for this job.
struct Finish {
  int exit_code = 0;  // common/exit_code.h
  bool operator==(const Finish&) const = default;
};

using Action = std::variant<WriteStatus, StartProcess, StopProcess, SendAppoint, SendMembers,
                            SendOrigin, SendPlan, VerifyCheckpoint, FindCheckpoint,
                            DeleteCheckpoint, RemoveEnded, DeleteJob, Finish>;

struct Actions {
  std::vector<Action> list;
  std::optional<TimeMs> wake_at_ms;  // decide again then, even if nothing was seen to change
  bool operator==(const Actions&) const = default;
};

Actions decide(const Observed& observed);

}  // namespace ballast::decide
