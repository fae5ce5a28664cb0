// Where a running job takes wishes from the command line: a unix socket in the run's folder, which
// only its owner can enter. One line of JSON comes in, one goes back, and the connection is closed.
//
// `{"changes": {"spec.workers.replicas": 3}}` is answered by `{"ok": "what was changed"}` or
// `{"error": "why not"}`. One thread; whoever does not speak at once is not waited for long.
#pragma once

#include <filesystem>
#include <functional>

#include "common/error.h"
#include "operator/api/job_change.h"

namespace ballast::local {

inline constexpr const char* kControlSocketName = "control.sock";

class ControlSocket {
 public:
  using Answer = std::function<Result<std::string>(const api::Changes&)>;

  static Result<ControlSocket> listen(const std::filesystem::path& run_folder);
  ~ControlSocket();
  ControlSocket(ControlSocket&& other) noexcept;
  ControlSocket& operator=(ControlSocket&&) = delete;

  int fd() const { return fd_; }  // readable when somebody calls
  void serve(const Answer& answer);

 private:
  explicit ControlSocket(int fd) : fd_(fd) {}

  int fd_;
};

// The other end: the answer of the run in this folder. kUnavailable: nobody listens there.
Result<std::string> ask_for_changes(const std::filesystem::path& run_folder,
                                    const api::Changes& changes);

}  // namespace ballast::local
