#include "operator/local/control_socket.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include <nlohmann/json.hpp>

#include "common/descriptor.h"
#include "common/file.h"

namespace ballast::local {
namespace {

using nlohmann::json;

constexpr size_t kMaxLineBytes = 64 << 10;
constexpr int kPatienceMs = 200;  // of the run, which has other things to do
constexpr int kAnswerWithinMs = 5'000;

Result<sockaddr_un> address_of(const std::filesystem::path& run_folder) {
  const std::string path = (run_folder / kControlSocketName).string();
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    return fail(ErrorCode::kInvalid, path + " is too long for a socket");
  }
  std::memcpy(address.sun_path, path.c_str(), path.size());
  return address;
}

// Without its end; nothing when it does not come in time.
std::optional<std::string> read_line(int fd, int patience_ms) {
  std::string line;
  char buffer[4096];
  pollfd entry{fd, POLLIN, 0};
  while (line.size() < kMaxLineBytes && ::poll(&entry, 1, patience_ms) > 0) {
    const ssize_t bytes = ::recv(fd, buffer, sizeof buffer, 0);
    if (bytes <= 0) return std::nullopt;
    line.append(buffer, static_cast<size_t>(bytes));
    if (const size_t end = line.find('\n'); end != std::string::npos) return line.substr(0, end);
  }
  return std::nullopt;
}

bool write_line(int fd, const json& value) {
  const std::string line = value.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
  size_t sent = 0;
  while (sent < line.size()) {
    const ssize_t bytes = ::send(fd, line.data() + sent, line.size() - sent, MSG_NOSIGNAL);
    if (bytes <= 0) return false;
    sent += static_cast<size_t>(bytes);
  }
  return true;
}

bool is_ours(int fd) {
  ucred peer{};
  socklen_t size = sizeof peer;
  return ::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && peer.uid == ::geteuid();
}

Result<api::Changes> parse_request(const std::string& line) {
  const json request = json::parse(line, nullptr, false);
  if (!request.is_object() || !request.contains("changes") || !request["changes"].is_object()) {
    return fail(ErrorCode::kInvalid, "expected {\"changes\": {...}}");
  }
  api::Changes changes;
  for (const auto& [path, value] : request["changes"].items()) changes[path] = value;
  return changes;
}

}  // namespace

Result<ControlSocket> ControlSocket::listen(const std::filesystem::path& run_folder) {
  const auto address = address_of(run_folder);
  if (!address) return tl::unexpected(address.error());
  Descriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const auto* name = reinterpret_cast<const sockaddr*>(&*address);
  if (socket.get() < 0 || ::bind(socket.get(), name, sizeof *address) != 0 ||
      ::listen(socket.get(), 8) != 0) {
    return tl::unexpected(file_error(errno, "listen at", run_folder / kControlSocketName));
  }
  return ControlSocket(socket.release());
}

ControlSocket::~ControlSocket() {
  if (fd_ >= 0) ::close(fd_);
}

ControlSocket::ControlSocket(ControlSocket&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

void ControlSocket::serve(const Answer& answer) {
  const Descriptor caller(::accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC));
  if (caller.get() < 0 || !is_ours(caller.get())) return;
  const auto line = read_line(caller.get(), kPatienceMs);
  if (!line) return;
  const auto changes = parse_request(*line);
  const auto answered = changes ? answer(*changes) : tl::unexpected(changes.error());
  write_line(caller.get(),
             answered ? json{{"ok", *answered}} : json{{"error", answered.error().message}});
}

Result<std::string> ask_for_changes(const std::filesystem::path& run_folder,
                                    const api::Changes& changes) {
  const auto address = address_of(run_folder);
  if (!address) return tl::unexpected(address.error());
  const Descriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const auto* name = reinterpret_cast<const sockaddr*>(&*address);
  if (socket.get() < 0 || ::connect(socket.get(), name, sizeof *address) != 0) {
    return fail(ErrorCode::kUnavailable, "no run listens in " + run_folder.string());
  }
  json request = {{"changes", json::object()}};
  for (const auto& [path, value] : changes) request["changes"][path] = value;
  std::optional<std::string> line;
  if (write_line(socket.get(), request)) line = read_line(socket.get(), kAnswerWithinMs);
  const json answer = line ? json::parse(*line, nullptr, false) : json();
  if (answer.is_object() && answer.contains("ok") && answer["ok"].is_string()) {
    return answer["ok"].get<std::string>();
  }
  if (answer.is_object() && answer.contains("error") && answer["error"].is_string()) {
    return fail(ErrorCode::kInvalid, answer["error"].get<std::string>());
  }
  return fail(ErrorCode::kUnavailable, "the run in " + run_folder.string() + " did not answer");
}

}  // namespace ballast::local
