// Signals as something to read: Ctrl-C, termination, and the end of children. Make it before any
// thread, so that all of them inherit the blocked mask. One thread.
#pragma once

#include <vector>

#include "common/error.h"

namespace ballast::local {

class Signals {
 public:
  static Result<Signals> open();
  ~Signals();  // the signals work as before again
  Signals(Signals&& other) noexcept;
  Signals& operator=(Signals&&) = delete;

  int fd() const { return fd_; }  // readable while a signal waits
  // SIGINT, SIGTERM, SIGHUP or SIGCHLD, in the order of arrival; repeated ones may have merged.
  std::vector<int> take();

 private:
  explicit Signals(int fd) : fd_(fd) {}

  int fd_;
};

}  // namespace ballast::local
