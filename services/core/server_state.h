// What a server machine knows: its promise to a coordinator, the map, its replicas and the step in
// progress. Plain data, changed only by the functions of server_steps.h; shells read it for
// metrics.
//
// Invariant: replicas[s].root != 0 only where the replica holds the root of step `version` (a
// joining one without parameters yet: of the version that is being copied).
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "services/core/server_machine.h"

namespace ballast {

enum class ReplicaRole : uint8_t { kNone, kPrimary, kBackup, kJoining };

struct ParkedPull {
  ProcessId from;
  Pull pull;
};

// Of something that goes to another server again and again until that acknowledges it. The number,
// of what is large, is among all that went there: of the first time, or of that after it was passed
// over.
struct Sending {
  uint64_t number = 0;
  TimeMs at_ms = 0;    // the last time
  uint32_t times = 0;  // so far
};

// What goes to another server that way. Who is slow to answer would be sent the same faster than
// it can read, and never come to anything else: so nothing goes again while what was sent before it
// is still being acknowledged. Whatever has a lower number than what was acknowledged was lost, or
// not wanted then.
struct Outbox {
  uint64_t sent = 0;
  uint64_t passed = 0;  // what has this number or a lower one is not on its way
  TimeMs heard_ms = 0;  // of anything being acknowledged
  TimeMs takes_ms = 0;  // the longest of late
};

// What a primary knows of another replica of its segment.
struct ReplicaPeer {
  ProcessId id;
  bool joining = false;
  bool root_acked = false;  // holds the root of the step in progress
  bool initial_acked = false;
  Sending root_sent = {};
  Sending initial_sent = {};
  // Joining only: the copy that is under way or done.
  bool copied = false;
  bool copying = false;  // also when its version is past: it has to arrive before another goes
  Step copy_version = 0;
  bool copy_root_acked = false;  // holds the root of that version
  uint32_t parts_acked = 0;      // bit by part
  Sending copy_sent = {};        // since the last one that was acknowledged
};

struct Replica {
  ReplicaRole role = ReplicaRole::kNone;
  bool filled = false;  // holds parameters and states of `version`
  Step version = 0;
  MapVersion in_sync_under;
  SegmentTree tree = SegmentTree(1);  // primary, until the root is there
  BufferId root = 0;
  LossSum root_sum;
  bool summarised = false;
  double sum_squares = 0;
  bool finite = true;
  uint64_t checksum = 0;  // of the values of `version`, where it is due
  Sending prepared_sent = {};
  std::vector<ReplicaPeer> peers;  // primary: backups, then joining
  std::vector<ParkedPull> parked;  // primary: pulls of version + 1
  // Joining: the copy that is arriving.
  Step copy_version = 0;
  uint32_t parts_stored = 0;
  TimeMs caught_up_sent_ms = 0;
};

struct CheckpointOrder {
  WriteCheckpoint order;
  std::optional<CheckpointWritten> result;
};

struct ServerState {
  ProcessId self;
  ServerOptions options;

  Term promised = 0;
  ProcessId coordinator;
  std::string coordinator_address;
  MemberListNumber members = 0;
  PlanNumber plan = 0;

  bool configured = false;
  JobIdentity identity;
  TrainingSettings training;
  Origin origin = 0;
  Segments segments;
  SegmentMap map;
  std::vector<Replica> replicas;  // by SegmentId
  std::vector<Record> records;    // of this origin, the last two, ascending
  std::optional<CheckpointOrder> checkpoint;
  std::optional<Restore> restore;  // where this origin comes from
  bool restoring = false;          // the checkpoint is being opened

  BufferId next_buffer = 1;
  uint32_t copies_in_flight = 0;
  std::map<ProcessId, Outbox> outboxes;
  TimeMs heartbeat_sent_ms = 0;

  // No record of this origin is there yet.
  bool initialising() const {
    return records.empty() || (restore && records.back() == restore->last);
  }
  Step first_version() const { return restore ? restore->version : 0; }

  // The map in force is of the promised term: the server takes part.
  bool active() const { return configured && map.version.term == promised && promised != 0; }
};

}  // namespace ballast
