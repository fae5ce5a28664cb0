// What is seen of a job at one moment: the only input of decide(). The same for processes of this
// machine and for pods. Plain values; the order of lists means nothing.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "operator/api/status.h"
#include "operator/api/training_job.h"

namespace ballast::decide {

using TimeMs = int64_t;  // passed in; never read from a clock here

inline constexpr TimeMs kProgressEveryMs = 10'000;

enum class Role { kServer, kWorker };

// "ps-0", "worker-3"
std::string process_name(Role role, int64_t index);

enum class ProcessState { kStarting, kReady, kExited };

// A word for programs and a sentence for people.
struct Trouble {
  std::string reason;  // CamelCase
  std::string message;

  bool operator==(const Trouble&) const = default;
};

// One life of one process, or of one pod. An exited one is seen until its name is started again.
struct Process {
  Role role = Role::kServer;
  int64_t index = 0;
  uint64_t instance = 0;        // 1 + that of the life before, given by decide()
  uint64_t status_version = 0;  // of the status that wanted it
  uint64_t incarnation = 0;     // drawn by the process; 0 until it is ready
  std::string address;          // empty until it is ready
  std::string node;
  ProcessState state = ProcessState::kStarting;
  int exit_code = 0;    // kExited
  int exit_signal = 0;  // kExited; 0 = it ended by itself
  TimeMs started_ms = 0;
  TimeMs ended_ms = 0;
  TimeMs heard_ms = 0;  // when it last answered us, whoever else it talks to; 0: never
  std::optional<TimeMs> stopping_since_ms;  // it was asked to end
  bool killed = false;                      // it was ended without being asked
  // kStarting: it does not run yet, as a node or its image is waited for; nothing of it can be
  // judged.
  bool hindered = false;
  // It ends, or has ended, by no fault of its own: evicted, deleted by hand, lost with its node.
  bool taken = false;
  bool lost = false;  // kExited: its node answers nobody, so that it counts as ended, and may live
  Trouble trouble;    // why it is hindered or taken, or what is known of its end; may be empty

  bool operator==(const Process&) const = default;
};

// What was sent over the session that is open now, to the coordinator or to a server that stands in
// for it (session_peer.h); a new session starts from 0.
struct CoordinatorSession {
  std::string name;
  uint64_t incarnation = 0;
  uint64_t told_term = 0;
  uint64_t told_members_number = 0;
  uint64_t told_origin = 0;
  uint64_t told_plan_number = 0;

  bool operator==(const CoordinatorSession&) const = default;
};

// kLost: all replicas of a segment are gone. kSuspended: as planned, and the checkpoint is written.
enum class CoordinatorPhase { kWorking, kDone, kFailed, kLost, kSuspended };

// The latest that a coordinator said.
struct CoordinatorReport {
  uint64_t term = 0;
  CoordinatorPhase phase = CoordinatorPhase::kWorking;
  int64_t step = 0;
  double loss = 0;           // mean over the tokens of the last step
  uint64_t step_tokens = 0;  // of the last step's batch; 0: no step yet
  std::string checkpoint;    // folder of the latest one
  // Whether each segment has all its replicas, under the member list of this number. Nothing:
  // nothing is known of segments yet.
  std::optional<bool> degraded;
  uint64_t members_number = 0;
  uint64_t plan_number = 0;        // that it follows
  std::string failure;             // kFailed: what and why
  std::string checkpoint_failure;  // why the latest was given up; empty: it was not, or a plan that
                                   // suspends has come since

  bool operator==(const CoordinatorReport&) const = default;
};

// The coordinator cannot go on with this member. Seen until the member list is sent again.
struct RemoveRequest {
  uint64_t term = 0;
  std::string name;
  uint64_t incarnation = 0;
  std::string reason;
  bool left = false;         // it was to leave, and has given everything away
  uint64_t plan_number = 0;  // by this plan; another may bring segments back to it

  bool operator==(const RemoveRequest&) const = default;
};

// Every segment holds its first value. Seen until the answer is sent.
struct OriginRequest {
  uint64_t term = 0;
  uint64_t origin = 0;

