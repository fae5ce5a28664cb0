#include "common/human.h"

#include <gtest/gtest.h>

namespace ballast {
namespace {

TEST(Human, Bytes) {
  EXPECT_EQ(human_bytes(0), "0 B");
  EXPECT_EQ(human_bytes(1023), "1023 B");
  EXPECT_EQ(human_bytes(1024), "1.00 KiB");
  EXPECT_EQ(human_bytes(128u << 20), "128 MiB");
  EXPECT_EQ(human_bytes(15 * 1024 * 1024 + 300 * 1024), "15.3 MiB");
  EXPECT_EQ(human_bytes(UINT64_MAX), "16.0 EiB");
}

TEST(Human, Durations) {
  EXPECT_EQ(human_duration_ms(-1), "0 ms");
  EXPECT_EQ(human_duration_ms(999), "999 ms");
  EXPECT_EQ(human_duration_ms(12399), "12.3 s");
  EXPECT_EQ(human_duration_ms(59999), "59.9 s");
  EXPECT_EQ(human_duration_ms(125000), "2 min 05 s");
  EXPECT_EQ(human_duration_ms(3720000), "1 h 02 min");
  EXPECT_EQ(human_duration_ms(100 * 3600000LL), "100 h 00 min");
}

TEST(Human, Counts) {
  EXPECT_EQ(human_count(0), "0");
  EXPECT_EQ(human_count(999), "999");
  EXPECT_EQ(human_count(1000), "1.00k");
  EXPECT_EQ(human_count(12345), "12.3k");
  EXPECT_EQ(human_count(4560000), "4.56M");
  EXPECT_EQ(human_count(UINT64_MAX), "18.4E");
}

}  // namespace
}  // namespace ballast
