// Nothing survives a supervisor, however it is killed: its child, and a daemon that has left
// session and parent.
#include "operator/local/orphan_guard.h"

#include <signal.h>
#include <sys/wait.h>

#include <fstream>

#include <gtest/gtest.h>

#include "operator/local/child_process.h"
#include "tests/local/temporary_folder.h"
#include "tests/local/wait.h"

namespace ballast::local {
namespace {

class OrphanGuardTest : public ::testing::Test {
 protected:
  void SetUp() override {
    supervisor_ = ::fork();
    if (supervisor_ == 0) {
      ::execl(FAKE_SUPERVISOR, FAKE_SUPERVISOR, folder_.path().c_str(), nullptr);
      ::_exit(127);
    }
    ASSERT_TRUE(eventually([&] {
      std::ifstream(folder_.path() / "started") >> guard_ >> child_;
      std::ifstream(folder_.path() / "daemon") >> daemon_;
      return guard_ > 0 && child_ > 0 && daemon_ > 0;
    }));
    ASSERT_EQ(::kill(child_, 0), 0);
    ASSERT_EQ(::kill(daemon_, 0), 0);
  }
  void TearDown() override {
    for (pid_t pid : {supervisor_, child_, daemon_}) {
      if (pid > 0) ::kill(pid, SIGKILL);
    }
    ::waitpid(supervisor_, nullptr, 0);
  }

  TemporaryFolder folder_;
  pid_t supervisor_ = 0;
  pid_t guard_ = 0;
  pid_t child_ = 0;
  pid_t daemon_ = 0;
};

TEST_F(OrphanGuardTest, NothingSurvivesAKilledSupervisor) {
  ::kill(supervisor_, SIGKILL);
  EXPECT_TRUE(ends_soon(child_));
  EXPECT_TRUE(ends_soon(daemon_));
  EXPECT_TRUE(ends_soon(guard_));
}

TEST_F(OrphanGuardTest, NothingSurvivesATerminatedSupervisor) {
  ::kill(supervisor_, SIGTERM);
  EXPECT_TRUE(ends_soon(child_));
  EXPECT_TRUE(ends_soon(daemon_));
}

TEST_F(OrphanGuardTest, ChildrenAreBoundEvenWithoutTheGuard) {
  ::kill(guard_, SIGKILL);
  ASSERT_TRUE(ends_soon(guard_));
  ::kill(supervisor_, SIGKILL);
  EXPECT_TRUE(ends_soon(child_));
}

TEST_F(OrphanGuardTest, TheGuardOutlivesSignalsToTheGroup) {
  for (int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT}) ::kill(guard_, signal);
  ::kill(supervisor_, SIGKILL);
  EXPECT_TRUE(ends_soon(daemon_));
}

}  // namespace
}  // namespace ballast::local
