// Records, and what follows from them: the next version, the pulls that waited for it, checkpoints.
#include <algorithm>

#include "services/core/server_steps.h"

namespace ballast::server {
namespace {

constexpr size_t kRecordsKept = 2;

bool from_coordinator(const ServerState& state, const ProcessId& from, Term term) {
  return term == state.promised && term != 0 && from == state.coordinator;
}

// Two records of one step that are both offered have the same bits, whichever comes last.
void keep(ServerState& state, const Record& record) {
  auto& records = state.records;
  const auto at =
      std::lower_bound(records.begin(), records.end(), record.step,
                       [](const Record& there, Step wanted) { return there.step < wanted; });
  if (at != records.end() && at->step == record.step) {
    *at = record;
    return;
  }
  records.insert(at, record);
  if (records.size() > kRecordsKept) {
    records.erase(records.begin());
  }
}

// The version that every replica in sync has reached; without any, what the records say.
Step version_reached(const ServerState& state) {
  Step lowest = state.records.empty() ? 0 : state.records.back().step + 1;
  bool first = true;
  for (const Replica& replica : state.replicas) {
    if (replica.role == ReplicaRole::kPrimary || replica.role == ReplicaRole::kBackup) {
      const Step version = replica.filled ? replica.version : 0;
      lowest = first ? version : std::min(lowest, version);
      first = false;
    }
  }
  return lowest;
}

}  // namespace

void on_offer_record(Run& run, const ProcessId& from, const OfferRecord& offer) {
  ServerState& state = run.state;
  if (!from_coordinator(state, from, offer.term) || !state.active() ||
      offer.record.origin != state.origin) {
    return;
  }
  keep(state, offer.record);
  run.send(from, RecordHeld{state.promised, offer.record.step});
}

void on_commit(Run& run, const ProcessId& from, const Commit& commit) {
  ServerState& state = run.state;
  if (!from_coordinator(state, from, commit.term) || !state.configured ||
      commit.record.origin != state.origin) {
    return;
  }
  keep(state, commit.record);
  for (SegmentId segment = 0; segment < state.replicas.size(); ++segment) {
    Replica& replica = state.replicas[segment];
    if (replica.filled && replica.root != 0 && replica.version == commit.record.step) {
      apply(run, segment, replica, commit.record);
    }
  }
  send_applied(run);
  start_copies(run);
}

void apply(Run& run, SegmentId segment, Replica& replica, const Record& record) {
  keep(run.state, record);
  run.out.push_back(Apply{segment, replica.root, record});
  replica.root = 0;
  replica.summarised = false;
  replica.version = record.step + 1;
  replica.prepared_sent = {};
  replica.caught_up_sent_ms = 0;
  answer_parked(run, segment, replica, DataStatus::kOk);
  for (ReplicaPeer& peer : replica.peers) {
    // A joining replica that holds the root applies the record itself; another one missed it.
    if (peer.joining && !peer.root_acked) {
      peer.copied = false;
    }
    if (peer.copying && peer.copy_version == record.step) {
      peer.copy_root_acked = peer.root_acked;
    }
    peer.root_acked = false;
    peer.root_sent = {};
  }
}

void send_applied(Run& run) {
  ServerState& state = run.state;
  if (!state.active()) {
    return;
  }
  state.heartbeat_sent_ms = run.now;
  run.send(state.coordinator, Applied{state.promised, state.map.version, version_reached(state)});
}

void answer_parked(Run& run, SegmentId segment, Replica& replica, DataStatus status) {
  for (const ParkedPull& parked : replica.parked) {
    PullReply reply{.term = run.state.promised,
                    .segment = segment,
                    .version = parked.pull.version,
                    .status = status,
                    .map = run.state.map.version,
                    .now = replica.version};
    run.send(parked.from, reply,
             status == DataStatus::kOk
                 ? PayloadSource{FromParameters{segment, parked.pull.precision}}
                 : PayloadSource{});
  }
  replica.parked.clear();
}

namespace {

DataStatus judge(const ServerState& state, const Pull& pull) {
  if (pull.term < state.promised) {
    return DataStatus::kStale;
  }
  if (pull.term > state.promised || !state.configured) {
    return DataStatus::kNotYet;
  }
  if (pull.segment >= state.replicas.size()) {
    return DataStatus::kRefused;
  }
  if (!state.active() || pull.map > state.map.version) {
    return DataStatus::kNotYet;
  }
  if (pull.origin != state.origin) {
    return DataStatus::kStale;
  }
  const Replica& replica = state.replicas[pull.segment];
  if (replica.role != ReplicaRole::kPrimary) {
    return DataStatus::kWrongServer;
  }
  if (!replica.filled || pull.version > replica.version) {
    return DataStatus::kNotYet;
  }
  return pull.version < replica.version ? DataStatus::kGone : DataStatus::kOk;
}

bool park(ServerState& state, const ProcessId& from, const Pull& pull) {
  Replica& replica = state.replicas[pull.segment];
  for (ParkedPull& parked : replica.parked) {
    if (parked.from == from) {
      parked.pull = pull;
      return true;
    }
  }
  if (replica.parked.size() >= state.options.max_parked_pulls_per_segment) {
    return false;
  }
  replica.parked.push_back({from, pull});
  return true;
}

}  // namespace

void on_pull(Run& run, const ProcessId& from, const Pull& pull) {
  ServerState& state = run.state;
  const DataStatus status = judge(state, pull);
  PullReply reply{.term = state.promised,
                  .segment = pull.segment,
                  .version = pull.version,
                  .status = status,
                  .map = state.map.version,
                  .now = 0};
  if (pull.segment < state.replicas.size()) {
    const Replica& replica = state.replicas[pull.segment];
    reply.now = replica.version;
    const bool primary_in_force = state.active() && pull.term == state.promised &&
                                  pull.origin == state.origin && pull.map <= state.map.version &&
                                  replica.role == ReplicaRole::kPrimary && replica.filled;
    if (status == DataStatus::kNotYet && primary_in_force && pull.version == replica.version + 1 &&
        park(state, from, pull)) {
      return;
    }
  }
  run.send(from, reply,
           status == DataStatus::kOk ? PayloadSource{FromParameters{pull.segment, pull.precision}}
                                     : PayloadSource{});
}

void on_write_checkpoint(Run& run, const ProcessId& from, const WriteCheckpoint& order) {
  ServerState& state = run.state;
  if (!from_coordinator(state, from, order.term) || !state.active()) {
    return;
  }
  if (state.checkpoint) {
    const WriteCheckpoint& before = state.checkpoint->order;
    if (before.term == order.term && before.version == order.version &&
        before.attempt == order.attempt) {
      if (state.checkpoint->result) {
        run.send(from, *state.checkpoint->result);
      }
      return;
    }
  }
  for (const SegmentId segment : order.segments) {
    if (segment >= state.replicas.size() || state.replicas[segment].role == ReplicaRole::kNone ||
        state.replicas[segment].version > order.version) {
      run.send(from, CheckpointWritten{order.term,
                                       order.version,
                                       order.attempt,
                                       {},
                                       "a segment is not held at the version to be written"});
      return;
    }
    if (!state.replicas[segment].filled || state.replicas[segment].version < order.version) {
      return;  // it will be: the order comes again
    }
  }
  state.checkpoint = CheckpointOrder{order, {}};
  SaveCheckpointPart save{.order = order, .origin = state.origin, .last = {}};
  if (!state.records.empty()) {
    save.last = state.records.back();
  }
  run.out.push_back(std::move(save));
}

void on_checkpoint_written(Run& run, const CheckpointWritten& result) {
  ServerState& state = run.state;
  if (!state.checkpoint || state.checkpoint->order.term != result.term ||
      state.checkpoint->order.version != result.version ||
      state.checkpoint->order.attempt != result.attempt) {
    return;
  }
  state.checkpoint->result = result;
  if (result.term == state.promised) {
    run.send(state.coordinator, result);
  }
}

}  // namespace ballast::server