  bool operator==(const OriginRequest&) const = default;
};

// A complete checkpoint was read back. Seen until the status says so.
struct CheckpointCheck {
  std::string directory;
  std::string error;  // empty: it is whole

  bool operator==(const CheckpointCheck&) const = default;
};

// What a server found under spec.checkpoint.path before the job began. Seen until the status has
// it.
struct FoundCheckpoints {
  std::string error;                     // the job cannot go on there; empty: it can, or anew
  std::string newest;                    // that is whole; empty: none
  std::vector<std::string> complete;     // in their order, `newest` and damaged ones among them
  std::vector<CheckpointCheck> damaged;  // newer than `newest`
  std::vector<std::string> incomplete;
  uint64_t highest_term = 0;  // of whoever wrote there

  bool operator==(const FoundCheckpoints&) const = default;
};

// The cluster did not take a process that was to be started. Seen until it does.
struct StartRefusal {
  Role role = Role::kServer;
  int64_t index = 0;
  Trouble trouble;
  int64_t times = 1;  // in a row
  TimeMs at_ms = 0;   // the last time

  bool operator==(const StartRefusal&) const = default;
};

// What policies wish of the plan. Seen until the status has it.
struct PolicyWish {
  std::optional<std::map<std::string, int64_t>> worker_shares;  // as in the status
  std::optional<std::map<std::string, int64_t>> server_shares;
  std::optional<int64_t> servers;
  std::optional<int64_t> workers;
  std::map<std::string, api::ReplacementStatus> replacements;  // of workers, by name
  std::map<std::string, api::MemoryStatus> memory;             // of processes, by name

  bool operator==(const PolicyWish&) const = default;
};

// What stands of what policies say, for the status.
struct PolicyStanding {
  std::optional<Trouble> held;  // why they hold still although they are asked to do something
  std::vector<api::RecommendationStatus> recommendations;

  bool operator==(const PolicyStanding&) const = default;
};

struct Observed {
  api::TrainingJob job;
  api::TrainingJobStatus status;
  bool deleting = false;  // the job is on its way out, and all that belongs to it
  // Processes are pods: what has ended stays until somebody removes it, a job that is over stays in
  // the API server, and the spec has a say in both.
  bool pods = false;
  // Only servers see the folder of checkpoints: they are asked to read, delete and find them over
  // the session, and nobody can when the last of them has gone.
  bool checkpoints_by_servers = false;
  std::vector<Process> processes;      // at most one of each name
  std::vector<StartRefusal> refusals;  // at most one of each name
  std::optional<CoordinatorSession> session;
  std::optional<CoordinatorReport> report;
  TimeMs progress_every_ms = kProgressEveryMs;  // between two writes of how far the training is
  // The coordinator of the status in force was last heard of then, or appointed.
  std::optional<TimeMs> coordinator_heard_ms;
  // Since then it has workers and has committed nothing. Nothing: it waits for something, or no
  // step is under way.
  std::optional<TimeMs> standing_since_ms;
  std::vector<RemoveRequest> remove_requests;
  std::optional<OriginRequest> origin_request;
  std::vector<CheckpointCheck> checked;
  std::vector<std::string> abandoned;  // checkpoint folders that will never be complete
  std::vector<std::string> deleted;    // checkpoint folders that are there no more
  // Checkpoint folders being read back or deleted; spec.checkpoint.path itself: being searched.
  std::vector<std::string> in_hand;
  std::optional<FoundCheckpoints> found;
  PolicyWish wish;
  std::optional<PolicyStanding> standing;  // nothing: not known yet
  bool horizontal_autoscaler = false;      // of a cluster: one decides on the number of workers
  bool stop_requested = false;             // a person asked for the end
  TimeMs stop_requested_ms = 0;
  // Who observes has done so since then: what it has not heard yet may have been ready long before.
  TimeMs watching_since_ms = 0;
  TimeMs now_ms = 0;
};

}  // namespace ballast::decide
