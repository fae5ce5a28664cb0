#include "services/worker/leave_on_signal.h"

#include <cstdlib>

#include "common/exit_code.h"

namespace ballast {

LeaveOnSignal::LeaveOnSignal() {
  sigemptyset(&set_);
  sigaddset(&set_, SIGTERM);
  sigaddset(&set_, SIGINT);
  sigaddset(&set_, SIGUSR1);  // ends the waiting thread
  pthread_sigmask(SIG_BLOCK, &set_, nullptr);
  thread_ = std::jthread([this] { wait(); });
}

LeaveOnSignal::~LeaveOnSignal() { pthread_kill(thread_.native_handle(), SIGUSR1); }

void LeaveOnSignal::set_client(Client* client) {
  const std::lock_guard lock(mutex_);
  client_ = client;
}

bool LeaveOnSignal::interrupted() {
  const std::lock_guard lock(mutex_);
  return interrupted_;
}

void LeaveOnSignal::linger(std::chrono::milliseconds most) {
  std::unique_lock lock(mutex_);
  client_ = nullptr;
  lingering_ = true;
  changed_.wait_for(lock, most, [&] { return dismissed_; });
}

void LeaveOnSignal::wait() {
  int signal = 0;
  while (sigwait(&set_, &signal) == 0 && signal != SIGUSR1) {
    const std::lock_guard lock(mutex_);
    if (lingering_) {
      dismissed_ = true;
      changed_.notify_all();
      continue;
    }
    if (client_ == nullptr || interrupted_) {
      std::_Exit(to_status(ExitCode::kInterrupted));
    }
    interrupted_ = true;
    client_->leave();
  }
}

}  // namespace ballast
