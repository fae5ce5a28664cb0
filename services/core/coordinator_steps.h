// The parts of the coordinator machine; each appends its effects. For the files coordinator_*.cc
// only.
#pragma once

#include <string>
#include <vector>

#include "services/core/arrangement.h"
#include "services/core/coordinator_state.h"
#include "services/core/placement.h"

namespace ballast::coordinator {

struct Run {  // one run of the machine
  CoordinatorState& state;
  TimeMs now;
  Effects& out;

  void send(const ProcessId& to, Message message) {
    out.push_back(Send{to, std::move(message), {}});
  }
  bool due(TimeMs sent_ms) const {
    return sent_ms == 0 || now - sent_ms >= state.options.resend_after_ms;
  }
};

// coordinator_seal.cc: the beginning of a term.
Member self_of(const CoordinatorState& state);
void send_seal(Run& run, ServerInfo& server);
void on_sealed(Run& run, const ProcessId& from, const Sealed& message);
void on_seal_refused(Run& run, const SealRefused& message);
void act_when_sealed(Run& run);
void on_manifest_read(Run& run, const ManifestRead& event);

// coordinator_members.cc: servers that come and go, and the map.
void on_members_changed(Run& run, const MembersChanged& message);
void on_server_lost(Run& run, ServerInfo& server);
void ask_remove(Run& run, ServerInfo& server, std::string reason, bool left = false);
SegmentMap first_map(const CoordinatorState& state, uint32_t segment_count);
void take_in(Run& run);  // sealed members that are not in the map yet
void publish_map(Run& run, SegmentMap map);
void send_map(Run& run, ServerInfo& server);
void send_map(Run& run, const ProcessId& worker, WorkerInfo& info);
void on_map_ack(Run& run, const ProcessId& from, const MapAck& message);
void on_applied(Run& run, const ProcessId& from, const Applied& message);
void on_caught_up(Run& run, const ProcessId& from, const CaughtUp& message);
void tick_servers(Run& run);

// coordinator_plan.cc: what is wished of the job, and the segments that move for it.
void on_plan_changed(Run& run, const PlanChanged& message);
void take_plan(Run& run);      // between two steps
void move_segments(Run& run);  // likewise
void ask_for_leavers(Run& run);
void unsettle(CoordinatorState& state, const SegmentMap& before);
bool settled(const ServerInfo& server);        // it knows of all its replicas in sync that they are
bool degraded(const CoordinatorState& state);  // one more loss takes a segment or a commit
Arrangement arrangement(const CoordinatorState& state);

// coordinator_workers.cc: joins, assignments, losses.
void on_join(Run& run, const ProcessId& from, const Join& message);
void on_heartbeat(Run& run, const ProcessId& from, const WorkerHeartbeat& message);
void answer_waiting(Run& run);
void lose_worker(Run& run, const ProcessId& worker, const std::string& why);
void assign_all(Run& run);      // a new step
void assign_orphans(Run& run);  // what nobody holds, in the middle of a step
void assign_initialisation(Run& run);
void tick_workers(Run& run);

// coordinator_step.cc: from initial values to the last record.
void begin_initialisation(Run& run);
void on_initialised(Run& run, const ProcessId& from, const InitialisedReport& message);
void on_origin_complete(Run& run, const OriginComplete& message);
void begin_training_when_initialised(Run& run);
void begin_step(Run& run);
void on_prepared(Run& run, const ProcessId& from, const Prepared& message);
void on_evaluation(Run& run, const EvaluationDone& message);
void decide_when_prepared(Run& run);
void offer_record(Run& run);
void on_record_held(Run& run, const ProcessId& from, const RecordHeld& message);
void commit_when_held(Run& run);
size_t holders_needed(const CoordinatorState& state);  // of a record
// Bit of a replica of `segment` in SegmentProgress, 0 where `server` is not in sync.
uint32_t replica_bit(const CoordinatorState& state, SegmentId segment, const ProcessId& server);
uint32_t all_replica_bits(const CoordinatorState& state, SegmentId segment);

// coordinator_finish.cc: final evaluation, checkpoint, the end, reports.
void begin_final_evaluation(Run& run);
void finish_evaluation(Run& run);
void begin_checkpoint(Run& run);            // the last one
void suspend(Run& run);                     // between two steps
void begin_checkpoint_when_due(Run& run);   // between two steps
void abandon_checkpoint_without(Run& run);  // a writer is gone
void on_checkpoint_written(Run& run, const ProcessId& from, const CheckpointWritten& message);
void on_manifest_written(Run& run, const ManifestWritten& event);
void tick_checkpoint(Run& run);
void enter(Run& run, JobPhase phase);
void fail_job(Run& run, std::string reason);
void lose_job(Run& run, std::string reason);  // only a restore helps
void retire(Run& run);
void hand_over(Run& run, const Seal& newer);
void send_progress(Run& run);

}  // namespace ballast::coordinator
