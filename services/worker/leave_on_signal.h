// SIGTERM and SIGINT, taken on a thread of its own. While the worker belongs to a job it leaves
// when it has finished what it was given; before that, or the second time, the process ends at
// once: it holds nothing that could be lost. Make it in main, before any other thread.
#pragma once

#include <chrono>
#include <condition_variable>
#include <csignal>
#include <mutex>
#include <thread>

#include "services/client/client.h"

namespace ballast {

class LeaveOnSignal {
 public:
  LeaveOnSignal();
  ~LeaveOnSignal();
  LeaveOnSignal(const LeaveOnSignal&) = delete;
  LeaveOnSignal& operator=(const LeaveOnSignal&) = delete;

  // The client to leave through; null: none (again). Any thread.
  void set_client(Client* client);
  bool interrupted();

  // The job is done: waits for a signal, which is then no interruption, so that what the metrics
  // say at the end can be read until somebody has had enough; no longer than `most`.
  void linger(std::chrono::milliseconds most);

 private:
  void wait();

  sigset_t set_{};
  std::mutex mutex_;
  Client* client_ = nullptr;  // guarded by mutex_
  bool interrupted_ = false;  // guarded by mutex_
  bool lingering_ = false;    // guarded by mutex_
  bool dismissed_ = false;    // guarded by mutex_
  std::condition_variable changed_;
  std::jthread thread_;
};

}  // namespace ballast
