// New replicas: the primary copies one version of a segment, the joining replica then follows root
// by root like a backup, and says when it has caught up.
#include "services/core/server_steps.h"
#include "services/core/training.h"

namespace ballast::server {
namespace {

constexpr uint32_t kMaxCopiesInFlight = 2;  // segments: copies never crowd out training

uint32_t all_parts(uint8_t parts) { return (1u << parts) - 1; }

uint8_t parts_of(const ServerState& state) {
  return static_cast<uint8_t>(1 + state_count(state.training.optimizer));
}

void send_copy(Run& run, SegmentId segment, ReplicaPeer& peer) {
  const ServerState& state = run.state;
  note_sent(run, peer.id, peer.copy_sent);
  const uint8_t parts = parts_of(state);
  for (uint8_t part = 0; part < parts; ++part) {
    if ((peer.parts_acked & (1u << part)) != 0) {
      continue;
    }
    Copy copy{.term = state.promised,
              .origin = state.origin,
              .map = state.map.version,
              .version = peer.copy_version,
              .segment = segment,
              .part = part,
              .parts = parts};
    const PayloadSource source =
        part == 0 ? PayloadSource{FromParameters{segment}}
                  : PayloadSource{FromState{segment, static_cast<uint8_t>(part - 1)}};
    run.send(peer.id, copy, source);
  }
}

void start_copy(Run& run, SegmentId segment, const Replica& replica, ReplicaPeer& peer) {
  ++run.state.copies_in_flight;
  peer.copying = true;
  peer.copy_version = replica.version;
  peer.copy_root_acked = false;
  peer.parts_acked = 0;
  send_copy(run, segment, peer);
}

}  // namespace

bool being_followed(const Replica& replica, const ReplicaPeer& peer) {
  return !peer.joining || peer.copied || (peer.copying && peer.copy_version == replica.version);
}

void forget_copy(Run& run, ReplicaPeer& peer) {
  if (peer.copying) {
    --run.state.copies_in_flight;
  }
  peer.copying = false;
  peer.copied = false;
}

void copy_again(Run& run, SegmentId segment, const Replica& replica, ReplicaPeer& peer) {
  if (peer.copy_version == replica.version) {
    send_copy(run, segment, peer);
  } else {
    forget_copy(run, peer);  // and begin with what is current
  }
}

void start_copies(Run& run) {
  ServerState& state = run.state;
  if (!state.active()) {
    return;
  }
  for (SegmentId segment = 0; segment < state.replicas.size(); ++segment) {
    if (state.copies_in_flight >= kMaxCopiesInFlight) {
      return;
    }
    Replica& replica = state.replicas[segment];
    if (replica.role != ReplicaRole::kPrimary || !replica.filled) {
      continue;
    }
    for (ReplicaPeer& peer : replica.peers) {
      if (peer.joining && !peer.copied && !peer.copying &&
          state.copies_in_flight < kMaxCopiesInFlight) {
        start_copy(run, segment, replica, peer);
        if (replica.root != 0) {
          send_root(run, segment, replica, peer);
        }
      }
    }
  }
}

void on_copy(Run& run, const ProcessId& from, const Copy& copy) {
  ServerState& state = run.state;
  if (!state.active() || copy.term != state.promised || copy.origin != state.origin ||
      copy.segment >= state.replicas.size() || state.map.primary(copy.segment) != from ||
      copy.parts != parts_of(state) || copy.part >= copy.parts) {
    return;
  }
  Replica& replica = state.replicas[copy.segment];
  if (replica.role != ReplicaRole::kJoining) {
    return;
  }
  const CopyAck ack{state.promised, state.map.version, copy.version, copy.segment, copy.part};
  if (replica.filled && copy.version <= replica.version) {
    run.send(from, ack);  // also what it is past: until then nothing newer is copied
    return;
  }
  if (replica.filled && replica.root != 0 && copy.version == replica.version + 1) {
    // It has said that it caught up, and may be in sync already under a map that is on its way: the
    // record, which comes with the next root, brings it to the version that is copied.
    run.send(from, ack);
    return;
  }
  const bool other_version = replica.parts_stored != 0 && copy.version != replica.copy_version;
  if (other_version && !replica.filled && copy.version < replica.copy_version) {
    return;
  }
  if (replica.filled || other_version) {
    release_step(run, replica);
    replica.filled = false;
    replica.parts_stored = 0;
  }
  replica.copy_version = copy.version;
  const uint32_t bit = 1u << copy.part;
  if ((replica.parts_stored & bit) == 0) {
    replica.parts_stored |= bit;
    run.out.push_back(StoreCopyPart{copy.segment, copy.part});
  }
  run.send(from, ack);
  if (replica.parts_stored == all_parts(copy.parts)) {
    replica.filled = true;
    replica.version = copy.version;
    if (replica.root != 0) {
      run.out.push_back(summarise_order(state, copy.segment, replica));
    }
    send_caught_up(run, copy.segment, replica);
  }
}

void on_copy_ack(Run& run, const ProcessId& from, const CopyAck& ack) {
  ServerState& state = run.state;
  note_heard(run, from);
  if (!state.active() || ack.term != state.promised || ack.segment >= state.replicas.size() ||
      ack.part >= parts_of(state)) {
    return;
  }
  Replica& replica = state.replicas[ack.segment];
  for (ReplicaPeer& peer : replica.peers) {
    if (peer.id != from || !peer.copying || peer.copy_version != ack.version) {
      continue;
    }
    peer.parts_acked |= 1u << ack.part;
    if (peer.parts_acked == all_parts(parts_of(state))) {
      note_acknowledged(run, from, peer.copy_sent);
      peer.copy_sent = {};
      forget_copy(run, peer);
      // One behind, it applies the record that comes with the next root.
      peer.copied = peer.copy_version == replica.version ||
                    (peer.copy_root_acked && peer.copy_version + 1 == replica.version);
      if (peer.copied && replica.root != 0 && peer.root_sent.times == 0) {
        send_root(run, ack.segment, replica, peer);
      }
      start_copies(run);
    }
  }
}

void send_caught_up(Run& run, SegmentId segment, Replica& replica) {
  const ServerState& state = run.state;
  replica.caught_up_sent_ms = run.now;
  run.send(state.coordinator, CaughtUp{.term = state.promised,
                                       .map = state.map.version,
                                       .segment = segment,
                                       .version = replica.version,
                                       .has_root = replica.root != 0});
}

}  // namespace ballast::server
