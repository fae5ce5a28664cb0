// From metrics to figures: summed over processes and their lives, by role.
#include "operator/cmd/figures.h"

#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "operator/scrape/parse.h"

namespace ballast::cmd {
namespace {

scrape::Answer answer_of(const std::string& process, const char* text) {
  auto exposition = scrape::parse(text, scrape::Format::kPrometheus);
  EXPECT_TRUE(exposition) << process;
  return {process, std::make_shared<const scrape::Exposition>(std::move(*exposition))};
}

TEST(Figures, SumOverWorkersAndTheirLives) {
  const std::vector<scrape::Answer> answers = {
      answer_of("worker-0.1",
                "ballast_worker_time_seconds_total{part=\"compute\"} 6\n"
                "ballast_worker_pushed_bytes_total 100\n"
                "ballast_worker_push_seconds_bucket{le=\"0.1\"} 10\n"
                "ballast_worker_push_seconds_bucket{le=\"+Inf\"} 10\n"),
      answer_of("worker-0.2",
                "ballast_worker_time_seconds_total{part=\"pull\"} 4\n"
                "ballast_worker_pushed_bytes_total 11\nballast_worker_pulled_bytes_total 7\n"),
      answer_of("ps-0.1",
                "ballast_worker_pushed_bytes_total 5000\nprocess_resident_memory_bytes 9\n")};
  const Figures figures = figures_of(answers);
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
