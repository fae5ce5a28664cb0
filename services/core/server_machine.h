// The server machine: which replicas this process holds, at which version, and what has arrived for
// the step in progress. Decides about buffers and answers; the tensor store does the arithmetic.
//
// Promises: contributions are acknowledged only after their bytes are in a buffer of their tree
// node; nothing of a lower term is accepted once a higher one was promised; a version is served
// exactly or not at all; a record is applied once, in order; parameters never mix versions or
// origins. Not promised: that a Send arrives. What matters is sent again on Tick until its effect
// is seen. Thread rule: none inside; one caller at a time.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "services/core/effects.h"
#include "services/core/tree.h"

namespace ballast {

struct ServerOptions {
  TimeMs resend_after_ms = 250;
  uint32_t max_parked_pulls_per_segment = 1024;
};

struct ServerState;  // all fields in server_state.h; comparable and printable in tests

class ServerMachine {
 public:
  ServerMachine(ProcessId self, ServerOptions options = {});
  ~ServerMachine();
  ServerMachine(ServerMachine&&) noexcept;
  ServerMachine& operator=(ServerMachine&&) noexcept;

  // Messages that are not for a server are ignored. Appoint is not handled here (the shell makes a
  // CoordinatorMachine after accept_appointment says yes).
  Effects step(const Event& event, TimeMs now);

  // True, and the term is promised, when `appoint` is newer than all that this server has promised.
  bool accept_appointment(const Appoint& appoint);

  // For metrics, health and the shell's checks of payload sizes before an event is made of a
  // message.
  const ServerState& state() const;
  // Elements that a payload for this segment must have; nullopt: not configured or no such segment.
  std::optional<uint32_t> payload_elements(SegmentId segment) const;

 private:
  std::unique_ptr<ServerState> state_;
};

}  // namespace ballast
