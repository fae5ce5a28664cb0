// A transport on a thread of its own, so that arithmetic and the network go on at the same time.
// What it brings is taken in order with wait(); what is sent is handed over and goes out in order.
// Thread rule: wait() on one thread; everything else from any.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "services/transport/transport.h"

namespace ballast {

class NetworkThread {
 public:
  explicit NetworkThread(std::unique_ptr<Transport> transport);
  ~NetworkThread();
  NetworkThread(const NetworkThread&) = delete;
  NetworkThread& operator=(const NetworkThread&) = delete;

  const std::string& address() const { return address_; }
  void learn(const ProcessId& id, const std::string& address);
  void send(const ProcessId& to, Message message, OutgoingPayload payload = {});

  // Everything that has come; waits for something, for a wake(), at most for so long.
  std::vector<TransportEvent> wait(TimeMs timeout_ms);
  void wake();

  TransportCounters counters() const;

 private:
  struct Outgoing {
    ProcessId to;
    Message message;
    OutgoingPayload payload;
  };
  void run(const std::stop_token& stop);

  const std::unique_ptr<Transport> transport_;  // the thread's, but for wake()
  const std::string address_;
  mutable std::mutex mutex_;
  std::condition_variable arrived_;
  std::condition_variable drained_;
  std::vector<TransportEvent> events_;                       // guarded by mutex_
  std::vector<Outgoing> outgoing_;                           // guarded by mutex_
  std::vector<std::pair<ProcessId, std::string>> to_learn_;  // guarded by mutex_
  TransportCounters counters_;                               // guarded by mutex_
  bool woken_ = false;                                       // guarded by mutex_
  std::jthread thread_;
};

}  // namespace ballast
