// When something large goes to another server again. Sessions keep the order, so what that server
// acknowledges tells of everything that was sent before.
#include <algorithm>

#include "services/core/server_steps.h"

namespace ballast::server {
namespace {

constexpr TimeMs kLongestResendMs = 2'000;
constexpr TimeMs kLongestTakesMs = 1'000;

TimeMs doubled(TimeMs first_ms, uint32_t times, TimeMs longest_ms) {
  return std::min(first_ms << std::min<uint32_t>(times, 16), std::max(first_ms, longest_ms));
}

}  // namespace

bool due(const Run& run, const Sending& sending) {
  return sending.times == 0 ||
         run.now - sending.at_ms >=
             doubled(run.state.options.resend_after_ms, sending.times - 1, kLongestResendMs);
}

void note_sent(const Run& run, Sending& sending) {
  sending.at_ms = run.now;
  ++sending.times;
}

bool due(const Run& run, const ProcessId& to, const Sending& sending) {
  if (sending.times == 0) {
    return true;
  }
  const TimeMs first_ms = run.state.options.resend_after_ms;
  const auto found = run.state.outboxes.find(to);
  const Outbox box = found == run.state.outboxes.end() ? Outbox{} : found->second;
  if (sending.number <= box.passed) {
    return due(run, sending);
  }
  const TimeMs usual_ms = std::max(first_ms, 2 * box.takes_ms);
  return run.now - std::max(sending.at_ms, box.heard_ms) >=
         doubled(usual_ms, sending.times - 1, kLongestResendMs);
}

void note_sent(Run& run, const ProcessId& to, Sending& sending) {
  Outbox& box = run.state.outboxes[to];
  // What may be on its way keeps its place: an acknowledgement does not say of which time it is.
  if (sending.times == 0 || sending.number <= box.passed) {
    sending.number = ++box.sent;
  }
  note_sent(run, sending);
}

void note_heard(Run& run, const ProcessId& from) {
  const auto box = run.state.outboxes.find(from);
  if (box != run.state.outboxes.end()) {
    box->second.heard_ms = run.now;
  }
}

void note_acknowledged(Run& run, const ProcessId& from, const Sending& sending) {
  Outbox& box = run.state.outboxes[from];
  box.passed = std::max(box.passed, sending.number);
  if (sending.times == 1) {
    box.takes_ms = std::min(kLongestTakesMs,
                            std::max(run.now - sending.at_ms, box.takes_ms - box.takes_ms / 8));
  }
}

void note_not_wanted(Run& run, const ProcessId& from, const Sending& sending) {
  Outbox& box = run.state.outboxes[from];
  box.passed = std::max(box.passed, sending.number);
}

// What comes before the map that it belongs to is not answered.
void note_new_map(Run& run) {
  ServerState& state = run.state;
  std::erase_if(state.outboxes,
                [&](const auto& box) { return !state.map.index_of(box.first).has_value(); });
  for (auto& [id, box] : state.outboxes) {
    box.takes_ms = 0;
  }
}

void note_lost(Run& run, const ProcessId& to) {
  const auto box = run.state.outboxes.find(to);
  if (box != run.state.outboxes.end()) {
    box->second.passed = box->second.sent;
  }
  for (Replica& replica : run.state.replicas) {
    if (to == run.state.coordinator) {
      replica.prepared_sent.times = std::min<uint32_t>(replica.prepared_sent.times, 1);
    }
    for (ReplicaPeer& peer : replica.peers) {
      for (Sending* sending : {&peer.root_sent, &peer.initial_sent, &peer.copy_sent}) {
        if (peer.id == to) {
          sending->times = std::min<uint32_t>(sending->times, 1);
        }
      }
    }
  }
}

}  // namespace ballast::server
