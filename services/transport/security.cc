#include "services/transport/security.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include <fmt/format.h>

#include "common/address.h"

namespace ballast {
namespace {

constexpr std::string_view kUnix = "unix:";

// Does somebody answer at this socket? The file stays behind when its process is killed.
Result<bool> somebody_listens(const std::string& path) {
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  std::memcpy(name.sun_path, path.data(), path.size());
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return fail(ErrorCode::kInternal, fmt::format("socket: {}", std::strerror(errno)));
  const int rc = ::connect(fd, reinterpret_cast<const sockaddr*>(&name), sizeof name);
  const int error = rc == 0 ? 0 : errno;
  ::close(fd);
  return error != ECONNREFUSED && error != ENOENT;
}

}  // namespace

bool is_unix_address(std::string_view address) { return address.starts_with(kUnix); }

Result<void> check_security(const Security& security, std::string_view address) {
  const bool any =
      !security.tls_certificate.empty() || !security.tls_key.empty() || !security.tls_ca.empty();
  const bool all =
      !security.tls_certificate.empty() && !security.tls_key.empty() && !security.tls_ca.empty();
  if (any && !all) {
    return fail(ErrorCode::kInvalid, "TLS needs all of certificate, key and CA; one is missing");
  }
  if (any && security.trusted_network) {
    return fail(ErrorCode::kInvalid, "a trusted network and TLS files exclude each other");
  }
  if (is_unix_address(address)) {
    const std::string_view path = address.substr(kUnix.size());
    if (!path.starts_with('/')) {
      return fail(ErrorCode::kInvalid,
                  fmt::format("address '{}': expected unix:/absolute/path", address));
    }
    if (path.size() >= sizeof(sockaddr_un::sun_path)) {
      return fail(ErrorCode::kInvalid,
                  fmt::format("address '{}': the path has {} bytes, at most {} are possible",
                              address, path.size(), sizeof(sockaddr_un::sun_path) - 1));
    }
    return {};
  }
  if (auto parsed = parse_host_port(address); !parsed) {
    return tl::unexpected(parsed.error());
  }
  if (!any && !security.trusted_network) {
    return fail(ErrorCode::kInvalid,
                fmt::format("address '{}': TCP needs TLS files, or a network that is said to be "
                            "trusted",
                            address));
  }
  return {};
}

Result<void> prepare_unix_socket(std::string_view address) {
  const std::string path(address.substr(kUnix.size()));
  const std::string folder = path.substr(0, std::max<size_t>(path.rfind('/'), 1));
  struct stat state {};
  if (::stat(folder.c_str(), &state) != 0) {
    return fail(ErrorCode::kNotFound,
                fmt::format("folder {} of socket {}: {}", folder, path, std::strerror(errno)));
  }
  if (!S_ISDIR(state.st_mode)) {
    return fail(ErrorCode::kInvalid, fmt::format("{} is no folder", folder));
  }
  if (state.st_uid != ::geteuid() || (state.st_mode & 077) != 0) {
    return fail(
        ErrorCode::kDenied,
        fmt::format("folder {} of socket {} has mode {:04o} and owner {}; expected 0700 and "
                    "owner {}, so that nobody else can enter",
                    folder, path, state.st_mode & 07777, state.st_uid, ::geteuid()));
  }
  if (::lstat(path.c_str(), &state) != 0) return {};
  if (!S_ISSOCK(state.st_mode)) {
    return fail(ErrorCode::kAlreadyExists, fmt::format("{} exists and is no socket", path));
  }
  const Result<bool> taken = somebody_listens(path);
  if (!taken) return tl::unexpected(taken.error());
  if (*taken) {
    return fail(ErrorCode::kAlreadyExists, fmt::format("a live process listens at {}", path));
  }
  ::unlink(path.c_str());
  return {};
}

}  // namespace ballast
