// Waiting for what other processes do, with a deadline.
#pragma once

#include <fcntl.h>
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <functional>

namespace ballast::local {

inline constexpr std::chrono::seconds kTestDeadline{30};

// True as soon as the condition holds; polls, since a file of another process cannot call us.
inline bool eventually(const std::function<bool()>& condition) {
  const auto deadline = std::chrono::steady_clock::now() + kTestDeadline;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    ::poll(nullptr, 0, 2);
  }
  return true;
}

// True when the process has ended; any process, not only a child.
inline bool ends_soon(pid_t pid) {
  const int handle = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
  if (handle < 0) return true;
  pollfd entry{handle, POLLIN, 0};
  const bool ended =
      ::poll(&entry, 1, static_cast<int>(std::chrono::milliseconds(kTestDeadline).count())) == 1;
  ::close(handle);
  return ended;
}

}  // namespace ballast::local
