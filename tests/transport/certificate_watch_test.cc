// What is told of our own certificate, and when. Real files, a made-up clock.
#include "services/transport/certificate_watch.h"

#include <fstream>

#include <gmock/gmock.h>

#include "tests/server/test_server.h"
#include "tests/transport/tls_files.h"

namespace ballast {
namespace {

using Kind = CertificateNews::Kind;
using ::testing::HasSubstr;

TEST(CertificateWatch, TellsEachThingOnce) {
  const TestFolder folder;
  const certificates::KeyPair authority = test_authority();
  const int64_t start_ms = unix_now_ms();
  const Security files = write_files(folder.path(), "a", identity_for(authority, {}));
  CertificateWatch watch(files.tls_certificate);
  const auto expect = [&](int64_t at_ms, std::optional<Kind> kind, const std::string& words) {
    const auto news = watch.look(start_ms + at_ms);
    ASSERT_EQ(news.has_value(), kind.has_value()) << at_ms << (news ? news->text : "");
    if (!news) return;
    EXPECT_EQ(news->kind, *kind) << at_ms;
    EXPECT_THAT(news->text, HasSubstr(words));
  };
  expect(0, Kind::kRead, "spiffe://ballast/default/job/server ends at");
  expect(1, std::nullopt, "");
  write_files(folder.path(), "a", identity_for(authority, {}));
  expect(2, Kind::kRead, "ends at");
  expect(kHourMs / 2, std::nullopt, "");
  expect(kHourMs * 11 / 12, Kind::kEndsSoon, "ends at");
  expect(kHourMs * 11 / 12 + 1, std::nullopt, "");
  expect(kHourMs + 1000, Kind::kEnded, "ended at");
  expect(kHourMs + 1001, std::nullopt, "");

  write_files(folder.path(), "a", identity_for(authority, {.life_ms = 3 * kHourMs}));
  expect(kHourMs + 1002, Kind::kRead, "ends at");
  std::filesystem::remove(files.tls_certificate);
  expect(kHourMs + 1003, Kind::kUnreadable, files.tls_certificate);
  expect(kHourMs + 1004, std::nullopt, "");
  std::ofstream(files.tls_certificate) << "nonsense";
  expect(kHourMs + 1005, std::nullopt, "");
  write_files(folder.path(), "a", identity_for(authority, {.life_ms = 3 * kHourMs}));
  expect(kHourMs + 1006, Kind::kRead, "ends at");
}

TEST(CertificateWatch, HasNothingToTellWhereThereIsNone) {
  EXPECT_EQ(CertificateWatch("").look(unix_now_ms()), std::nullopt);
}

TEST(CertificateWatch, ItsNewsHaveLevels) {
  const auto log = std::make_shared<CapturedLog>();
  for (const Kind kind : {Kind::kRead, Kind::kEndsSoon, Kind::kEnded, Kind::kUnreadable}) {
    log_certificate(Logger(log), {kind, 0, "words"});
  }
  const auto lines = log->lines();
  ASSERT_EQ(lines.size(), 4U);
  const char* levels[] = {"info", "warning", "error", "error"};
  for (size_t i = 0; i < lines.size(); ++i) {
    EXPECT_THAT(lines[i], HasSubstr(std::string("\"level\":\"") + levels[i]));
    EXPECT_THAT(lines[i], HasSubstr("words"));
  }
}

}  // namespace
}  // namespace ballast
