// One child process: started, signalled, reaped. It leads a process group of its own, so that a
// Ctrl-C in the terminal reaches only the program that manages it; it is killed when the thread
// that started it ends, for whatever reason. Main thread only (CHECKed): the kernel binds the child
// to the thread.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "common/error.h"

namespace ballast::local {

struct ChildOptions {
  std::filesystem::path program;
  std::vector<std::string> arguments;    // without the program's name
  std::filesystem::path output;          // standard output and error are appended here
  std::vector<std::string> environment;  // "NAME=value", in addition to ours
};

struct ChildExit {
  int code = 0;
  int signal = 0;  // 0: it ended by itself
  bool operator==(const ChildExit&) const = default;
};

class ChildProcess {
 public:
  // Errors name the program: kNotFound, kDenied and so on, also from the exec itself.
  static Result<ChildProcess> start(const ChildOptions& options);
  // Kills its group and reaps it where it still runs.
  ~ChildProcess();
  ChildProcess(ChildProcess&& other) noexcept;
  ChildProcess& operator=(ChildProcess&& other) noexcept;

  pid_t pid() const { return pid_; }
  void send_signal(int signal);  // to its whole group
  // Reaps without waiting; the same answer once it has ended.
  std::optional<ChildExit> poll();

 private:
  explicit ChildProcess(pid_t pid) : pid_(pid) {}
  void finish();

  pid_t pid_;  // -1: moved away
  std::optional<ChildExit> exit_;
};

// Reaps children that nobody started here: a subreaper and PID 1 inherit them. Ours, listed in
// `known`, are left alone.
void reap_strangers(const std::vector<pid_t>& known);

}  // namespace ballast::local
