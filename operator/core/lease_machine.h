// Who leads, of several operators: one Lease, taken and renewed by compare-and-swap. A pure machine
// that one process drives with its own clock.
//
// Promised, while clocks run at nearly the same speed and leads(now) is asked before each act: no
// two lead at once, since a leader believes in itself for kRenewDeadlineMs from when it *sent* its
// last renewal, and others wait kLeaseMs from when they first *saw* it.
// Not promised: anything of a process that is paused between asking and acting. A Lease fences
// nothing; what a leader writes is fenced by resourceVersion.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace ballast::kube {

using TimeMs = int64_t;

inline constexpr TimeMs kLeaseMs = 15'000;
inline constexpr TimeMs kRenewDeadlineMs = 10'000;
inline constexpr TimeMs kLeaseRetryMs = 2'000;
// Who stands by reads more often than a leader renews: a Lease that is given up is taken at once.
inline constexpr TimeMs kStandbyRetryMs = 1'000;

// Of a Lease, what matters here. `renewals` stands for all that a holder changes to show that it
// lives.
struct LeaseRecord {
  std::string holder;  // empty: given up
  TimeMs duration_ms = 0;
  std::string renewed;  // its renewTime, only compared
  int64_t transitions = 0;

  bool operator==(const LeaseRecord&) const = default;
};

struct LeaseState {
  std::string identity;  // of this process, not of its name: never used again
  uint64_t request = 0;  // of the newest read or write
  bool in_flight = false;
  bool writing = false;
  bool releasing = false;
  bool leader = false;  // has it, and has not yet been told otherwise; see leads()
  TimeMs sent_ms = 0;   // of the request in flight
  TimeMs good_until_ms = 0;
  TimeMs next_try_ms = 0;
  bool seen = false;  // a Lease was read
  LeaseRecord record;
  std::string resource_version;
  TimeMs seen_since_ms = 0;  // when `record` was first seen like this
};

struct LeaseTick {};
// An answer to a read. Nothing: there is no Lease.
struct LeaseRead {
  uint64_t request = 0;
  std::optional<LeaseRecord> record;
  std::string resource_version;
};
struct LeaseWritten {
  uint64_t request = 0;
  std::string resource_version;
};
// Also a conflict: somebody else was faster.
struct LeaseFailed {
  uint64_t request = 0;
  bool conflict = false;
};
// Give it up, so that another need not wait.
struct LeaseRelease {};
using LeaseEvent = std::variant<LeaseTick, LeaseRead, LeaseWritten, LeaseFailed, LeaseRelease>;

struct ReadLease {
  uint64_t request = 0;
};
// Creates it where resource_version is empty. The shell fills in the time.
struct WriteLease {
  uint64_t request = 0;
  LeaseRecord record;
  std::string resource_version;
};
struct BeginToLead {};
struct CeaseToLead {};
struct LeaseReleased {};
using LeaseEffect = std::variant<ReadLease, WriteLease, BeginToLead, CeaseToLead, LeaseReleased>;

std::vector<LeaseEffect> step(LeaseState& state, const LeaseEvent& event, TimeMs now_ms);

// Whether this process may act as the leader now.
bool leads(const LeaseState& state, TimeMs now_ms);

// When LeaseTick has something to do.
TimeMs wake_at(const LeaseState& state);

}  // namespace ballast::kube
