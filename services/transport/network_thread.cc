#include "services/transport/network_thread.h"

#include <chrono>
#include <iterator>
#include <utility>

namespace ballast {
namespace {

constexpr TimeMs kPollMs = 1000;
constexpr size_t kMaxBacklog =
    1024;  // events; beyond it the network waits, and with it the senders
constexpr TimeMs kBacklogPauseMs = 5;

}  // namespace

NetworkThread::NetworkThread(std::unique_ptr<Transport> transport)
    : transport_(std::move(transport)),
      address_(transport_->address()),
      thread_([this](const std::stop_token& stop) { run(stop); }) {}

NetworkThread::~NetworkThread() {
  thread_.request_stop();
  transport_->wake();
  thread_.join();
}

void NetworkThread::learn(const ProcessId& id, const std::string& address) {
  const std::lock_guard lock(mutex_);
  to_learn_.emplace_back(id, address);
}

void NetworkThread::send(const ProcessId& to, Message message, OutgoingPayload payload) {
  bool first = false;
  {
    const std::lock_guard lock(mutex_);
    first = outgoing_.empty();
    outgoing_.push_back({to, std::move(message), std::move(payload)});
  }
  if (first) transport_->wake();
}

void NetworkThread::wake() {
  const std::lock_guard lock(mutex_);
  woken_ = true;
  arrived_.notify_one();
}

std::vector<TransportEvent> NetworkThread::wait(TimeMs timeout_ms) {
  std::unique_lock lock(mutex_);
  arrived_.wait_for(lock, std::chrono::milliseconds(timeout_ms),
                    [&] { return woken_ || !events_.empty(); });
  woken_ = false;
  drained_.notify_one();
  return std::exchange(events_, {});
}

TransportCounters NetworkThread::counters() const {
  const std::lock_guard lock(mutex_);
  return counters_;
}

void NetworkThread::run(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    std::vector<TransportEvent> events = transport_->poll(kPollMs);
    std::vector<Outgoing> outgoing;
    std::vector<std::pair<ProcessId, std::string>> to_learn;
    {
      std::unique_lock lock(mutex_);
      if (!events.empty()) {
        events_.insert(events_.end(), std::make_move_iterator(events.begin()),
                       std::make_move_iterator(events.end()));
        arrived_.notify_one();
      }
      if (events_.size() > kMaxBacklog) {
        drained_.wait_for(lock, std::chrono::milliseconds(kBacklogPauseMs));
      }
      outgoing.swap(outgoing_);
      to_learn.swap(to_learn_);
      counters_ = transport_->counters();
    }
    for (const auto& [id, address] : to_learn) transport_->learn(id, address);
    for (Outgoing& out : outgoing) {
      transport_->send(out.to, out.message, std::move(out.payload));
    }
  }
}

}  // namespace ballast
