#include "common/flags/usage_error.h"

#include <gmock/gmock.h>

#include "common/exit_code.h"

namespace ballast {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

struct Told {
  int status = -1;
  std::string text;
};

// What a program with one required flag tells of this command line.
Told tell(const std::string& arguments) {
  CLI::App app("a program");
  std::string name;
  app.add_option("--name", name, "Who it is")->required();
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  Told told;
  try {
    app.parse(arguments);
  } catch (const CLI::ParseError& error) {
    told.status = usage_error(app, error);
  }
  told.text = testing::internal::GetCapturedStdout() + testing::internal::GetCapturedStderr();
  return told;
}

TEST(UsageError, TellsTheUnknownFlagAndNotTheOneThatItLeftMissing) {
  const Told told = tell("--nmae ps-0");
  EXPECT_EQ(told.status, to_status(ExitCode::kUsage));
  EXPECT_THAT(told.text, HasSubstr("--nmae"));
  EXPECT_THAT(told.text, Not(HasSubstr("required")));
}

TEST(UsageError, TellsWhatIsMissingWhereNothingIsUnknown) {
  const Told told = tell("");
  EXPECT_EQ(told.status, to_status(ExitCode::kUsage));
  EXPECT_THAT(told.text, HasSubstr("--name is required"));
}

TEST(UsageError, HelpIsNoError) {
  const Told told = tell("--help");
  EXPECT_EQ(told.status, to_status(ExitCode::kDone));
  EXPECT_THAT(told.text, HasSubstr("Who it is"));
}

}  // namespace
}  // namespace ballast
