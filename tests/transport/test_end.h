// One end of the transport with what it has been told so far. Used by one thread.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "services/transport/grpc_transport.h"
#include "tests/server/test_server.h"

namespace ballast {

inline constexpr TimeMs kPatienceMs = 20000;

inline std::unique_ptr<Transport> make(const Hello& self, const std::string& listen,
                                       Security security = {}, TransportLimits limits = {}) {
  auto made = make_grpc_transport(
      {.self = self, .listen = listen, .advertise = {}, .security = security, .limits = limits});
  EXPECT_TRUE(made) << made.error().message;
  return made ? std::move(*made) : nullptr;
}

// One end with what it has been told so far.
struct End {
  Hello self;
  std::unique_ptr<Transport> transport;
  std::vector<TransportEvent> events;

  void poll(TimeMs wait_ms) {
    for (TransportEvent& event : transport->poll(wait_ms)) events.push_back(std::move(event));
  }
  template <typename T>
  const T* find() const {
    for (const TransportEvent& event : events) {
      if (const auto* found = std::get_if<T>(&event)) return found;
    }
    return nullptr;
  }
  template <typename M>
  const Arrived* arrived() const {
    for (const TransportEvent& event : events) {
      const auto* found = std::get_if<Arrived>(&event);
      if (found != nullptr && std::holds_alternative<M>(found->envelope.message)) return found;
    }
    return nullptr;
  }
};

inline End make_end(const std::string& name, Role role, const std::string& listen = {},
                    const std::string& job = "job", Security security = {},
                    TransportLimits limits = {}) {
  End end{.self = test_hello(name, job, role), .transport = nullptr, .events = {}};
  end.transport = make(end.self, listen, security, limits);
  return end;
}

inline bool poll_until(std::vector<End*> ends, const std::function<bool()>& done) {
  const auto limit = std::chrono::steady_clock::now() + std::chrono::milliseconds(kPatienceMs);
  while (!done()) {
    if (std::chrono::steady_clock::now() > limit) return false;
    for (End* end : ends) end->poll(2);
  }
  return true;
}

}  // namespace ballast
