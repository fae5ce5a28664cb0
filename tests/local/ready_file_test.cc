// Ready-files: what is believed and what is refused.
#include "operator/local/ready_file.h"

#include <fstream>

#include <gmock/gmock.h>

#include "tests/local/temporary_folder.h"

namespace ballast::local {
namespace {

using ::testing::HasSubstr;

Result<ReadyFile> read(const std::string& text) {
  TemporaryFolder folder;
  std::ofstream(folder.path() / "r.json") << text;
  return read_ready_file(folder.path() / "r.json", "ps-0");
}

TEST(ReadyFile, ReadsAllFields) {
  const auto ready =
      read(R"({"name": "ps-0", "incarnation": 18446744073709551615, "address": "unix:/s",)"
           R"( "metrics_address": "127.0.0.1:9", "pid": 4})");
  ASSERT_TRUE(ready) << ready.error().message;
  EXPECT_EQ(*ready, (ReadyFile{"ps-0", UINT64_MAX, "unix:/s", "127.0.0.1:9", 4}));
  EXPECT_EQ(read(R"({"name": "ps-0", "incarnation": "18446744073709551615"})")->incarnation,
            UINT64_MAX);
}

TEST(ReadyFile, NamesWhatIsWrong) {
  EXPECT_EQ(read_ready_file("/nonexistent", "ps-0").error().code, ErrorCode::kNotFound);
  for (const char* text :
       {"", "{", "[]", "{}", R"({"name": "ps-0", "incarnation": "x"})",
        R"({"name": "ps-0", "incarnation": 0})", R"({"name": 1, "incarnation": 1})",
        R"({"name": "ps-0", "incarnation": 1, "pid": "x"})"}) {
    const auto ready = read(text);
    ASSERT_FALSE(ready) << text;
    EXPECT_EQ(ready.error().code, ErrorCode::kCorrupt) << text;
    EXPECT_THAT(ready.error().message, HasSubstr("r.json"));
  }
  EXPECT_THAT(read(R"({"name": "ps-1", "incarnation": 1})").error().message,
              HasSubstr("expected \"ps-0\""));
}

}  // namespace
}  // namespace ballast::local
