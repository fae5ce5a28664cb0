// Contributions on their way to the root of a segment, the root on its way to the other replicas,
// and the initial values, which take the same way.
#include <algorithm>

#include "services/core/server_steps.h"

namespace ballast::server {
namespace {

DataStatus judge(const ServerState& state, const Push& push) {
  if (push.term < state.promised) {
    return DataStatus::kStale;
  }
  if (push.term > state.promised || !state.configured) {
    return DataStatus::kNotYet;
  }
  if (push.segment >= state.replicas.size() ||
      !valid_node(push.node, state.training.microbatches)) {
    return DataStatus::kRefused;
  }
  if (!state.active() || push.map > state.map.version) {
    return DataStatus::kNotYet;
  }
  if (push.origin != state.origin) {
    return DataStatus::kStale;
  }
  const Replica& replica = state.replicas[push.segment];
  if (replica.role != ReplicaRole::kPrimary) {
    return DataStatus::kWrongServer;
  }
  if (!replica.filled || push.step > replica.version) {
    return DataStatus::kNotYet;
  }
  return push.step < replica.version ? DataStatus::kGone : DataStatus::kOk;
}

// The root lies in replica.root: every replica sums it up for itself.
void begin_root(Run& run, SegmentId segment, Replica& replica) {
  replica.summarised = false;
  run.out.push_back(summarise_order(run.state, segment, replica));
}

void add_contribution(Run& run, const Push& push, Replica& replica) {
  const BufferId fresh = run.state.next_buffer++;
  const auto plan = replica.tree.add(push.node, push.sum.loss, push.sum.tokens, fresh);
  if (plan.arrival == SegmentTree::Arrival::kContained) {
    return;
  }
  for (const BufferId buffer : plan.replaced) {
    run.out.push_back(Release{buffer});
  }
  if (plan.payload_into_existing) {
    run.out.push_back(AddPayload{plan.buffer, push.segment});
  } else {
    run.out.push_back(StorePayload{plan.buffer, push.segment});
  }
  for (const auto& merge : plan.merges) {
    run.out.push_back(AddBuffer{merge.into, merge.from});
  }
  if (!replica.tree.complete()) {
    return;
  }
  const SegmentTree::Entry root = replica.tree.entries().front();
  replica.tree.clear();
  replica.root = root.buffer;
  replica.root_sum = {root.loss, root.tokens};
  begin_root(run, push.segment, replica);
  for (ReplicaPeer& peer : replica.peers) {
    if (being_followed(replica, peer)) {
      send_root(run, push.segment, replica, peer);
    }
  }
}

const Record* record_of(const ServerState& state, Step wanted) {
  for (const Record& record : state.records) {
    if (record.step == wanted) {
      return &record;
    }
  }
  return nullptr;
}

}  // namespace

void on_push(Run& run, const ProcessId& from, const Push& push) {
  ServerState& state = run.state;
  const DataStatus status = judge(state, push);
  PushAck ack{.term = state.promised,
              .step = push.step,
              .node = push.node,
              .segment = push.segment,
              .status = status,
              .map = state.map.version,
              .version = 0};
  if (push.segment < state.replicas.size()) {
    Replica& replica = state.replicas[push.segment];
    ack.version = replica.version;
    if (status == DataStatus::kOk && replica.root == 0) {
      add_contribution(run, push, replica);
    }
  }
  if (status == DataStatus::kRefused) {
    run.out.push_back(
        FactRefused{from, "a contribution for a segment or tree node that is not there"});
  }
  run.send(from, ack);
}

void send_root(Run& run, SegmentId segment, Replica& replica, ReplicaPeer& peer) {
  ServerState& state = run.state;
  Root root{.term = state.promised,
            .origin = state.origin,
            .map = state.map.version,
            .step = replica.version,
            .segment = segment,
            .sum = replica.root_sum,
            .plan = state.plan,
            .previous = {}};
  if (replica.version > 0) {
    if (const Record* previous = record_of(state, replica.version - 1)) {
      root.previous = *previous;
    }
  }
  note_sent(run, peer.id, peer.root_sent);
  run.send(peer.id, root, FromBuffer{replica.root});
}

void on_root(Run& run, const ProcessId& from, const Root& message) {
  ServerState& state = run.state;
  if (!state.active() || message.term != state.promised || message.origin != state.origin ||
      message.map > state.map.version || message.segment >= state.replicas.size() ||
      state.map.primary(message.segment) != from) {
    return;
  }
  Replica& replica = state.replicas[message.segment];
  if (replica.role != ReplicaRole::kBackup && replica.role != ReplicaRole::kJoining) {
    return;
  }
  if (replica.filled && replica.root != 0 && replica.version + 1 == message.step &&
      message.previous && message.previous->step == replica.version &&
      message.previous->origin == state.origin) {
    apply(run, message.segment, replica, *message.previous);
  }
  const bool receiving = !replica.filled && replica.parts_stored != 0;
  const Step holds = receiving ? replica.copy_version : replica.version;
  const bool behind = replica.filled ? message.step > holds : !receiving || message.step != holds;
  if (behind) {
    return;  // the primary sends it again, or copies again
  }
  if (message.step == holds && replica.root == 0) {
    replica.root = state.next_buffer++;
    replica.root_sum = message.sum;
    run.out.push_back(StorePayload{replica.root, message.segment});
    if (replica.filled) {
      begin_root(run, message.segment, replica);
    }
  }
  run.send(from, RootAck{state.promised, state.map.version, message.step, message.segment});
  if (replica.role == ReplicaRole::kJoining && replica.filled) {
    send_caught_up(run, message.segment, replica);
  }
}

void on_root_ack(Run& run, const ProcessId& from, const RootAck& ack) {
  ServerState& state = run.state;
  note_heard(run, from);
  if (!state.active() || ack.term != state.promised || ack.map != state.map.version ||
      ack.segment >= state.replicas.size()) {
    return;
  }
  Replica& replica = state.replicas[ack.segment];
  if (replica.role != ReplicaRole::kPrimary || ack.step != replica.version) {
    return;
  }
  for (ReplicaPeer& peer : replica.peers) {
    if (peer.id == from && !peer.root_acked) {
      peer.root_acked = true;
      note_acknowledged(run, from, peer.root_sent);
    }
  }
}

Summarise summarise_order(const ServerState& state, SegmentId segment, const Replica& replica) {
  return {.segment = segment,
          .step = replica.version,
          .buffer = replica.root,
          .checksum = checksum_due(state.training, replica.version, segment)};
}

void on_summarised(Run& run, const Summarised& event) {
  if (event.segment >= run.state.replicas.size()) {
    return;
  }
  Replica& replica = run.state.replicas[event.segment];
  if (replica.root == 0 || replica.root != event.buffer || replica.version != event.step) {
    return;
  }
  replica.summarised = true;
  replica.sum_squares = event.sum_squares;
  replica.finite = event.finite;
  replica.checksum = event.checksum;
  if (replica.role != ReplicaRole::kJoining) {
    send_prepared(run, event.segment, replica);
  }
}

void send_prepared(Run& run, SegmentId segment, Replica& replica) {
  const ServerState& state = run.state;
  if (!state.active()) {
    return;
  }
  note_sent(run, replica.prepared_sent);
  run.send(state.coordinator, Prepared{.term = state.promised,
                                       .map = state.map.version,
                                       .step = replica.version,
                                       .segment = segment,
                                       .sum = replica.root_sum,
                                       .sum_squares = replica.sum_squares,
                                       .finite = replica.finite,
                                       .checksum = replica.checksum});
}

void release_step(Run& run, Replica& replica) {
  for (const BufferId buffer : replica.tree.clear()) {
    run.out.push_back(Release{buffer});
  }
  if (replica.root != 0) {
    run.out.push_back(Release{replica.root});
    replica.root = 0;
  }
  replica.summarised = false;
}

void on_push_initial(Run& run, const ProcessId& from, const PushInitial& push) {
  ServerState& state = run.state;
  PushInitialAck ack{state.promised, push.origin, state.map.version, push.segment, DataStatus::kOk};
  if (push.term < state.promised || (state.configured && push.origin < state.origin)) {
    ack.status = DataStatus::kStale;
  } else if (push.term > state.promised || !state.active() || push.map > state.map.version ||
             push.origin != state.origin) {
    ack.status = DataStatus::kNotYet;
  } else if (push.segment >= state.replicas.size()) {
    ack.status = DataStatus::kRefused;
  } else {
    Replica& replica = state.replicas[push.segment];
    const bool to_backup =
        replica.role == ReplicaRole::kBackup && state.map.primary(push.segment) == from;
    if (replica.role != ReplicaRole::kPrimary && !to_backup) {
      ack.status = DataStatus::kWrongServer;
    } else if (!replica.filled) {
      replica.filled = true;
      replica.version = 0;
      run.out.push_back(InitialiseSegment{push.segment});
      for (ReplicaPeer& peer : replica.peers) {
        send_initial(run, push.segment, peer);
      }
      run.send(state.coordinator,
               InitialisedReport{state.promised, state.origin, state.map.version, {push.segment}});
    }
  }
  run.send(from, ack);
}

void send_initial(Run& run, SegmentId segment, ReplicaPeer& peer) {
  const ServerState& state = run.state;
  note_sent(run, peer.id, peer.initial_sent);
  run.send(peer.id, PushInitial{state.promised, state.origin, state.map.version, segment},
           FromParameters{segment});
}

void on_push_initial_ack(Run& run, const ProcessId& from, const PushInitialAck& ack) {
  ServerState& state = run.state;
  note_heard(run, from);
  if (!state.active() || ack.term != state.promised || ack.origin != state.origin ||
      ack.segment >= state.replicas.size()) {
    return;
  }
  const bool holds = ack.map >= state.map.version && ack.status == DataStatus::kOk;
  for (ReplicaPeer& peer : state.replicas[ack.segment].peers) {
    if (peer.id != from || peer.initial_acked) {
      continue;
    }
    if (!holds) {
      note_not_wanted(run, from, peer.initial_sent);
      continue;
    }
    peer.initial_acked = true;
    note_acknowledged(run, from, peer.initial_sent);
  }
}

void send_initialised(Run& run) {
  const ServerState& state = run.state;
  InitialisedReport report{state.promised, state.origin, state.map.version, {}};
  for (SegmentId segment = 0; segment < state.replicas.size(); ++segment) {
    const Replica& replica = state.replicas[segment];
    const bool in_sync =
        replica.role == ReplicaRole::kPrimary || replica.role == ReplicaRole::kBackup;
    if (in_sync && replica.filled && replica.version == state.first_version()) {
      report.segments.push_back(segment);
    }
  }
  if (!report.segments.empty()) {
    run.send(state.coordinator, std::move(report));
  }
}

}  // namespace ballast::server
