// Keys with certificates, as PEM text: an authority that signs itself, and what it signs. Whoever
// is signed for is named in the SAN, spiffe://ballast/<namespace>/<job UID>/<role>; what it may do
// at a handshake follows from the role. Stateless but for random numbers; any thread.
#pragma once

#include <cstdint>
#include <string>

#include "common/error.h"

namespace ballast::certificates {

struct KeyPair {
  std::string certificate;  // PEM
  std::string key;          // PEM; never logged, never in an error

  bool operator==(const KeyPair&) const = default;
};

// What one end of a connection shows, and by whom the other must be signed.
struct Identity {
  KeyPair own;
  std::string trusted;  // PEM: one or several authorities
};

// In milliseconds since 1970; certificates know whole seconds.
struct Life {
  int64_t begins_ms = 0;
  int64_t ends_ms = 0;

  bool operator==(const Life&) const = default;
};

enum class Role { kOperator, kServer, kWorker };
const char* to_string(Role role);  // "operator", "server", "worker"

std::string identity_uri(const std::string& name_space, const std::string& job_uid, Role role);

Result<KeyPair> make_authority(const std::string& name, const Life& life);

struct IssueRequest {
  Role role = Role::kWorker;  // only a server's certificate is good for one that is called
  std::string uri;
  Life life;
  bool this_machine = false;  // also by the names and addresses of this machine
};
// kCorrupt: the authority cannot be read; kInvalid: its key is not that of its certificate.
Result<KeyPair> issue(const KeyPair& authority, const IssueRequest& request);

}  // namespace ballast::certificates
