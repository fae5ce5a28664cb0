#include "operator/cluster/expected.h"

#include <gtest/gtest.h>

namespace ballast::cluster {
namespace {

TEST(Expected, IsAskedForOnceUntilItIsSeen) {
  Expected expected;
  EXPECT_TRUE(expected.ask("a", 0));
  EXPECT_FALSE(expected.ask("a", 1));
  EXPECT_TRUE(expected.ask("b", 1));
  expected.settle("a");
  EXPECT_TRUE(expected.ask("a", 2));
}

TEST(Expected, WhatIsNotSeenIsAskedForAgain) {
  Expected expected;
  EXPECT_TRUE(expected.ask("a", 10));
  EXPECT_FALSE(expected.ask("a", 10 + kExpectWithinMs - 1));
  EXPECT_TRUE(expected.ask("a", 10 + kExpectWithinMs));
  EXPECT_FALSE(expected.ask("a", 10 + kExpectWithinMs + 1));
}

}  // namespace
}  // namespace ballast::cluster
