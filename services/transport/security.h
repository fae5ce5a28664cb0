// Who may talk to whom, and under which protection: the settings of one process's connections.
// Values.
//
// Three ways: unix sockets in a folder only its owner can enter; TCP with TLS on both sides, where
// the certificate's SAN spiffe://ballast/<namespace>/<job UID>/<role> says who the other is; TCP in
// plain text, only where the network is said to be trusted.
#pragma once

#include <string>
#include <string_view>

#include "common/error.h"

namespace ballast {

struct Security {
  std::string tls_certificate;  // PEM files; all three or none
  std::string tls_key;
  std::string tls_ca;
  bool trusted_network = false;  // TCP without TLS is allowed

  bool tls() const { return !tls_certificate.empty(); }
};

bool is_unix_address(std::string_view address);  // "unix:/path"

// kInvalid: some but not all TLS files, TLS and trusted_network at once, an address that is neither
// unix:/absolute/path nor HOST:PORT, TCP with neither TLS nor trusted_network.
Result<void> check_security(const Security& security, std::string_view address);

// Before listening at unix:/path. kDenied: its folder can be entered by others; kAlreadyExists: a
// live process answers there, or the file is no socket. The socket of a dead process is removed.
Result<void> prepare_unix_socket(std::string_view address);

}  // namespace ballast
