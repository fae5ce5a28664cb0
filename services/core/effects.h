// What the machines ask of their shells, as data. A shell performs a list in its order: nothing is
// sent before what stands above it is done. A core names buffers; the store adds them up.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "services/core/messages.h"

namespace ballast {

using BufferId =
    uint64_t;  // a segment-sized fp32 buffer; drawn by the machine, never 0, never reused

// Where the payload of a Send comes from; it is the value at this point of the effect list.
struct FromBuffer {
  BufferId buffer = 0;
};  // server: a sum or a root
struct FromParameters {
  SegmentId segment = 0;
  Precision precision = Precision::kFp32;
};  // server: parameters now, rounded where that is asked for
struct FromState {
  SegmentId segment = 0;
  uint8_t index = 0;
};  // server: optimizer state now
struct FromContribution {
  Step step = 0;
  TreeNode node = 1;
  SegmentId segment = 0;
};  // worker
struct FromInitial {
  SegmentId segment = 0;
};  // worker
using PayloadSource = std::variant<std::monostate, FromBuffer, FromParameters, FromState,
                                   FromContribution, FromInitial>;

struct Send {
  ProcessId to;
  Message message;
  PayloadSource payload;
};

// ---- server: the tensor store
// -------------------------------------------------------------------- "Payload" is the payload of
// the event in hand.

// Makes the store ready for a job: segment sizes, parameter groups, optimizer. Drops all segments.
struct Configure {
  JobIdentity identity;
  TrainingSettings training;
};
struct StorePayload {
  BufferId buffer = 0;
  SegmentId segment = 0;
};  // new buffer <- payload
struct AddPayload {
  BufferId buffer = 0;
  SegmentId segment = 0;
};  // buffer += payload
struct AddBuffer {
  BufferId into = 0;
  BufferId from = 0;
};  // into += from; from is released
struct Release {
  BufferId buffer = 0;
};
// Answered by event Summarised: sum of squares (fp64, 64 lanes by index modulo 64, then a fixed
// tree) and whether every element is finite; with `checksum` also one over the replica's parameters
// and states as they are now.
struct Summarise {
  SegmentId segment = 0;
  Step step = 0;
  BufferId buffer = 0;
  bool checksum = false;
};
struct InitialiseSegment {
  SegmentId segment = 0;
};  // parameters <- payload, states <- 0
struct Apply {
  SegmentId segment = 0;
  BufferId root = 0;
  Record record;
};  // the root is released
struct StoreCopyPart {
  SegmentId segment = 0;
  uint8_t part = 0;
};  // part 0: parameters, 1..: states <- payload
// Answered by event CheckpointOpened: the checkpoint is whole and fits the job.
struct OpenCheckpoint {
  std::string directory;
  std::vector<SegmentId> segments;
};
// Parameters and states <- the checkpoint that was opened, which is closed then.
struct RestoreSegments {
  std::string directory;
  std::vector<SegmentId> segments;
};
struct DropSegment {
  SegmentId segment = 0;
};
// The values are those at this point of the effect list, however long the writing takes. Answered
// by event CheckpointWrittenLocally.
struct SaveCheckpointPart {
  WriteCheckpoint order;
  Origin origin = 0;
  Record last;
};
// Coordinator: the manifest over all parts, last and exclusively. Answered by event
// ManifestWritten.
struct SaveManifest {
  Step version = 0;
  Term term = 0;
  Origin origin = 0;
  uint32_t attempt = 0;
  std::string directory;
  JobIdentity identity;
  TrainingSettings training;
  std::optional<Record> last;
  std::vector<CheckpointPart> parts;
};

// Coordinator: what a checkpoint says of itself. Answered by event ManifestRead.
struct ReadManifest {
  std::string directory;
  TrainingSettings training;  // which it must fit
};

// ---- worker
// --------------------------------------------------------------------------------------

// Compute these subtrees (disjoint, ascending by first microbatch) and evaluation microbatches of
// `step`; may come again for the same step with further work. Parameters of `step` are pulled
// first.
struct BeginWork {
  Step step = 0;
  std::vector<TreeNode> nodes;
  std::vector<uint32_t> evaluations;
};
struct AcceptParameters {
  SegmentId segment = 0;
  Step version = 0;
};  // parameters <- payload
// Everything kept for steps below `step` may go; work for them is pointless. `all`: likewise of
// every step, the job has gone back.
struct Discard {
  Step step = 0;
  bool all = false;
};
struct MakeInitial {
  std::vector<SegmentId> segments;
};  // answered by InitialReady for each
struct WorkerEnd {
  bool failed = false;
  bool refused = false;
  std::string reason;
};

// ---- facts: for logs, metrics and tests; performing them is optional
// -------------------------------

struct FactCommitted {
  Record record;
};
struct FactPhase {
  JobPhase phase = JobPhase::kSealing;
  std::string reason;
};
struct FactRefused {
  ProcessId from;
  std::string what;
};
struct FactMember {
  ProcessId id;
  std::string change;
};  // "joined", "lost", "promoted", "removed", ...

using Effect = std::variant<Send, Configure, StorePayload, AddPayload, AddBuffer, Release,
                            Summarise, InitialiseSegment, Apply, StoreCopyPart, OpenCheckpoint,
                            RestoreSegments, DropSegment, SaveCheckpointPart, SaveManifest,
                            ReadManifest, BeginWork, AcceptParameters, Discard, MakeInitial,
                            WorkerEnd, FactCommitted, FactPhase, FactRefused, FactMember>;
using Effects = std::vector<Effect>;

// ---- events
// ----------------------------------------------------------------------------------------

struct Received {
  Envelope envelope;
};
struct Tick {};  // at least every 50 ms
struct PeerLost {
  ProcessId peer;
};  // a connection closed; the process may live
struct Summarised {
  SegmentId segment = 0;
  Step step = 0;
  BufferId buffer = 0;
  double sum_squares = 0;
  bool finite = true;
  uint64_t checksum = 0;  // where it was asked for
};
struct CheckpointWrittenLocally {
  CheckpointWritten result;
};
struct ManifestWritten {
  std::string directory;
  std::string error;
};  // error empty: written
struct CheckpointOpened {
  std::string directory;
  std::vector<SegmentId> segments;
  std::string error;  // empty: it can be restored from
};
struct ManifestRead {
  std::string directory;
  std::string error;  // empty: what follows is known
  JobIdentity identity;
  Step version = 0;
  uint64_t applied_steps = 0;
  uint32_t skipped_in_a_row = 0;
};
// worker
struct ContributionReady {
  Step step = 0;
  TreeNode node = 1;
  SegmentId segment = 0;
  LossSum sum;
};
struct EvaluationReady {
  Step version = 0;
  uint32_t index = 0;
  LossSum sum;
};
struct InitialReady {
  SegmentId segment = 0;
};
struct LeaveRequested {};  // SIGTERM: finish what is given, then go
// Worker: whom it may ask instead of those that were found before (incarnation 0: whoever lives
// there).
struct ServersFound {
  std::vector<Member> servers;
};

using Event = std::variant<Received, Tick, PeerLost, Summarised, CheckpointWrittenLocally,
                           ManifestWritten, CheckpointOpened, ManifestRead, ContributionReady,
                           EvaluationReady, InitialReady, LeaveRequested, ServersFound>;

}  // namespace ballast
