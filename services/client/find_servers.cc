#include "services/client/find_servers.h"

#include <netdb.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <memory>
#include <thread>
#include <utility>

#include "services/transport/security.h"

namespace ballast {
namespace {

std::string resolve(const std::string& host) {
  addrinfo wanted{};
  wanted.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (::getaddrinfo(host.c_str(), nullptr, &wanted, &found) != 0) return "";
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(found, &::freeaddrinfo);
  std::array<char, NI_MAXHOST> text{};
  const int rc = ::getnameinfo(found->ai_addr, found->ai_addrlen, text.data(), text.size(), nullptr,
                               0, NI_NUMERICHOST);
  return rc == 0 ? text.data() : "";
}

// Empty: it leads nowhere.
std::string address_of(const std::string& server, const NameService& names) {
  if (is_unix_address(server)) return server;
  const auto parsed = parse_host_port(server);
  if (!parsed || parsed->host.empty()) return server;  // whoever connects says what is wrong
  const std::string host = names.resolve(parsed->host);
  return host.empty() ? "" : to_string(HostPort{host, parsed->port});
}

std::vector<std::string> addresses_of(const std::vector<std::string>& servers,
                                      const NameService& names) {
  std::vector<std::string> found;
  for (const std::string& server : servers) {
    std::string address = address_of(server, names);
    if (!address.empty()) found.push_back(std::move(address));
  }
  return found;
}

}  // namespace

NameService system_name_service() {
  return {resolve, [](int64_t ms) {
            std::this_thread::sleep_for(std::chrono::milliseconds(ms));  // sleeps: between looks
          }};
}

std::vector<std::string> find_servers(const std::vector<std::string>& servers,
                                      const NameService& names) {
  int64_t wait_ms = kFirstLookAgainMs;
  for (size_t look = 0;; ++look) {
    if (!address_of(servers[look % servers.size()], names).empty()) {
      std::vector<std::string> found = addresses_of(servers, names);
      if (!found.empty()) return found;
    }
    names.wait(wait_ms);
    wait_ms = std::min(wait_ms * 2, kLongestLookAgainMs);
  }
}

ServerLookup::ServerLookup(std::vector<std::string> servers, NameService names, Found found,
                           int64_t every_ms)
    : servers_(std::move(servers)),
      names_(std::move(names)),
      found_(std::move(found)),
      every_ms_(every_ms),
      thread_([this](const std::stop_token& stop) { run(stop); }) {}

void ServerLookup::seek(bool sought) {
  {
    const std::lock_guard lock(mutex_);
    sought_ = sought;
  }
  changed_.notify_all();
}

void ServerLookup::run(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (changed_.wait(lock, stop, [&] { return sought_; })) {
    const auto pause = std::chrono::milliseconds(every_ms_);
    if (changed_.wait_for(lock, stop, pause, [&] { return !sought_; })) continue;
    if (stop.stop_requested()) return;
    lock.unlock();
    std::vector<std::string> found = addresses_of(servers_, names_);
    if (!found.empty()) found_(std::move(found));
    lock.lock();
  }
}

}  // namespace ballast
