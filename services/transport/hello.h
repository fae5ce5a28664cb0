// What two processes must agree on before they talk: the content of the first frame in each
// direction, and which messages each role may send. Pure functions over values; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/error.h"
#include "services/core/messages.h"

namespace ballast {

inline constexpr uint32_t kProtocolVersion = 1;

enum class Role : uint8_t { kUnknown = 0, kOperator = 1, kServer = 2, kWorker = 3 };

std::string_view to_string(Role role);  // "operator", "server", "worker"
Role parse_role(std::string_view name);

struct Hello {
  ProcessId from;
  uint32_t protocol = kProtocolVersion;
  std::string build;  // empty: any is taken
  std::string job_uid;
  Role role = Role::kUnknown;
  int64_t process_id = 0;
  std::string address;   // where it listens; empty: nowhere
  uint64_t session = 0;  // pairs a caller's control stream with its data stream
};

// What a certificate says of its owner: SAN spiffe://ballast/<namespace>/<job UID>/<role>.
struct PeerIdentity {
  std::string name_space;
  std::string job_uid;
  Role role = Role::kUnknown;
};
Result<PeerIdentity> parse_identity(std::string_view uri);

// Can `self` work with `peer`? kDenied with a sentence that names both sides' values otherwise.
Result<void> check_hello(const Hello& self, const Hello& peer);
// Does the certificate allow this Hello?
Result<void> check_identity(const PeerIdentity& certificate, const Hello& peer);

// A worker's session carries no commits, an operator's no gradients.
bool may_send(Role sender, const Message& message);

// "PushAck" and so on, for logs and metrics.
std::string_view message_name(const Message& message);
bool is_data(const Message& message);  // travels on data streams, beside a payload or as its answer

uint64_t job_hash(std::string_view job_uid);  // XXH3: the check that every data header carries

}  // namespace ballast
