#include "common/address.h"

#include <gtest/gtest.h>

namespace ballast {
namespace {

TEST(Address, ParsesAndPrints) {
  EXPECT_EQ(parse_host_port("127.0.0.1:9100"), (HostPort{"127.0.0.1", 9100}));
  EXPECT_EQ(parse_host_port("localhost:0"), (HostPort{"localhost", 0}));
  EXPECT_EQ(parse_host_port(":65535"), (HostPort{"", 65535}));
  EXPECT_EQ(parse_host_port("[::1]:80"), (HostPort{"::1", 80}));
  for (const char* text : {"127.0.0.1:9100", "[::1]:80", "ps-0.job_a.svc:1", ":0"}) {
    EXPECT_EQ(to_string(*parse_host_port(text)), text);
  }
}

TEST(Address, RefusesWithTheTextAndWhatWasExpected) {
  for (const char* text :
       {"", "localhost", "localhost:", "host:65536", "host:-1", "host:1x", "host: 1", "::1:80",
        "[]:80", "[::1:80", "ho st:1", "host/x:1", "unix:/tmp/x"}) {
    const auto address = parse_host_port(text);
    ASSERT_FALSE(address) << text;
    EXPECT_EQ(address.error().code, ErrorCode::kInvalid);
    EXPECT_NE(address.error().message.find(std::string("\"") + text + "\""), std::string::npos);
    EXPECT_NE(address.error().message.find("HOST:PORT"), std::string::npos);
  }
  EXPECT_FALSE(parse_host_port(std::string(254, 'a') + ":1"));
}

}  // namespace
}  // namespace ballast
