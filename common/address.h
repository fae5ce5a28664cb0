// "HOST:PORT" as flags and members name it. An IPv6 address stands in brackets; an empty host means
// all interfaces when listening; port 0 means any free one. Pure; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/error.h"

namespace ballast {

struct HostPort {
  std::string host;  // without brackets
  uint16_t port = 0;
  bool operator==(const HostPort&) const = default;
};

// Errors (kInvalid) show the text and what was expected.
Result<HostPort> parse_host_port(std::string_view text);

// "127.0.0.1:9100", "[::1]:9100"
std::string to_string(const HostPort& address);

}  // namespace ballast
