#include "common/log.h"

#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace ballast {
namespace {

using ::testing::SizeIs;

nlohmann::json only_line(const CapturedLog& log) {
  EXPECT_THAT(log.lines(), SizeIs(1));
  return nlohmann::json::parse(log.lines().at(0));
}

TEST(Log, FormatsOneLineInOrder) {
  const LogRecord record{.unix_time_ms = 1769860800007,
                         .level = LogLevel::kWarning,
                         .message = "step committed",
                         .fields = {{"step", uint64_t{5}}, {"loss", 2.5}, {"job", "tiny"}}};
  EXPECT_EQ(format_log_line(record),
            R"({"time":"2026-01-31T12:00:00.007Z","level":"warning","message":"step committed",)"
            R"("step":5,"loss":2.5,"job":"tiny"})");
}

TEST(Log, KeepsTypesOfValues) {
  const auto sink = std::make_shared<CapturedLog>();
  const std::string text = "t";
  Logger(sink).info("all types", {{"bool", true},
                                  {"signed", -3},
                                  {"unsigned", UINT64_MAX},
                                  {"real", 0.5f},
                                  {"literal", "a"},
                                  {"string", text},
                                  {"view", std::string_view("v")},
                                  {"error", Error{ErrorCode::kTimeout, "no answer"}}});
  const auto line = only_line(*sink);
  EXPECT_EQ(line["bool"], true);
  EXPECT_EQ(line["signed"], -3);
  EXPECT_EQ(line["unsigned"], UINT64_MAX);
  EXPECT_EQ(line["real"], 0.5);
  EXPECT_EQ(line["literal"], "a");
  EXPECT_EQ(line["string"], "t");
  EXPECT_EQ(line["view"], "v");
  EXPECT_EQ(line["error"], "timeout: no answer");
}

TEST(Log, EscapesAndReplacesWhatIsNotUtf8) {
  const auto sink = std::make_shared<CapturedLog>();
  Logger(sink).info("odd bytes", {{"value", std::string("a\n\"b\"\xff\0c", 8)}});
  EXPECT_EQ(sink->lines().at(0).find('\n'), std::string::npos);
  EXPECT_EQ(only_line(*sink)["value"], std::string("a\n\"b\"\xEF\xBF\xBD\0c", 10));
}

TEST(Log, DropsLinesBelowTheMinimum) {
  const auto sink = std::make_shared<CapturedLog>();
  const Logger log(sink, LogLevel::kWarning);
  log.debug("no");
  log.info("no");
  log.warning("yes");
  log.error("yes");
  EXPECT_THAT(sink->lines(), SizeIs(2));
  EXPECT_FALSE(log.enabled(LogLevel::kInfo));
}

TEST(Log, ChildBindsFieldsAndTheLaterOneWins) {
  const auto sink = std::make_shared<CapturedLog>();
  const Logger parent(sink, LogLevel::kInfo, {{"pod", "ps-0"}, {"term", 1}});
  parent.child({{"job", "tiny"}}).info("sealed", {{"term", 2}});
  const auto line = only_line(*sink);
  EXPECT_EQ(line["pod"], "ps-0");
  EXPECT_EQ(line["job"], "tiny");
  EXPECT_EQ(line["term"], 2);
}

TEST(Log, DefaultLoggerDropsEverything) {
  Logger().child({{"pod", "ps-0"}}).error("nobody hears", {{"step", 1}});
  EXPECT_FALSE(Logger().enabled(LogLevel::kError));
}

TEST(Log, ThreadsShareALogger) {
  const auto sink = std::make_shared<CapturedLog>();
  const Logger log(sink);
  {
    std::jthread one([&] {
      for (int i = 0; i < 100; ++i) log.info("one", {{"i", i}});
    });
    std::jthread two([&] {
      for (int i = 0; i < 100; ++i) log.info("two", {{"i", i}});
    });
  }
  EXPECT_THAT(sink->lines(), SizeIs(200));
}

TEST(Log, StderrSinkWritesOneLine) {
  testing::internal::CaptureStderr();
  Logger(std::make_shared<StderrLogSink>()).info("to stderr", {{"step", 7}});
  const std::string written = testing::internal::GetCapturedStderr();
  ASSERT_FALSE(written.empty());
  EXPECT_EQ(written.find('\n'), written.size() - 1);
  EXPECT_EQ(nlohmann::json::parse(written)["step"], 7);
}

TEST(Log, ParsesLevels) {
  EXPECT_EQ(parse_log_level("debug"), LogLevel::kDebug);
  EXPECT_EQ(parse_log_level("error"), LogLevel::kError);
  const auto bad = parse_log_level("loud");
  ASSERT_FALSE(bad);
  EXPECT_EQ(bad.error().code, ErrorCode::kInvalid);
  EXPECT_NE(bad.error().message.find("loud"), std::string::npos);
}

}  // namespace
}  // namespace ballast
