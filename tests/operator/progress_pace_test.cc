#include "operator/cluster/progress_pace.h"

#include <gtest/gtest.h>

namespace ballast::cluster {
namespace {

ProgressPace& with_jobs(ProgressPace& pace, int count) {
  for (int i = 0; i < count; ++i) pace.job_began();
  return pace;
}

TEST(ProgressPace, AFewJobsTellAsOftenAsAnybody) {
  ProgressPace pace;
  EXPECT_EQ(with_jobs(pace, 200).every_ms(), decide::kProgressEveryMs);
  for (int i = 0; i < 100; ++i) pace.wrote(50);
  EXPECT_EQ(pace.every_ms(), decide::kProgressEveryMs);
}

TEST(ProgressPace, ManyShareWhatIsWrittenInASecond) {
  ProgressPace pace;
  EXPECT_EQ(with_jobs(pace, 1'000).every_ms(), 1'000'000 / kMostProgressWritesPerSecond);
  for (int i = 0; i < 900; ++i) pace.job_ended();
  EXPECT_EQ(pace.every_ms(), decide::kProgressEveryMs);
}

// A thousand jobs at an API server that takes two seconds: two writes a second are four at once.
TEST(ProgressPace, ASlowServerIsAskedLessOften) {
  ProgressPace pace;
  with_jobs(pace, 1'000);
  for (int i = 0; i < 200; ++i) pace.wrote(2'000);
  EXPECT_NEAR(static_cast<double>(pace.every_ms()), 500'000, 5'000);
  for (int i = 0; i < 200; ++i) pace.wrote(10);
  EXPECT_EQ(pace.every_ms(), 50'000) << "and as before when it is no more";
}

}  // namespace
}  // namespace ballast::cluster
