#include "common/address.h"

#include <algorithm>
#include <cctype>
#include <charconv>

#include <fmt/format.h>

namespace ballast {
namespace {

constexpr size_t kMaxHostBytes = 253;  // of a DNS name

tl::unexpected<Error> bad_address(std::string_view text, std::string_view why) {
  return fail(ErrorCode::kInvalid,
              fmt::format("address \"{}\": {}; expected HOST:PORT", text.substr(0, 300), why));
}

bool is_host_character(char c, bool in_brackets) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '.' || c == '-' || c == '_' ||
         (in_brackets && (c == ':' || c == '%'));
}

}  // namespace

Result<HostPort> parse_host_port(std::string_view text) {
  const size_t colon = text.rfind(':');
  if (colon == text.npos) return bad_address(text, "no port");
  std::string_view host = text.substr(0, colon);
  const std::string_view digits = text.substr(colon + 1);
  const bool in_brackets = host.size() >= 2 && host.front() == '[' && host.back() == ']';
  if (in_brackets) {
    host = host.substr(1, host.size() - 2);
    if (host.empty()) return bad_address(text, "nothing between the brackets");
  } else if (host.find(':') != host.npos) {
    return bad_address(text, "an IPv6 address needs brackets");
  }
  if (host.size() > kMaxHostBytes) return bad_address(text, "the host is too long");
  if (!std::all_of(host.begin(), host.end(),
                   [&](char c) { return is_host_character(c, in_brackets); })) {
    return bad_address(text, "the host has a character that no host has");
  }
  uint16_t port = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (digits.empty() || error != std::errc() || end != digits.data() + digits.size()) {
    return bad_address(text, "the port is no number from 0 to 65535");
  }
  return HostPort{std::string(host), port};
}

std::string to_string(const HostPort& address) {
  if (address.host.find(':') != std::string::npos) {
    return fmt::format("[{}]:{}", address.host, address.port);
  }
  return fmt::format("{}:{}", address.host, address.port);
}

}  // namespace ballast
