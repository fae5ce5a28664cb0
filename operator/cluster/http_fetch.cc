#include "operator/cluster/http_fetch.h"

#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>

#include "common/address.h"

namespace ballast::cluster {
namespace {

constexpr size_t kMaxAnswerBytes = 4U << 20;

}  // namespace

const short HttpFetch::kRead = POLLIN;
const short HttpFetch::kWrite = POLLOUT;

HttpFetch::HttpFetch(const std::string& address, const std::string& path)
    : address_(address),
      request_("GET " + path + " HTTP/1.0\r\nHost: " + address + "\r\nConnection: close\r\n\r\n") {
  const auto target = parse_host_port(address);
  if (!target) {
    end("no HOST:PORT");
    return;
  }
  addrinfo hints{};
  hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const std::string port = std::to_string(target->port);
  if (::getaddrinfo(target->host.c_str(), port.c_str(), &hints, &found) != 0) {
    end("no numeric address");
    return;
  }
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owned(found, &::freeaddrinfo);
  descriptor_ = ::socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (descriptor_ < 0 ||
      (::connect(descriptor_, found->ai_addr, found->ai_addrlen) != 0 && errno != EINPROGRESS)) {
    end(std::strerror(errno));
  }
}

HttpFetch::~HttpFetch() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

bool HttpFetch::end(const char* trouble) {
  ended_ = true;
  trouble_ = trouble;
  return true;
}

bool HttpFetch::advance() {
  if (ended_) return true;
  while (sent_ < request_.size()) {
    const ssize_t n =
        ::send(descriptor_, request_.data() + sent_, request_.size() - sent_, MSG_NOSIGNAL);
    if (n > 0) {
      sent_ += static_cast<size_t>(n);
    } else if (errno == EAGAIN || errno == ENOTCONN) {
      return false;
    } else if (errno != EINTR) {
      return end(std::strerror(errno));
    }
  }
  char buffer[16384];
  for (;;) {
    const ssize_t n = ::recv(descriptor_, buffer, sizeof buffer, 0);
    if (n > 0) {
      answer_.append(buffer, static_cast<size_t>(n));
      if (answer_.size() > kMaxAnswerBytes) return end("more than 4 MiB");
    } else if (n == 0) {
      return end("");
    } else if (errno == EAGAIN) {
      return false;
    } else if (errno != EINTR) {
      return end(std::strerror(errno));
    }
  }
}

Result<std::string_view> HttpFetch::body() const {
  if (!ended_ || !trouble_.empty()) {
    return fail(ErrorCode::kUnavailable, "no answer from " + address_ + ": " + trouble_);
  }
  const size_t head = answer_.find("\r\n\r\n");
  const bool good = answer_.starts_with("HTTP/1.") && answer_.size() > 12 &&
                    answer_.compare(9, 3, "200") == 0 && head != std::string::npos;
  if (!good) {
    return fail(ErrorCode::kUnavailable,
                address_ + " answered " + answer_.substr(0, answer_.find('\r')).substr(0, 80));
  }
  return std::string_view(answer_).substr(head + 4);
}

}  // namespace ballast::cluster
