#include "operator/local/orphan_guard.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>
#include <vector>

#include "common/file.h"
#include "common/random_id.h"

namespace ballast::local {
namespace {

constexpr int kMaxSweeps = 400;
constexpr useconds_t kBetweenSweepsUs = 5'000;

// Whether the process carries the mark. An ended one has no environment.
bool carries(const char* pid, const std::string& mark) {
  const std::string path = std::string("/proc/") + pid + "/environ";
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  std::string environment(1, '\0');
  char buffer[4096];
  for (ssize_t n; (n = ::read(fd, buffer, sizeof buffer)) > 0;)
    environment.append(buffer, static_cast<size_t>(n));
  ::close(fd);
  return environment.find('\0' + mark + '\0') != std::string::npos;
}

// The handle is taken before the look, so that a reused number cannot hit a stranger.
bool kill_if_marked(const char* name, const std::string& mark) {
  const pid_t pid = static_cast<pid_t>(std::strtol(name, nullptr, 10));
  if (pid <= 1 || pid == ::getpid()) return false;
  const int handle = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
  bool found = false;
  if (handle >= 0) {
    found = carries(name, mark);
    if (found) ::syscall(SYS_pidfd_send_signal, handle, SIGKILL, nullptr, 0);
    ::close(handle);
  } else if (errno != ESRCH && carries(name, mark)) {
    found = true;
    ::kill(pid, SIGKILL);
  }
  return found;
}

void sweep(const std::string& mark) {
  for (int i = 0; i < kMaxSweeps; ++i) {
    DIR* processes = ::opendir("/proc");
    if (processes == nullptr) return;
    bool found = false;
    while (const dirent* entry = ::readdir(processes)) {
      if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9')
        found |= kill_if_marked(entry->d_name, mark);
    }
    ::closedir(processes);
    if (!found) return;
    ::usleep(kBetweenSweepsUs);  // sleeps: what was killed needs a moment to go
  }
}

// The guard's whole life, which begins with all signals blocked: what comes before they are ignored
// is not to end it. Nothing of the parent stays open, so that nobody waits for the guard.
[[noreturn]] void guard_main(int pipe, const std::string& mark, const sigset_t& signals_before) {
  for (int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE, SIGTSTP}) ::signal(signal, SIG_IGN);
  ::sigprocmask(SIG_SETMASK, &signals_before, nullptr);
  ::setsid();
  ::prctl(PR_SET_NAME, "ballast-guard");
  const int null = ::open("/dev/null", O_RDWR);
  for (int fd : {0, 1, 2}) ::dup2(null, fd);
  if (pipe != 3) ::dup2(pipe, 3);
  ::close_range(4, ~0U, 0);
  char byte;
  for (;;) {
    const ssize_t n = ::read(3, &byte, 1);
    if (n == 0 || (n < 0 && errno != EINTR)) break;
  }
  sweep(mark);
  ::_exit(0);
}

}  // namespace

Result<OrphanGuard> OrphanGuard::start() {
  const std::string mark = "BALLAST_RUN=" + random_uuid();
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0)
    return tl::unexpected(file_error(errno, "make a pipe for", "the guard"));
  // Orphans of our children come to us and not to init: they are reaped, and found by their parent.
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::close(ends[1]);
    guard_main(ends[0], mark, before);
  }
  const int failure = errno;
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (pid < 0) {
    const Error error = file_error(failure, "start", "the guard");
    ::close(ends[0]);
    ::close(ends[1]);
    return tl::unexpected(error);
  }
  ::close(ends[0]);
  return OrphanGuard(mark, pid, ends[1]);
}

OrphanGuard::~OrphanGuard() {
  if (pipe_ < 0) return;
  ::close(pipe_);
  while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

OrphanGuard::OrphanGuard(OrphanGuard&& other) noexcept
    : mark_(std::move(other.mark_)), pid_(other.pid_), pipe_(std::exchange(other.pipe_, -1)) {}

}  // namespace ballast::local
