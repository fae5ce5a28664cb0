// The progress line at moments of a run.
#include "operator/cmd/progress_line.h"

#include <gtest/gtest.h>

namespace ballast::cmd {
namespace {

local::Progress at_step(int64_t step) {
  local::Progress progress;
  progress.report.step = step;
  progress.report.loss = 2.5;
  progress.phase = "training";
  progress.report.step_tokens = 1024;
  progress.workers = 2;
  return progress;
}

TEST(ProgressLine, BeforeTheFirstStep) {
  ProgressLine line(100);
  EXPECT_EQ(line.text(), "starting");
  local::Progress waiting;
  waiting.phase = "waiting for workers";
  line.progress(waiting, 0);
  EXPECT_EQ(line.text(), "waiting for workers");
  EXPECT_FALSE(line.milliseconds_left());
}

TEST(ProgressLine, TellsHowMuchIsTokenized) {
  ProgressLine line(100);
  line.tokenized(256 << 20, 1 << 30);
  EXPECT_EQ(line.text(), "tokenizing 25%  (256 MiB of 1.00 GiB)");
  line.tokenized(1 << 30, 1 << 30);
  EXPECT_EQ(line.text(), "starting");
  line.tokenized(0, 1 << 30);  // another worker begins late
  line.progress(at_step(1), 0);
  EXPECT_EQ(line.text().find("tokenizing"), std::string::npos);
}

TEST(ProgressLine, TellsSpeedSharesAndTimeLeft) {
  ProgressLine line(100);
  line.progress(at_step(10), 1'000);
  line.progress(at_step(30), 3'000);
  line.parts({1, 0, 0, 0}, 1'000);
  line.parts({9, 1, 0.5, 0.5}, 3'000);
  EXPECT_EQ(line.tokens_per_second(), 10'240);
  EXPECT_EQ(line.milliseconds_left(), 7'000);
  EXPECT_EQ(
      line.text(),
      "step 30/100  loss 2.5000  10.2k tokens/s  compute 80% push 10% wait 5% pull 5%  7.0 s left");
}

TEST(ProgressLine, ForgetsOldSpeed) {
  ProgressLine line(1'000'000);
  for (int64_t second = 0; second < 60; ++second) line.progress(at_step(second), second * 1000);
  for (int64_t second = 60; second < 120; ++second)
    line.progress(at_step(60 + (second - 60) * 100), second * 1000);
  EXPECT_NEAR(line.tokens_per_second(), 102'400, 1'000);
}

TEST(ProgressLine, StartsAnewAfterAReturnToAnEarlierStep) {
  ProgressLine line(100);
  line.progress(at_step(50), 1'000);
  line.progress(at_step(20), 2'000);
  EXPECT_EQ(line.tokens_per_second(), 0);
  line.progress(at_step(21), 3'000);
  EXPECT_EQ(line.tokens_per_second(), 1'024);
}

TEST(ProgressLine, ShowsEvaluationAndSkips) {
  ProgressLine line(100);
  local::Progress progress = at_step(5);
  progress.evaluation_loss = 2.25;
  progress.skipped = 3;
  line.progress(progress, 0);
  EXPECT_EQ(line.text(), "step 5/100  loss 2.5000  validation 2.2500  3 skipped");
  const auto json = line.json();
  EXPECT_EQ(json["validationLoss"], 2.25);
  EXPECT_EQ(json["step"], 5);
}

}  // namespace
}  // namespace ballast::cmd
