// Real children: how they end, what they see, what is said when they cannot be started.
#include "operator/local/child_process.h"

#include <signal.h>

#include <fstream>
#include <sstream>

#include <gmock/gmock.h>

#include "tests/local/temporary_folder.h"
#include "tests/local/wait.h"

namespace ballast::local {
namespace {

using ::testing::HasSubstr;

class ChildProcessTest : public ::testing::Test {
 protected:
  ChildOptions shell(const std::string& script) const {
    return {"/bin/sh", {"-c", script}, folder_.path() / "output", {"BALLAST_TEST=marked"}};
  }
  std::string output() const {
    std::stringstream text;
    text << std::ifstream(folder_.path() / "output").rdbuf();
    return text.str();
  }
  static ChildExit wait_for(ChildProcess& child) {
    EXPECT_TRUE(eventually([&] { return child.poll().has_value(); }));
    return child.poll().value_or(ChildExit{-1, -1});
  }
  TemporaryFolder folder_;
};

TEST_F(ChildProcessTest, ReportsHowItEnded) {
  auto done = ChildProcess::start(shell("exit 3"));
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(wait_for(*done), (ChildExit{3, 0}));
  auto killed = ChildProcess::start(shell("kill -SEGV $$"));
  ASSERT_TRUE(killed);
  EXPECT_EQ(wait_for(*killed), (ChildExit{0, SIGSEGV}));
}

TEST_F(ChildProcessTest, AppendsItsOutputAndGetsTheEnvironment) {
  for (int i = 0; i < 2; ++i) {
    auto child = ChildProcess::start(shell("echo $BALLAST_TEST; echo error >&2; cat"));
    ASSERT_TRUE(child);
    EXPECT_EQ(wait_for(*child), (ChildExit{0, 0}));
  }
  EXPECT_EQ(output(), "marked\nerror\nmarked\nerror\n");
}

TEST_F(ChildProcessTest, SignalsItsWholeGroup) {
  auto child =
      ChildProcess::start(shell("trap 'exit 7' TERM; echo ready; tail -f /dev/null & wait"));
  ASSERT_TRUE(child);
  ASSERT_TRUE(eventually([&] { return output() == "ready\n"; }));
  child->send_signal(SIGTERM);
  EXPECT_EQ(wait_for(*child), (ChildExit{7, 0}));
}

// A mask of /proc/self/status as a number: bit 0 is signal 1.
uint64_t signal_mask(const std::string& status, const std::string& name) {
  const size_t at = status.find(name + ":\t");
  return at == std::string::npos ? ~uint64_t{0}
                                 : std::stoull(status.substr(at + name.size() + 2), nullptr, 16);
}

TEST_F(ChildProcessTest, StartsWithNoSignalBlockedOrIgnored) {
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, &before);
  auto* const winch_before = ::signal(SIGWINCH, SIG_IGN);
  auto child = ChildProcess::start(shell("grep -E 'Sig(Blk|Ign)' /proc/self/status"));
  ::signal(SIGWINCH, winch_before);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  ASSERT_TRUE(child);
  wait_for(*child);
  // Between SIGSYS and SIGRTMIN lie the signals that the C library keeps for itself (signal(7)): a
  // program can neither set nor clear them, and whoever started the test may have left them
  // ignored.
  uint64_t ours = ~uint64_t{0};
  for (int signal = SIGSYS + 1; signal < SIGRTMIN; ++signal) ours &= ~(uint64_t{1} << (signal - 1));
  EXPECT_EQ(signal_mask(output(), "SigBlk") & ours, 0) << output();
  EXPECT_EQ(signal_mask(output(), "SigIgn") & ours, 0) << output();
}

TEST_F(ChildProcessTest, InheritsNoOpenFiles) {
  const int left_open = ::open("/dev/zero", O_RDONLY);
  auto child = ChildProcess::start(shell("ls -l /proc/$$/fd"));
  ::close(left_open);
  ASSERT_TRUE(child);
  wait_for(*child);
  EXPECT_THAT(output(), HasSubstr("/dev/null"));
  EXPECT_THAT(output(), ::testing::Not(HasSubstr("/dev/zero")));
  EXPECT_THAT(output(), ::testing::Not(HasSubstr("pipe")));
}

TEST_F(ChildProcessTest, NamesTheProgramThatCannotBeStarted) {
  ChildOptions options = shell("");
  options.program = folder_.path() / "nothing";
  auto missing = ChildProcess::start(options);
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, ErrorCode::kNotFound);
  EXPECT_THAT(missing.error().message, HasSubstr("nothing"));
  std::ofstream(folder_.path() / "text") << "no program";
  options.program = folder_.path() / "text";
  EXPECT_FALSE(ChildProcess::start(options));
}

TEST_F(ChildProcessTest, IsKilledWithItsOwner) {
  pid_t pid = 0;
  {
    auto child = ChildProcess::start(shell("trap '' TERM; echo ready; tail -f /dev/null"));
    ASSERT_TRUE(child);
    pid = child->pid();
    ASSERT_TRUE(eventually([&] { return output() == "ready\n"; }));
  }
  EXPECT_TRUE(ends_soon(pid));
}

}  // namespace
}  // namespace ballast::local
