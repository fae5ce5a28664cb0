// What a certificate says of itself. Nothing here decides whether to believe it: that is for those
// who make the connection. Pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/error.h"

namespace ballast {

struct CertificateFacts {
  int64_t begins_ms = 0;  // good from then to then, since 1970
  int64_t ends_ms = 0;
  bool authority = false;         // signs itself, and may sign others
  std::vector<std::string> uris;  // subject alternative names
  std::string fingerprint;        // SHA-256 of the whole, in hex
};

// Of the first certificate in a PEM text; kCorrupt where there is none.
Result<CertificateFacts> certificate_facts(std::string_view pem);

// Whether the key is that of the first certificate. kCorrupt: one of them cannot be read; kInvalid:
// it is another's.
Result<void> check_key(std::string_view certificate_pem, std::string_view key_pem);

}  // namespace ballast
