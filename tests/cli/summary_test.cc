// The end of a run, for people and for machines.
#include "operator/cmd/summary.h"

#include <gmock/gmock.h>

namespace ballast::cmd {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

Summary some_summary() {
  Summary summary;
  summary.steps = 1600;
  summary.duration_ms = 125'000;
  summary.tokens = 1'638'400;
  summary.tokens_per_second = 14'000;
  summary.training_loss = 1.5;
  summary.validation_loss = 1.386294361;
  summary.checkpoint = "/c/step-1600";
  summary.parameters_sha256 = "abc";
  summary.figures.parts = {8, 1, 0.5, 0.5};
  summary.figures.pushed_bytes = 3 << 20;
  summary.figures.push = {0.002, 0.5};
  return summary;
}

TEST(Summary, TellsPeopleWhatCameOut) {
  const std::string text = summary_text(some_summary());
  for (const char* part :
       {"1600 steps in 2 min 05 s", "perplexity 4.000", "2.0000 bits per byte", "compute 80.0%",
        "3.00 MiB pushed", "2.00 ms median, 500.00 ms p99", "/c/step-1600", "SHA-256 abc"}) {
    EXPECT_THAT(text, HasSubstr(part));
  }
  EXPECT_THAT(text, Not(HasSubstr("restarts")));
}

TEST(Summary, BitsPerByteOnlyWhereATokenIsAByte) {
  Summary summary = some_summary();
  summary.byte_tokens = false;
  EXPECT_THAT(summary_text(summary), Not(HasSubstr("bits per byte")));
  EXPECT_FALSE(summary_json(summary).contains("bitsPerByte"));
}

TEST(Summary, WithoutEvaluationOrMetrics) {
  const nlohmann::json json = summary_json(Summary{});
  EXPECT_FALSE(json.contains("validationLoss"));
  EXPECT_THAT(summary_text(Summary{}), Not(HasSubstr("workers' time")));
}

}  // namespace
}  // namespace ballast::cmd
