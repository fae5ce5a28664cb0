// The authority of a cluster's operators over the years, as their Secret holds it. One key signs.
// Long before it ends its successor is made and shown to everybody, and only later signs; the one
// before is believed as long as it lives. So whoever renews his certificate in time is believed by
// everybody who does, at any moment.
//
// Values, and the random numbers of keys; time comes in. Any thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "operator/certificates/issue.h"

namespace ballast::certificates {

struct Lives {
  int64_t authority_ms = int64_t{3650} * 24 * 3600 * 1000;
  int64_t leaf_ms = int64_t{7} * 24 * 3600 * 1000;
};

struct Authority {
  KeyPair current;  // signs
  std::optional<KeyPair> next;
  std::string previous;  // certificate; empty: there is none

  bool operator==(const Authority&) const = default;
};

// As the data of a Secret: tls.crt and tls.key, next.crt and next.key, previous.crt.
using SecretContent = std::map<std::string, std::string>;
SecretContent content_of(const Authority& authority);
// kCorrupt: names the entry that is missing, or cannot be what it should.
Result<Authority> read_authority(const SecretContent& content);

Result<Authority> first_authority(const Lives& lives, int64_t now_ms);

// What is to be stored in its place; nothing: it stays as it is. kInvalid: it has ended, or has not
// begun, and only a person can decide what now.
Result<std::optional<Authority>> moved_on(const Authority& authority, const Lives& lives,
                                          int64_t now_ms);

// Whom its leaves shall believe, as PEM.
std::string trusted_by(const Authority& authority);
// "0123456789abcdef": the key that signs.
Result<std::string> signer_of(const Authority& authority);
// Whether what this one signed is still believed by those who renew.
Result<bool> believes(const Authority& authority, const std::string& signer);

// With a new key. Ends with the authority at the latest.
Result<Identity> identity_of(const Authority& authority, const std::string& name_space,
                             const std::string& job_uid, Role role, const Lives& lives,
                             int64_t now_ms);

}  // namespace ballast::certificates
