// Every message between the processes of a job, as plain values: what travels, independent of how.
// The network below may lose, double, delay and reorder; every message may arrive any number of
// times. Whatever must arrive is sent again by its sender's machine until its effect is seen.
//
// Values of tensors ("payload") travel beside a message and are never seen by a core: a Send effect
// names where the bytes come from, a store effect uses the payload of the event in hand.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "services/core/layout.h"
#include "services/core/precision.h"
#include "services/core/segment_map.h"
#include "services/core/training.h"
#include "services/core/types.h"

namespace ballast {

// A small file that travels whole.
struct NamedFile {
  std::string name;  // no path
  std::string content;
  bool operator==(const NamedFile&) const = default;
};

// What the first Join fixes for the whole job; another is refused. Kept by every member.
struct JobIdentity {
  Layout layout;
  uint64_t layout_hash = 0;
  std::string data_fingerprint;      // tokens, tokenizer, split
  std::string numerics_fingerprint;  // build, instruction set, kernel table, work partition
  // The vocabulary, so that checkpoints can be read without the data; the data fingerprint speaks
  // for it.
  std::vector<NamedFile> tokenizer_files = {};
  bool operator==(const JobIdentity&) const = default;
};

// ---- operator -> server, operator -> coordinator
// -------------------------------------------------

enum class StartKind : uint8_t { kInitialise, kContinue, kRestore };

// Makes the receiver the coordinator. Refused when term is not above every term the server has
// promised, or when member list or plan number are lower than what it has seen.
struct Appoint {
  Term term = 0;
  MemberList members;
  PlanNumber plan = 0;
  StartKind start = StartKind::kInitialise;
  Origin origin = 0;         // status's complete origin; 0 = none yet
  std::string restore_from;  // kRestore: checkpoint directory
  TrainingSettings training;
  std::vector<ProcessId> leaving = {};  // of the plan, as below
  bool suspend = false;
  std::vector<Share> worker_shares = {};
  std::vector<Share> server_shares = {};
};
// The member list that status holds now (answers AskRemove, tells of new members).
struct MembersChanged {
  Term term = 0;
  MemberList members;
};
// Status says that this origin is complete.
struct OriginComplete {
  Term term = 0;
  Origin origin = 0;
};
// What is wished of the job from the next step on; the highest number replaces what came before.
struct PlanChanged {
  Term term = 0;
  PlanNumber plan = 0;
  std::vector<ProcessId> leaving;  // members that are to give their segments away
  bool suspend = false;            // write a checkpoint, and begin no further step
  // Of which steps may grow, and how often checkpoints are written may change.
  TrainingSettings training;
  std::vector<Share> worker_shares = {};  // empty: all alike
  std::vector<Share> server_shares = {};
};

// ---- coordinator -> operator
// ---------------------------------------------------------------------

struct AskRemove {
  Term term = 0;
  MemberListNumber number = 0;
  ProcessId member;
  std::string reason;
  bool left = false;    // it was to leave, and nothing depends on it any more
  PlanNumber plan = 0;  // of the plan by which that is so: another may bring segments back to it
};
struct AskOrigin {
  Term term = 0;
  Origin origin = 0;
};

enum class JobPhase : uint8_t {
  kSealing,
  kWaitingForWorkers,
  kInitialising,
  kTraining,
  kFinalEvaluation,
  kCheckpointing,
  kDone,
  kFailed,
  kLost,      // all replicas of a segment are gone: waits to be replaced by a term that restores
  kSuspended  // by the plan: the checkpoint is written, no step is under way
};
// Sent after every change of phase, every commit and every second; the highest number wins.
struct Progress {
  Term term = 0;
  uint64_t number = 0;  // grows within the term
  JobPhase phase = JobPhase::kSealing;
  Step step = 0;                      // steps committed = the version every segment will reach
  std::optional<Record> last;         // record of step - 1
  std::optional<LossSum> evaluation;  // the latest, with the version it belongs to
  Step evaluation_version = 0;
  uint32_t workers = 0;            // joined now
  uint64_t skipped = 0;            // steps skipped in all, in this term
  bool degraded = false;           // a segment or a commit has fewer replicas than asked for
  MemberListNumber members = 0;    // of the list that all this is said under
  std::string checkpoint;          // directory of the latest complete one of this term
  std::string failure;             // kFailed, kLost: what and why, for people
  std::string checkpoint_failure;  // why the latest was given up; empty: it was not, or a plan that
                                   // suspends has come since
  PlanNumber plan = 0;             // that the step under way began with
};

// ---- operator <-> any server
// ---------------------------------------------------------------------
// The volume of checkpoints is seen by servers alone. Whoever is asked again does it again, to the
// same end; a term below the one that the server has promised is not answered.

// Read all of it, and compare every checksum.
struct VerifyCheckpoint {
  Term term = 0;
  std::string path;       // of the job's checkpoints
  std::string directory;  // directly in it; any other is refused
};
struct DeleteCheckpoint {
  Term term = 0;
  std::string path;
  std::string directory;
};
// Where may a job go on that finds these checkpoints?
struct FindCheckpoint {
  Term term = 0;
  std::string path;
  std::string job_config;  // as TrainingSettings has it
};
struct CheckpointVerified {
  std::string directory;
  std::string error;                   // empty: it is whole
  std::vector<std::string> abandoned;  // begun before it, and never to be complete
};
struct CheckpointDeleted {
  std::string directory;
  std::string error;  // empty: it is there no more
};
struct DamagedCheckpoint {
  std::string directory;
  std::string error;
  bool operator==(const DamagedCheckpoint&) const = default;
};
struct CheckpointsFound {
  std::string path;
  std::string error;                       // the job cannot go on there; empty: it can, or anew
  std::string newest;                      // that is whole; empty: none
  std::vector<std::string> complete;       // ascending
  std::vector<DamagedCheckpoint> damaged;  // newer than `newest`
  std::vector<std::string> incomplete;
  Term highest_term = 0;  // of all of them
};

// ---- coordinator <-> server
// ----------------------------------------------------------------------

struct Seal {
  Term term = 0;
  Member coordinator;  // with its address: a worker may know of no other server than this one
  MemberListNumber members = 0;
};
struct SealRefused {
  Term term = 0;
};  // the higher term that was promised

struct ReplicaReport {
  SegmentId segment = 0;
  MapVersion
      in_sync_under;  // the last map version in which this replica was primary or in-sync backup
  Origin origin = 0;
  Step version = 0;
  bool has_root = false;  // of step `version`
  bool was_primary = false;
};
struct Sealed {
  Term term = 0;
  std::optional<JobIdentity> identity;
  std::vector<ReplicaReport> replicas;
  std::vector<Record> records;  // the last two, ascending
  // That the sender knows. Of all reports the newest says who is in sync: a replica counts that is
  // listed there, whichever map it has seen itself (nothing was committed under one that it has
  // not).
  std::optional<SegmentMap> map;
};

// Where the first version of an origin comes from, when workers do not make it.
struct Restore {
  std::string directory;  // of a complete checkpoint
  Step version = 0;
  Record last;  // what the record of `version` - 1 would say to the steps that follow
  bool operator==(const Restore&) const = default;
};

// The map in force (and what a server must know to hold segments). A higher version replaces a
// lower.
struct MapUpdate {
  Term term = 0;
  Origin origin = 0;
  SegmentMap map;
  JobIdentity identity;  // empty layout towards workers
  TrainingSettings training;
  std::optional<Restore> restore = {};  // of this origin
};
struct MapAck {
  Term term = 0;
  MapVersion map;
};

struct InitialisedReport {
  Term term = 0;
  Origin origin = 0;
  MapVersion map;
  std::vector<SegmentId> segments;
};

// A replica in sync holds the root of `step`; sent by each replica for itself.
struct Prepared {
  Term term = 0;
  MapVersion map;
  Step step = 0;
  SegmentId segment = 0;
  LossSum sum;             // token count and loss sum of the whole tree
  double sum_squares = 0;  // of the root's elements, fp64 in the fixed order
  bool finite = true;
  uint64_t checksum = 0;  // of the replica's values of version `step`, where checksum_due says so
};
struct OfferRecord {
  Term term = 0;
  Record record;
};
struct RecordHeld {
  Term term = 0;
  Step step = 0;
};
struct Commit {
  Term term = 0;
  Record record;
};
// Every replica of the sender that is in sync has reached `version`.
struct Applied {
  Term term = 0;
  MapVersion map;
  Step version = 0;
};
// A joining replica holds `version` and every (root, record) from there on that it was sent.
struct CaughtUp {
  Term term = 0;
  MapVersion map;
  SegmentId segment = 0;
  Step version = 0;
  bool has_root = false;
};

struct WriteCheckpoint {
  Term term = 0;
  Step version = 0;
  uint32_t attempt = 0;
  std::string directory;
  std::vector<SegmentId> segments;
};
struct CheckpointPart {
  SegmentId first_segment = 0;
  std::vector<SegmentId> segments;
  std::string file;
  uint64_t bytes = 0;
  std::string checksum;
};
struct CheckpointWritten {
  Term term = 0;
  Step version = 0;
  uint32_t attempt = 0;
  std::optional<CheckpointPart> part;  // none: it failed, see error
  std::string error;
};

// ---- worker <-> coordinator
// ----------------------------------------------------------------------

// Carries no term; its answer does. Sent to any server; one that does not coordinate answers
// Redirect.
struct Join {
  JobIdentity identity;
  std::string build;
};
struct JoinAccepted {
  Term term = 0;
  Origin origin = 0;
};
enum class RefusalCode : uint8_t {
  kOtherJob,
  kOtherLayout,
  kOtherData,
  kOtherNumerics,
  kOtherBuild,
  kFinished,
  kStaleIncarnation
};
struct JoinRefused {
  RefusalCode code = RefusalCode::kOtherJob;
  std::string reason;
};
struct Redirect {
  Term term = 0;
  std::optional<Member> coordinator;
};  // none: not known yet

// The whole of what a worker is to do now; the latest (term, step, number) replaces what came
// before. A step's first assignment also says that every lower step is committed.
struct Assignment {
  Term term = 0;
  Origin origin = 0;
  Step step = 0;
  uint32_t number = 0;                   // grows within a step
  MapVersion map;                        // to be known before anything is pushed or pulled
  std::vector<Microbatch> microbatches;  // ascending
  std::vector<uint32_t> evaluations;     // evaluation microbatches of version `step`, ascending
  std::vector<SegmentId> initialise;     // push initial values of these (step 0, before training)
};
struct EvaluationDone {
  Term term = 0;
  Origin origin = 0;
  Step version = 0;
  uint32_t index = 0;
  LossSum sum;
};
// Every 250 ms, and after each change; lets the coordinator send again what was lost.
struct WorkerHeartbeat {
  Term term = 0;
  Step step = 0;
  uint32_t number = 0;
  MapVersion map;
  bool leaving = false;
};
struct Finish {
  Term term = 0;
  bool failed = false;
  std::string reason;
};  // the worker ends

// ---- data plane (raw header + payload)
// -----------------------------------------------------------

enum class DataStatus : uint8_t {
  kOk,           // kept, or contained in what is there
  kNotYet,       // the replica is behind; try again
  kGone,         // the replica is at `version`, above what was asked
  kWrongServer,  // not the primary under the map version in the answer
  kStale,        // lower term or other origin
  kRefused,      // malformed for this job: never try again
};

// worker -> primary. Payload: the segment's elements, fp32.
struct Push {
  Term term = 0;
  Origin origin = 0;
  MapVersion map;
  Step step = 0;
  TreeNode node = 1;
  SegmentId segment = 0;
  LossSum sum;
};
struct PushAck {
  Term term = 0;
  Step step = 0;
  TreeNode node = 1;
  SegmentId segment = 0;
  DataStatus status = DataStatus::kOk;
  MapVersion map;
  Step version = 0;
};
struct Pull {
  Term term = 0;
  Origin origin = 0;
  MapVersion map;
  Step version = 0;
  SegmentId segment = 0;
  Precision precision = Precision::kFp32;  // of the values in the answer
};
// Payload only with kOk, of the precision that was asked for.
struct PullReply {
  Term term = 0;
  SegmentId segment = 0;
  Step version = 0;
  DataStatus status = DataStatus::kOk;
  MapVersion map;
  Step now = 0;
};
// worker -> primary -> backups. Payload: initial values. First value wins (all are equal).
struct PushInitial {
  Term term = 0;
  Origin origin = 0;
  MapVersion map;
  SegmentId segment = 0;
};
struct PushInitialAck {
  Term term = 0;
  Origin origin = 0;
  MapVersion map;  // the latest of the one that answers: a later one may take the segment away
  SegmentId segment = 0;
  DataStatus status = DataStatus::kOk;
};
// primary -> backups and joining replicas. Payload: the root.
struct Root {
  Term term = 0;
  Origin origin = 0;
  MapVersion map;
  Step step = 0;
  SegmentId segment = 0;
  LossSum sum;
  PlanNumber plan = 0;
  std::optional<Record> previous;
};
struct RootAck {
  Term term = 0;
  MapVersion map;
  Step step = 0;
  SegmentId segment = 0;
};
// primary -> joining replica. Payload: array `part` of version `version` (0 parameters, 1..
// optimizer states); the replica is there when all parts of one version are.
struct Copy {
  Term term = 0;
  Origin origin = 0;
  MapVersion map;
  Step version = 0;
  SegmentId segment = 0;
  uint8_t part = 0;
  uint8_t parts = 1;
};
struct CopyAck {
  Term term = 0;
  MapVersion map;
  Step version = 0;
  SegmentId segment = 0;
  uint8_t part = 0;
};

using Message =
    std::variant<Appoint, MembersChanged, OriginComplete, PlanChanged, AskRemove, AskOrigin,
                 Progress, VerifyCheckpoint, DeleteCheckpoint, FindCheckpoint, CheckpointVerified,
                 CheckpointDeleted, CheckpointsFound, Seal, SealRefused, Sealed, MapUpdate, MapAck,
                 InitialisedReport, Prepared, OfferRecord, RecordHeld, Commit, Applied, CaughtUp,
                 WriteCheckpoint, CheckpointWritten, Join, JoinAccepted, JoinRefused, Redirect,
                 Assignment, EvaluationDone, WorkerHeartbeat, Finish, Push, PushAck, Pull,
                 PullReply, PushInitial, PushInitialAck, Root, RootAck, Copy, CopyAck>;

// Names both ends' lives: a message for another incarnation is dropped by the receiving shell.
// The operator's ProcessId is {"operator", 0}... its terms speak for it.
struct Envelope {
  ProcessId from;
  ProcessId to;
  Message message;
};

}  // namespace ballast
