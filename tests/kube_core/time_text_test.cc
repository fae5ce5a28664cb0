// Times as Kubernetes writes them.
#include "operator/core/time_text.h"

#include <gtest/gtest.h>

namespace ballast::kube {
namespace {

TEST(Time, ThereAndBack) {
  for (const char* text : {"1970-01-01T00:00:00Z", "1999-12-31T23:59:59Z", "2000-02-29T00:00:00Z",
                           "2026-01-31T12:00:00Z", "2100-03-01T00:00:00Z"}) {
    const auto parsed = parse_time(text);
    ASSERT_TRUE(parsed) << text;
    EXPECT_EQ(format_time(*parsed), text);
  }
  EXPECT_EQ(parse_time("1970-01-01T00:00:01.5Z"), 1000);
  EXPECT_EQ(parse_time("2000-02-29T00:00:00Z"), 951'782'400'000);
  for (const char* text : {"", "2026-01-31", "2026-13-01T00:00:00Z", "x026-01-01T00:00:00Z",
                           "2026-01-01T00:00:00+01:00"}) {
    EXPECT_FALSE(parse_time(text)) << text;
  }
}

}  // namespace
}  // namespace ballast::kube
