// From metrics to figures: summed over processes and their lives, by role.
#include "operator/cmd/figures.h"

#include <gtest/gtest.h>

namespace ballast::cmd {
namespace {

std::vector<local::Sample> samples_of(const std::string& process, const char* text) {
  auto samples = local::parse_metrics(text);
  for (local::Sample& sample : samples) sample.labels["process"] = process;
  return samples;
}

TEST(Figures, SumOverWorkersAndTheirLives) {
  auto samples = samples_of("worker-0.1",
                            "ballast_worker_time_seconds_total{part=\"compute\"} "
                            "6\nballast_worker_pushed_bytes_total 100\n"
                            "ballast_worker_push_seconds_bucket{le=\"0.1\"} 10\n"
                            "ballast_worker_push_seconds_bucket{le=\"+Inf\"} 10\n");
  for (const auto& more :
       {samples_of("worker-0.2",
                   "ballast_worker_time_seconds_total{part=\"pull\"} 4\n"
                   "ballast_worker_pushed_bytes_total 11\nballast_worker_pulled_bytes_total 7\n"),
        samples_of("ps-0.1",
                   "ballast_worker_pushed_bytes_total 5000\nprocess_resident_memory_bytes 9\n")}) {
    samples.insert(samples.end(), more.begin(), more.end());
  }
  const Figures figures = figures_of(samples);
  EXPECT_EQ(figures.parts, (PartSeconds{6, 0, 0, 4}));
  EXPECT_EQ(figures.pushed_bytes, 111);
  EXPECT_EQ(figures.pulled_bytes, 7);
  EXPECT_NEAR(figures.push.median_seconds, 0.05, 1e-12);
  EXPECT_EQ(figures.pull.median_seconds, 0);
  EXPECT_EQ(figures.resident_bytes_of_servers, 9);
}

TEST(Figures, OfNothingAreZero) { EXPECT_EQ(figures_of({}).parts.sum(), 0); }

}  // namespace
}  // namespace ballast::cmd
