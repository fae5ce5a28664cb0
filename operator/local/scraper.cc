#include "operator/local/scraper.h"

#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <memory>

#include "common/address.h"
#include "common/clock.h"
#include "common/descriptor.h"
#include "operator/scrape/parse.h"

namespace ballast::local {
namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kMaxAnswerBytes = 4u << 20;
constexpr int kDeadlineMs = 500;

bool wait_for(int fd, short events, Clock::time_point deadline) {
  const auto left =
      std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
  pollfd entry{fd, events, 0};
  return left > 0 && ::poll(&entry, 1, static_cast<int>(left)) == 1;
}

bool connect_to(int fd, const addrinfo& to, Clock::time_point deadline) {
  if (::connect(fd, to.ai_addr, to.ai_addrlen) == 0) return true;
  if (errno != EINPROGRESS || !wait_for(fd, POLLOUT, deadline)) return false;
  int error = 0;
  socklen_t size = sizeof error;
  return ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error == 0;
}

bool send_all(int fd, std::string_view bytes, Clock::time_point deadline) {
  while (!bytes.empty()) {
    const ssize_t n = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n > 0) {
      bytes.remove_prefix(static_cast<size_t>(n));
    } else if (n == 0 || (errno != EAGAIN && errno != EINTR) || !wait_for(fd, POLLOUT, deadline)) {
      return false;
    }
  }
  return true;
}

// Until the other side closes.
bool receive_all(int fd, std::string& answer, Clock::time_point deadline) {
  char buffer[16384];
  for (;;) {
    const ssize_t n = ::recv(fd, buffer, sizeof buffer, 0);
    if (n == 0) return true;
    if (n > 0) {
      answer.append(buffer, static_cast<size_t>(n));
      if (answer.size() > kMaxAnswerBytes) return false;
    } else if ((errno != EAGAIN && errno != EINTR) || !wait_for(fd, POLLIN, deadline)) {
      return false;
    }
  }
}

}  // namespace

Result<std::string> http_get(const std::string& address, const std::string& path, int deadline_ms) {
  const auto deadline = Clock::now() + std::chrono::milliseconds(deadline_ms);
  auto target = parse_host_port(address);
  if (!target) return tl::unexpected(target.error());
  addrinfo hints{};
  hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const std::string port = std::to_string(target->port);
  if (::getaddrinfo(target->host.c_str(), port.c_str(), &hints, &found) != 0) {
    return fail(ErrorCode::kInvalid, address + " is no numeric address");
  }
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owned(found, &::freeaddrinfo);
  const Descriptor socket(
      ::socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const std::string request =
      "GET " + path + " HTTP/1.0\r\nHost: " + address + "\r\nConnection: close\r\n\r\n";
  std::string answer;
  if (socket.get() < 0 || !connect_to(socket.get(), *found, deadline) ||
      !send_all(socket.get(), request, deadline) || !receive_all(socket.get(), answer, deadline)) {
    return fail(ErrorCode::kUnavailable, "no answer from " + address);
  }
  const size_t body = answer.find("\r\n\r\n");
  const bool good =
      answer.starts_with("HTTP/1.") && answer.size() > 12 && answer.compare(9, 3, "200") == 0;
  if (!good || body == std::string::npos) {
    return fail(ErrorCode::kUnavailable,
                address + path + " answered " + answer.substr(0, answer.find('\r')).substr(0, 80));
  }
  return answer.substr(body + 4);
}

Scraper::Scraper(int every_ms)
    : thread_([this, every_ms](const std::stop_token& stop) { run(stop, every_ms); }) {}

void Scraper::add(const std::string& process, const std::string& address) {
  const std::lock_guard lock(mutex_);
  targets_[process] = address;
}

void Scraper::remove(const std::string& process) {
  const std::lock_guard lock(mutex_);
  targets_.erase(process);
  answered_ms_.erase(process);
}

std::map<std::string, std::string> Scraper::targets() const {
  const std::lock_guard lock(mutex_);
  return targets_;
}

void Scraper::scrape_now() {
  for (const auto& [process, address] : targets()) {
    const int64_t asked_ms = SteadyClock().now_ms();
    const auto text = http_get(address, "/metrics", kDeadlineMs);
    if (!text) continue;  // the last answer stands
    auto read = scrape::parse(*text, scrape::Format::kPrometheus);
    if (!read) continue;
    auto exposition = std::make_shared<const scrape::Exposition>(std::move(*read));
    const int64_t answered_ms = SteadyClock().now_ms();
    const std::lock_guard lock(mutex_);
    last_answers_[process] = {process, asked_ms, answered_ms, std::move(exposition)};
    if (targets_.contains(process)) answered_ms_[process] = answered_ms;
  }
}

std::map<std::string, int64_t> Scraper::answered_ms() const {
  const std::lock_guard lock(mutex_);
  return answered_ms_;
}

std::vector<scrape::Answer> Scraper::answers() const {
  const std::lock_guard lock(mutex_);
  std::vector<scrape::Answer> all;
  for (const auto& [process, answer] : last_answers_) all.push_back({process, answer.exposition});
  return all;
}

std::optional<TimedAnswer> Scraper::latest(const std::string& process) const {
  const std::lock_guard lock(mutex_);
  const auto found = last_answers_.find(process);
  if (found == last_answers_.end()) return std::nullopt;
  return found->second;
}

void Scraper::run(const std::stop_token& stop, int every_ms) {
  while (!stop.stop_requested()) {
    scrape_now();
    std::unique_lock lock(mutex_);
    wake_.wait_for(lock, stop, std::chrono::milliseconds(every_ms), [] { return false; });
  }
}

}  // namespace ballast::local
