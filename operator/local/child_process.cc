#include "operator/local/child_process.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "common/check.h"
#include "common/descriptor.h"
#include "common/file.h"

extern char** environ;

namespace ballast::local {
namespace {

struct Prepared {
  const char* program;
  char* const* arguments;
  char* const* environment;
  int output;
  int null;
  int report;  // errno of a failed start goes here
  pid_t parent;
};

// Between fork and exec: other threads of the parent may hold locks, so system calls only.
[[noreturn]] void become(const Prepared& prepared) {
  const auto give_up = [&] {
    const int error = errno;
    [[maybe_unused]] const ssize_t written = ::write(prepared.report, &error, sizeof error);
    ::_exit(127);
  };
  ::setpgid(0, 0);
  if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) give_up();
  if (::getppid() != prepared.parent) ::_exit(127);  // it died before the line above
  struct sigaction by_default {};
  by_default.sa_handler = SIG_DFL;
  for (int signal = 1; signal < NSIG; ++signal) ::sigaction(signal, &by_default, nullptr);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  if (::dup2(prepared.null, 0) < 0 || ::dup2(prepared.output, 1) < 0 ||
      ::dup2(prepared.output, 2) < 0)
    give_up();
  // Files that were opened without close-on-exec by some library.
  ::close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
  ::execve(prepared.program, prepared.arguments, prepared.environment);
  give_up();
  ::_exit(127);
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> out;
  for (std::string& text : texts) out.push_back(text.data());
  out.push_back(nullptr);
  return out;
}

}  // namespace

Result<ChildProcess> ChildProcess::start(const ChildOptions& options) {
  CHECK(::gettid() == ::getpid());
  Descriptor output(
      ::open(options.output.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  if (output.get() < 0) return tl::unexpected(file_error(errno, "open", options.output));
  Descriptor null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  int ends[2];
  if (null.get() < 0 || ::pipe2(ends, O_CLOEXEC) != 0) {
    return tl::unexpected(file_error(errno, "prepare the start of", options.program));
  }
  Descriptor report_in(ends[0]);
  Descriptor report_out(ends[1]);

  std::vector<std::string> arguments = options.arguments;
  arguments.insert(arguments.begin(), options.program.string());
  std::vector<std::string> environment = options.environment;
  for (char** entry = environ; *entry != nullptr; ++entry) environment.emplace_back(*entry);
  const std::vector<char*> argument_pointers = pointers(arguments);
  const std::vector<char*> environment_pointers = pointers(environment);
  const Prepared prepared{options.program.c_str(),
                          argument_pointers.data(),
                          environment_pointers.data(),
                          output.get(),
                          null.get(),
                          report_out.get(),
                          ::getpid()};
  const pid_t pid = ::fork();
  if (pid < 0) return tl::unexpected(file_error(errno, "start", options.program));
  if (pid == 0) become(prepared);

  ::setpgid(pid, pid);  // here too: whoever comes first
  report_out.reset();
  int error = 0;
  ssize_t n;
  while ((n = ::read(report_in.get(), &error, sizeof error)) < 0 && errno == EINTR) {
  }
  if (n == static_cast<ssize_t>(sizeof error)) {
    while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
    }
    return tl::unexpected(file_error(error, "start", options.program));
  }
  return ChildProcess(pid);
}

ChildProcess::~ChildProcess() { finish(); }

ChildProcess::ChildProcess(ChildProcess&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)), exit_(other.exit_) {}

ChildProcess& ChildProcess::operator=(ChildProcess&& other) noexcept {
  if (this != &other) {
    finish();
    pid_ = std::exchange(other.pid_, -1);
    exit_ = other.exit_;
  }
  return *this;
}

void ChildProcess::finish() {
  if (pid_ < 0 || exit_) return;
  ::kill(-pid_, SIGKILL);
  ::kill(pid_, SIGKILL);
  while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
}

void ChildProcess::send_signal(int signal) {
  if (pid_ >= 0 && !poll()) ::kill(-pid_, signal);
}

std::optional<ChildExit> ChildProcess::poll() {
  if (pid_ < 0 || exit_) return exit_;
  int status = 0;
  if (::waitpid(pid_, &status, WNOHANG) != pid_) return std::nullopt;
  exit_ = WIFSIGNALED(status) ? ChildExit{0, WTERMSIG(status)} : ChildExit{WEXITSTATUS(status), 0};
  return exit_;
}

void reap_strangers(const std::vector<pid_t>& known) {
  for (;;) {
    siginfo_t info{};
    if (::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == 0) return;
    if (std::find(known.begin(), known.end(), info.si_pid) != known.end()) return;
    ::waitpid(info.si_pid, nullptr, WNOHANG);
  }
}

}  // namespace ballast::local
