// What a coordinator knows during one appointment. Plain data, changed only by the functions of
// coordinator_steps.h; shells read it for metrics.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "services/core/coordinator_machine.h"

namespace ballast {

struct ServerInfo {
  Member member;
  bool sealed = false;
  bool suspected = false;  // its connection was lost and nothing was heard since
  TimeMs heard_ms = 0;
  TimeMs seal_sent_ms = 0;  // 0: not sent yet; likewise below
  TimeMs map_sent_ms = 0;
  TimeMs commit_sent_ms = 0;
  TimeMs offer_sent_ms = 0;
  TimeMs ask_sent_ms = 0;
  TimeMs checkpoint_sent_ms = 0;
  MapVersion map;                      // that it has acknowledged
  MapVersion settled;                  // from which on all its replicas in sync know that they are
  Step applied = 0;                    // version that all its replicas in sync have reached
  bool holds_record = false;           // of the record that is being offered
  Step held = 0;                       // version that the last record it was known to hold leads to
  std::optional<CheckpointPart> part;  // of the checkpoint under way
};

struct WorkerInfo {
  TimeMs heard_ms = 0;
  bool leaving = false;
  bool proven = false;  // has sent a heartbeat: it lives
  TimeMs map_sent_ms = 0;
  TimeMs assignment_sent_ms = 0;
  uint32_t number = 0;  // of the assignment below
  std::vector<Microbatch> microbatches;
  std::vector<uint32_t> evaluations;
  std::vector<SegmentId> initialise;
};

struct CaughtUpReplica {
  ProcessId server;
  Step version = 0;  // whose root it holds
};

struct SegmentProgress {
  uint32_t prepared = 0;     // bit 0 the primary, then the backups
  uint32_t initialised = 0;  // likewise
  LossSum sum;
  double sum_squares = 0;
  bool finite = true;
  uint64_t checksum = 0;  // of the first replica that was prepared
  std::string first;      // its server
  std::vector<CaughtUpReplica> caught_up;
};

// Who writes what is fixed when it begins, whatever the map becomes meanwhile.
struct CheckpointUnderWay {
  Step version = 0;
  uint32_t attempt = 0;
  std::string directory;
  std::optional<Record> last;  // of version - 1
  std::map<ProcessId, std::vector<SegmentId>> writers;
  bool manifest_asked = false;
};

struct CoordinatorState {
  ProcessId self;
  ProcessId operator_id;
  Appoint appoint;
  CoordinatorOptions options;

  JobPhase phase = JobPhase::kSealing;
  bool retired = false;  // a higher term exists: silent for ever
  std::string failure;
  TimeMs progress_sent_ms = 0;
  uint64_t progress_number = 0;

  MemberListNumber members_number = 0;
  PlanNumber plan = 0;
  std::set<ProcessId> leaving;       // by the plan: servers that are to give their segments away
  Step leaving_since = 0;            // the first step of which none of them need hold the record
  bool suspend = false;              // by the plan
  std::vector<Share> worker_shares;  // likewise
  std::vector<Share> server_shares;  // likewise
  std::optional<PlanChanged> next_plan;     // from the next step on
  std::map<ProcessId, ServerInfo> servers;  // the members
  std::map<ProcessId, Sealed> reports;      // while sealing

  Origin origin = 0;
  bool origin_complete = false;
  TimeMs origin_asked_ms = 0;
  std::optional<JobIdentity> identity;
  SegmentMap map;  // in force; without segments until there is one
  std::vector<SegmentProgress> segments;
  bool arranged = false;  // nothing is to be moved, as far as is known

  // The step.
  Step step = 0;
  uint32_t number = 0;            // of the latest assignment of the step
  std::optional<Record> last;     // of step - 1
  std::optional<Record> adopted;  // found while sealing, for this step
  std::optional<Record> pending;  // made or adopted, being offered
  uint32_t unprepared = 0;        // segments
  uint32_t uninitialised = 0;     // segments
  std::vector<std::optional<LossSum>> evaluations;
  uint32_t evaluations_missing = 0;
  std::optional<LossSum> latest_evaluation;
  Step evaluation_version = 0;
  uint64_t skipped = 0;

  std::map<ProcessId, WorkerInfo> workers;
  std::map<ProcessId, Join> waiting;  // asked before the members were sealed
  std::set<ProcessId> replaced;       // earlier incarnations of workers
  std::vector<Microbatch> orphans;    // of this step, held by nobody
  std::vector<uint32_t> orphan_evaluations;

  std::optional<Restore> restore;  // where this origin comes from; none: from workers

  // Checkpoints.
  std::optional<CheckpointUnderWay> writing;
  bool checkpoint_wanted = false;      // one is due, and none is being written
  uint32_t checkpoint_failures = 0;    // in a row, of the one that is due
  std::string checkpoint_failure;      // why the latest was given up
  std::pair<Step, uint32_t> attempts;  // of the version that was begun last
  std::string checkpoint;              // the latest that is complete
  TimeMs checkpoint_begun_ms = 0;      // the latest, or training
  TimeMs checkpoint_failed_ms = 0;     // the latest

  const TrainingSettings& training() const { return appoint.training; }
  Term term() const { return appoint.term; }
};

}  // namespace ballast
