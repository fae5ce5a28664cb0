// The network as one process sees it: sessions with peers, messages in and out, by name and life.
// Behind it gRPC now (grpc_transport.h), others later. Whoever owns it drives it: all I/O happens
// inside poll.
//
// Not promised: that what is sent arrives; it may be dropped when no session is up or a queue is
// full. Promised: what arrives is well-formed, came from who it says, was meant for this
// incarnation, and is a message its sender's role may send; a payload comes with its message or not
// at all. Thread rule: one thread; wake() from any.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "common/error.h"
#include "services/core/messages.h"
#include "services/transport/certificate_watch.h"
#include "services/transport/hello.h"
#include "services/transport/payload.h"
#include "services/transport/security.h"

namespace ballast {

struct TransportLimits {
  size_t sessions = 1024;  // that others opened; more are refused
  size_t control_frame_bytes = size_t{64} << 20;
  size_t queued_bytes_per_peer = size_t{512} << 20;  // waiting to be sent; more is dropped
  TimeMs hello_ms = 5000;  // a session without a Hello for so long is closed
  TimeMs connect_backoff_first_ms = 10;
  TimeMs connect_backoff_last_ms = 2000;
  TimeMs keepalive_ms = 10000;  // idle connections are probed so often
  TimeMs reload_ms = 10000;     // the files of certificates and keys are read again so often
};

struct TransportOptions {
  Hello self;             // address is filled in by the transport
  std::string listen;     // "unix:/path", "HOST:PORT" (port 0: any); empty: does not listen
  std::string advertise;  // empty: what it listens at
  Security security;
  TransportLimits limits;
};

// ---- what poll brings
// --------------------------------------------------------------------------------

struct PeerUp {
  Hello peer;
};
struct PeerDown {
  ProcessId peer;
  std::string reason;
};
// The other side at `address` will never talk to us: other job, build, protocol, or identity. It is
// not tried again.
struct PeerRefused {
  std::string address;
  std::string reason;
  bool expelled = false;  // this life was taken out of the job: see expel()
};
struct Arrived {
  Envelope envelope;
  ReceivedPayload payload;
};
// CertificateNews: of our own; the files are watched.
using TransportEvent = std::variant<Arrived, PeerUp, PeerDown, PeerRefused, CertificateNews>;

struct TransportCounters {
  uint64_t bytes_in = 0;  // payloads and headers
  uint64_t bytes_out = 0;
  uint64_t messages_in = 0;
  uint64_t messages_out = 0;
  uint64_t refused_peers = 0;     // sessions that ended at their Hello
  uint64_t refused_messages = 0;  // malformed, not theirs to send
  uint64_t misdirected = 0;       // for another incarnation
  uint64_t dropped_sends = 0;     // no session, or its queue was full
  uint64_t queued_bytes = 0;      // now, over all peers
  uint64_t sessions = 0;          // now
};

class Transport {
 public:
  virtual ~Transport() = default;

  // Where others reach this process; empty when it does not listen.
  virtual const std::string& address() const = 0;

  // Keeps a session with whoever listens there, again and again with back-off, until it is refused.
  virtual void connect(const std::string& address) = 0;

  // Tells where a process listens, so that send can open a session when one is needed. Where a life
  // before it could not be reached, one that was not heard of yet is called at once.
  virtual void learn(const ProcessId& id, const std::string& address) = 0;

  // This life of a process belongs to the job no more: its sessions end, and when it calls again it
  // is told so.
  virtual void expel(const ProcessId& id) = 0;

  // To a peer by its id. Incarnation 0: to whoever bears the name now; and an address serves as the
  // name of a process that is not known yet.
  virtual void send(const ProcessId& to, const Message& message, OutgoingPayload payload = {}) = 0;

  // Does I/O, for at most `timeout_ms` when nothing happens. What it returns is in order per peer.
  virtual std::vector<TransportEvent> poll(TimeMs timeout_ms) = 0;

  // Lets a poll in progress, or the next one, return at once.
  virtual void wake() = 0;

  virtual const TransportCounters& counters() const = 0;
  // The last reason why `address` could not be reached; empty: none.
  virtual std::string last_failure(const std::string& address) const = 0;
};

}  // namespace ballast
