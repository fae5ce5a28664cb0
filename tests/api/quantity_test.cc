// Amounts of memory as Kubernetes writes them.
#include "operator/api/quantity.h"

#include <gtest/gtest.h>

namespace ballast::api {
namespace {

TEST(Quantity, ReadsWhatKubernetesWrites) {
  const struct {
    const char* text;
    uint64_t bytes;
  } rows[] = {{"0", 0},
              {"128974848", 128974848},
              {"129e6", 129000000},
              {"123Mi", 128974848},
              {"1Ki", 1024},
              {"1.5Gi", 1610612736},
              {"2k", 2000},
              {"1M", 1000000},
              {"0.5G", 500000000},
              {"1T", 1000000000000},
              {"9000Ti", 9007199254740991},  // more than there is
              {"1e99", 9007199254740991},
              {"0.0001Ki", 1}};
  for (const auto& row : rows) {
    const auto bytes = parse_bytes(row.text);
    ASSERT_TRUE(bytes) << row.text;
    EXPECT_EQ(*bytes, row.bytes) << row.text;
  }
}

TEST(Quantity, RefusesWhatIsNoAmountOfMemory) {
  for (const char* text : {"", "Mi", "-1", "1 Gi", "1gi", "1GiB", "NaN", "inf", "9Pi", "0x10"}) {
    const auto bytes = parse_bytes(text);
    ASSERT_FALSE(bytes) << text;
    EXPECT_NE(bytes.error().message.find('"' + std::string(text) + '"'), std::string::npos);
  }
}

TEST(Quantity, IsWrittenInMebibytesWhereThatIsExact) {
  EXPECT_EQ(format_bytes(768u << 20), "768Mi");
  EXPECT_EQ(format_bytes((768u << 20) + 1), "805306369");
  EXPECT_EQ(*parse_bytes(format_bytes(3u << 20)), 3u << 20);
}

}  // namespace
}  // namespace ballast::api
