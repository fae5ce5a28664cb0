// What part each living process has, out of looks at metrics.
#include "operator/cmd/process_shares.h"

#include <memory>

#include <gtest/gtest.h>

#include "operator/scrape/parse.h"

namespace ballast::cmd {
namespace {

scrape::Answer answer(const std::string& target, const std::string& text) {
  auto read = scrape::parse(text, scrape::Format::kPrometheus);
  EXPECT_TRUE(read);
  return {target, std::make_shared<const scrape::Exposition>(std::move(*read))};
}

scrape::Answer server(const std::string& target, double busy) {
  return answer(target,
                "ballast_primary_segments 5\nprocess_resident_memory_bytes 1024\n"
                "ballast_busy_seconds_total " +
                    std::to_string(busy) + "\n");
}

bool lives(const std::string& name) { return name != "worker-9"; }

TEST(ProcessShares, OfTheLatestLifeOfEachThatLives) {
  ProcessShares shares;
  shares.look({answer("worker-0.1", "ballast_worker_assigned_microbatches 8\n"),
               answer("worker-0.10", "ballast_worker_assigned_microbatches 3\n"),
               answer("worker-0.2", "ballast_worker_assigned_microbatches 5\n"),
               answer("worker-9.1", "ballast_worker_assigned_microbatches 1\n"),
               answer("ps-0.1", "ballast_primary_segments NaN\n")},
              lives, 1000);
  EXPECT_EQ(shares.json(), nlohmann::json::parse(R"({"worker-0":{"microbatches":3},"ps-0":{}})"));
}

TEST(ProcessShares, BusyIsOfTheTimeBetweenTwoLooks) {
  ProcessShares shares;
  shares.look({server("ps-0.1", 10)}, lives, 1000);
  EXPECT_FALSE(shares.json()["ps-0"].contains("busy"));
  shares.look({server("ps-0.1", 11)}, lives, 3000);
  EXPECT_EQ(shares.json()["ps-0"]["busy"], 0.5);
  shares.look({server("ps-0.2", 99)}, lives, 4000);  // counts anew
  EXPECT_FALSE(shares.json()["ps-0"].contains("busy"));
  shares.look({server("ps-0.2", 98)}, lives, 5000);
  EXPECT_FALSE(shares.json()["ps-0"].contains("busy"));
}

TEST(ProcessShares, OfAWorkerIsItsComputing) {
  ProcessShares shares;
  const auto worker = [](double compute) {
    return answer("worker-0.1", "ballast_worker_time_seconds_total{part=\"compute\"} " +
                                    std::to_string(compute) +
                                    "\nballast_worker_time_seconds_total{part=\"wait\"} 9\n");
  };
  shares.look({worker(1)}, lives, 0);
  shares.look({worker(1.25)}, lives, 1000);
  EXPECT_EQ(shares.json()["worker-0"]["busy"], 0.25);
}

}  // namespace
}  // namespace ballast::cmd
