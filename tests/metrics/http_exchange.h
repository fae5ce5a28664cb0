// One HTTP exchange over a plain socket, byte for byte, so that tests can send what no library
// would. Throws when the address cannot be reached. Any thread.
#pragma once

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string>
#include <string_view>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/address.h"

namespace ballast {

class Connection {
 public:
  // IPv4 only: "127.0.0.1:PORT".
  explicit Connection(const std::string& address) : fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
    const HostPort parsed = parse_host_port(address).value();
    sockaddr_in where{};
    where.sin_family = AF_INET;
    where.sin_port = htons(parsed.port);
    inet_pton(AF_INET, parsed.host.c_str(), &where.sin_addr);
    if (::connect(fd_, reinterpret_cast<const sockaddr*>(&where), sizeof where) != 0) {
      const std::string why = std::strerror(errno);
      ::close(fd_);
      throw std::runtime_error("connect to " + address + ": " + why);
    }
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection() { ::close(fd_); }

  void send(std::string_view bytes) const {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return;  // the other end closed: what it answered before is still there
      bytes.remove_prefix(static_cast<size_t>(sent));
    }
  }

  // All until the other end closes.
  std::string receive() const {
    std::string answer;
    std::array<char, 4096> buffer{};
    for (;;) {
      const ssize_t got = ::recv(fd_, buffer.data(), buffer.size(), 0);
      if (got <= 0) return answer;
      answer.append(buffer.data(), static_cast<size_t>(got));
    }
  }

 private:
  int fd_;
};

struct HttpAnswer {
  int status = 0;
  std::string headers;
  std::string body;
};

inline HttpAnswer http_exchange(const std::string& address, std::string_view request) {
  const Connection connection(address);
  connection.send(request);
  const std::string all = connection.receive();
  HttpAnswer answer;
  const size_t end = all.find("\r\n\r\n");
  answer.headers = all.substr(0, end);
  if (end != all.npos) answer.body = all.substr(end + 4);
  if (all.size() > 12) answer.status = std::atoi(all.substr(9, 3).c_str());
  return answer;
}

inline HttpAnswer http_get(const std::string& address, std::string_view path) {
  return http_exchange(address, "GET " + std::string(path) + " HTTP/1.1\r\nHost: x\r\n\r\n");
}

}  // namespace ballast
