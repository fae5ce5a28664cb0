// A TrainingJob's status: what is known of a job, and the authority on who belongs to it. Members,
// term and origin change only by compare-and-swap on `version` (the resourceVersion of the API
// server; locally the number of the store file). Plain values.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace ballast::api {

// A server process that belongs to the job: one life of it.
struct MemberStatus {
  std::string name;
  uint64_t incarnation = 0;
  std::string address;
  std::string node;  // Kubernetes node; empty locally

  bool operator==(const MemberStatus&) const = default;
};

// How the coordinator of the current term was told to begin.
enum class StartMode { kInitialise, kContinue, kRestore };

enum class ConditionType {
  kCreated,       // every wanted process was started; not true: one cannot be
  kRunning,       // every wanted process is ready and a coordinator is appointed
  kRestarting,    // one that was lost is being replaced
  kDegraded,      // a segment or a commit has too few replicas: the next loss may cost steps
  kScaling,       // from one number of processes to another
  kPoliciesHeld,  // they hold still: what they measure cannot be trusted, or another decides
  kSuspended,     // stopped on request; nothing runs
  kSucceeded,     // terminal
  kFailed,        // terminal
};

struct Condition {
  ConditionType type = ConditionType::kRunning;
  bool status = false;
  std::string reason;   // one CamelCase word, for programs
  std::string message;  // a sentence, for people
  int64_t since_ms = 0;

  bool operator==(const Condition&) const = default;
};

// Restarts of one process name.
struct RestartStatus {
  int64_t failures = 0;  // in a row; a long healthy life sets it to 0
  int64_t total = 0;
  int64_t disruptions = 0;     // lives in a row that were taken from outside: evicted, deleted
  uint64_t last_instance = 0;  // the highest instance whose end was counted
  int64_t not_before_ms = 0;   // the next one starts then

  bool operator==(const RestartStatus&) const = default;
};

// A life of a server that was taken out of the member list and has not been seen to end: it never
// comes back.
struct RemovedStatus {
  std::string name;
  uint64_t incarnation = 0;
  int64_t at_ms = 0;

  bool operator==(const RemovedStatus&) const = default;
};

// A complete checkpoint of this job.
struct CheckpointStatus {
  std::string directory;
  bool verified = false;  // read back, every checksum compared
  bool damaged = false;
  std::string error = {};  // why it is damaged

  bool operator==(const CheckpointStatus&) const = default;
};

struct ProgressStatus {
  int64_t step = 0;
  double loss = 0;                // mean over the tokens of the last step; 0 before the first
  std::string last_checkpoint;    // folder
  int64_t tokens_per_second = 0;  // between the last two writes
  int64_t at_ms = 0;              // when this was written

  bool operator==(const ProgressStatus&) const = default;
};

// A worker that is to make room for another life, on another node if there is one.
struct ReplacementStatus {
  uint64_t instance = 0;  // this life and those before it
  std::string node;       // where it was slow; empty: unknown

  bool operator==(const ReplacementStatus&) const = default;
};

// What a process got after it had been ended for want of memory.
struct MemoryStatus {
  uint64_t instance = 0;  // this life was ended for it
  uint64_t bytes = 0;     // the limit of those after it

  bool operator==(const MemoryStatus&) const = default;
};

// What a policy would do if it were let.
struct RecommendationStatus {
  std::string policy;   // "workerBalance"
  std::string reason;   // one CamelCase word, for programs
  std::string message;  // a sentence, for people
  int64_t since_ms = 0;

  bool operator==(const RecommendationStatus&) const = default;
};

struct TrainingJobStatus {
  uint64_t version = 0;  // of this value in the store; 0 = never written
  int64_t start_ms = 0;
  uint64_t term = 0;  // of the latest appointment; 0 = none yet
  // Name and incarnation of a member; empty: one is appointed when every wanted server is ready.
  std::string coordinator;
  uint64_t coordinator_incarnation = 0;
  StartMode start = StartMode::kInitialise;
  std::string restore_from;           // kRestore: checkpoint folder
  uint64_t members_number = 0;        // number of the member list, from the write that changed it
  std::vector<MemberStatus> members;  // ascending by name
  std::vector<RemovedStatus> removed;
  uint64_t origin = 0;  // the complete origin; 0 = none yet, no step may commit
  // spec.checkpoint.resume: it is known what earlier jobs have left, and listed below.
  bool sought = false;
  std::vector<CheckpointStatus> checkpoints;  // in the order in which they were written
  std::vector<std::string> deletable;         // checkpoint folders: nothing else is ever deleted
  uint64_t plan_number = 0;
  int64_t planned_servers = 0;
  int64_t planned_workers = 0;
  int64_t planned_steps = 0;
  int64_t planned_checkpoint_steps = 0;
  int64_t planned_checkpoint_seconds = 0;
  bool planned_suspend = false;  // no further step is begun, once a checkpoint is written
  // What policies gave to processes, by name; empty: to all alike.
  std::map<std::string, int64_t> planned_worker_shares;  // microbatches of each step
  std::map<std::string, int64_t> planned_server_shares;  // weights, for primaries of segments
  int64_t desired_workers = 0;    // a policy's wish; 0: none, the spec counts
  int64_t specified_workers = 0;  // spec.workers.replicas when that wish was made
  int64_t desired_servers = 0;    // as of workers
  int64_t specified_servers = 0;  // likewise
  std::map<std::string, ReplacementStatus> replacements;  // by name of the worker
  std::map<std::string, MemoryStatus> memory;             // by process name
  std::map<std::string, RestartStatus> restarts;          // by process name
  ProgressStatus progress;
  std::vector<RecommendationStatus> recommendations;  // at most one of each policy
  std::vector<Condition> conditions;                  // at most one of each type, ascending by type

  bool operator==(const TrainingJobStatus&) const = default;
};

}  // namespace ballast::api
