#include "common/exit_code.h"

#include <gtest/gtest.h>

namespace ballast {
namespace {

// People's scripts hold on to these numbers.
TEST(ExitCode, NumbersAreFixed) {
  EXPECT_EQ(to_status(ExitCode::kDone), 0);
  EXPECT_EQ(to_status(ExitCode::kFailed), 1);
  EXPECT_EQ(to_status(ExitCode::kUsage), 2);
  EXPECT_EQ(to_status(ExitCode::kRefused), 3);
  EXPECT_EQ(to_status(ExitCode::kInterrupted), 130);
}

TEST(ExitCode, OnlyLastingTroubleIsNotRetried) {
  EXPECT_FALSE(retry_may_help(0));
  EXPECT_TRUE(retry_may_help(1));
  EXPECT_FALSE(retry_may_help(2));
  EXPECT_FALSE(retry_may_help(3));
  EXPECT_TRUE(retry_may_help(137));  // what a shell says of a process killed by SIGKILL
}

}  // namespace
}  // namespace ballast
