#include "operator/local/parting_channels.h"

#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <stop_token>
#include <thread>
#include <utility>

namespace ballast::local {
namespace {

class PartingChannels {
 public:
  PartingChannels() : thread_([this](const std::stop_token& stop) { run(stop); }) {}

  void take(std::shared_ptr<grpc::Channel> channel) {
    const std::lock_guard lock(mutex_);
    waiting_.push_back(std::move(channel));
    changed_.notify_one();
  }

 private:
  void run(const std::stop_token& stop) {
    constexpr std::chrono::milliseconds kLookForStop{100};
    for (;;) {
      std::unique_lock lock(mutex_);
      if (!changed_.wait(lock, stop, [this] { return !waiting_.empty(); })) return;
      const auto channel = std::move(waiting_.front());
      waiting_.pop_front();
      lock.unlock();
      while (!stop.stop_requested() && channel->GetState(false) == GRPC_CHANNEL_CONNECTING) {
        channel->WaitForStateChange(GRPC_CHANNEL_CONNECTING,
                                    std::chrono::system_clock::now() + kLookForStop);
      }
    }
  }

  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::deque<std::shared_ptr<grpc::Channel>> waiting_;  // guarded by mutex_
  std::jthread thread_;                                 // last: ends before what it uses
};

}  // namespace

void part_with(std::shared_ptr<grpc::Channel> channel) {
  static PartingChannels parting;
  parting.take(std::move(channel));
}

}  // namespace ballast::local
