// Leader election by a Lease: the lease machine with a thread, a clock and a client. Says when this
// process begins and ceases to lead; gives the Lease up when it is destroyed.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "common/clock.h"
#include "common/log.h"
#include "common/mutex.h"
#include "operator/core/lease_machine.h"
#include "operator/kube/client.h"

namespace ballast::cluster {

// What others may ask, also before there is a Leader and after it. Any thread.
class Leadership {
 public:
  // Whether this process may act now; false as soon as its time is over, whoever sleeps.
  bool leads() const { return clock_.now_ms() < leads_until_ms_; }
  // Whether there is a Lease, as far as this process has heard.
  bool heard() const { return heard_; }
  // Since when the election's thread has done nothing.
  int64_t quiet_ms() const { return clock_.now_ms() - turned_ms_; }

  void set(const kube::LeaseState& state);

 private:
  const SteadyClock clock_{};
  std::atomic<int64_t> leads_until_ms_ = 0;
  std::atomic<int64_t> turned_ms_ = clock_.now_ms();
  std::atomic<bool> heard_ = false;
};

struct LeaderOptions {
  std::shared_ptr<kube::KubeClient> client;
  std::string name_space;
  std::string lease = "ballast-operator";
  std::string identity;  // of this process; never used again
  std::shared_ptr<Leadership> leadership;
  std::function<void()> begin;
  std::function<void()> cease;  // both on the thread of this
  Logger log;
};

class Leader {
 public:
  explicit Leader(LeaderOptions options);
  ~Leader();
  Leader(const Leader&) = delete;
  Leader& operator=(const Leader&) = delete;

 private:
  void run(const std::stop_token& stop);
  void handle(const kube::LeaseEvent& event);
  kube::LeaseEvent ask(const kube::ReadLease& read);
  kube::LeaseEvent ask(const kube::WriteLease& write);

  const LeaderOptions options_;
  const SteadyClock clock_{};
  kube::LeaseState state_;  // of the thread alone
  Mutex mutex_;
  std::condition_variable_any wake_;
  std::jthread thread_;
};

// A Lease as the API server has it, and back.
nlohmann::json lease_object(const kube::LeaseRecord& record, const kube::ObjectName& name,
                            const std::string& resource_version, int64_t unix_now_ms);
kube::LeaseRecord lease_record(const nlohmann::json& lease);

}  // namespace ballast::cluster
