// The parts of the server machine, one function an event or message; each appends its effects. For
// the implementation files server_*.cc only.
#pragma once

#include "services/core/server_state.h"

namespace ballast::server {

struct Run {  // one run of the machine
  ServerState& state;
  TimeMs now;
  Effects& out;

  void send(const ProcessId& to, Message message, PayloadSource payload = {}) {
    out.push_back(Send{to, std::move(message), payload});
  }
  // Due again: never sent, or long enough ago.
  bool due(TimeMs sent_ms) const {
    return sent_ms == 0 || now - sent_ms >= state.options.resend_after_ms;
  }
};

// server_membership.cc: the promise, the report, the redirection of workers.
void on_seal(Run& run, const ProcessId& from, const Seal& message);
void redirect(Run& run, const ProcessId& worker);

// server_map.cc: roles of the replicas.
void on_map_update(Run& run, const ProcessId& from, const MapUpdate& message);

// server_sending.cc: what goes to other servers until they acknowledge it. What is small goes again
// after twice as long each time; what is large goes by the outbox of its server, too.
bool due(const Run& run, const Sending& sending);
void note_sent(const Run& run, Sending& sending);
bool due(const Run& run, const ProcessId& to, const Sending& sending);
void note_sent(Run& run, const ProcessId& to, Sending& sending);
void note_heard(Run& run, const ProcessId& from);
void note_acknowledged(Run& run, const ProcessId& from, const Sending& sending);
void note_not_wanted(Run& run, const ProcessId& from, const Sending& sending);
void note_new_map(Run& run);
void note_lost(Run& run, const ProcessId& to);  // whatever is on its way there

// server_push.cc: contributions, roots, initial values.
void on_push(Run& run, const ProcessId& from, const Push& push);
void on_push_initial(Run& run, const ProcessId& from, const PushInitial& push);
void on_push_initial_ack(Run& run, const ProcessId& from, const PushInitialAck& ack);
void on_root(Run& run, const ProcessId& from, const Root& message);
void on_root_ack(Run& run, const ProcessId& from, const RootAck& ack);
void on_summarised(Run& run, const Summarised& event);
Summarise summarise_order(const ServerState& state, SegmentId segment, const Replica& replica);
void send_root(Run& run, SegmentId segment, Replica& replica, ReplicaPeer& peer);
void send_initial(Run& run, SegmentId segment, ReplicaPeer& peer);
void send_prepared(Run& run, SegmentId segment, Replica& replica);
void send_initialised(Run& run);
void release_step(Run& run, Replica& replica);  // tree and root

// server_commit.cc: records, versions, pulls, checkpoints.
void on_offer_record(Run& run, const ProcessId& from, const OfferRecord& offer);
void on_commit(Run& run, const ProcessId& from, const Commit& commit);
void on_pull(Run& run, const ProcessId& from, const Pull& pull);
void apply(Run& run, SegmentId segment, Replica& replica, const Record& record);
void answer_parked(Run& run, SegmentId segment, Replica& replica, DataStatus status);
void send_applied(Run& run);
void on_write_checkpoint(Run& run, const ProcessId& from, const WriteCheckpoint& order);
void on_checkpoint_written(Run& run, const CheckpointWritten& result);

// server_restore.cc: the first version of an origin from a checkpoint.
void start_restore(Run& run);
void on_checkpoint_opened(Run& run, const CheckpointOpened& event);

// server_copy.cc: joining replicas.
void start_copies(Run& run);
bool being_followed(const Replica& replica, const ReplicaPeer& peer);  // it takes roots
void copy_again(Run& run, SegmentId segment, const Replica& replica, ReplicaPeer& peer);
void forget_copy(Run& run, ReplicaPeer& peer);
void on_copy(Run& run, const ProcessId& from, const Copy& copy);
void on_copy_ack(Run& run, const ProcessId& from, const CopyAck& ack);
void send_caught_up(Run& run, SegmentId segment, Replica& replica);

// server_machine.cc
void on_tick(Run& run);

}  // namespace ballast::server
