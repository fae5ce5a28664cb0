// What `ballast top` shows of two looks.
#include "operator/cmd/top_table.h"

#include <gmock/gmock.h>

#include "operator/scrape/parse.h"

namespace ballast::cmd {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

scrape::Answer answer(const std::string& process, const std::string& text) {
  auto read = scrape::parse(text, scrape::Format::kPrometheus);
  EXPECT_TRUE(read);
  return {process, std::make_shared<const scrape::Exposition>(std::move(*read))};
}

scrape::Answer worker(double microbatches, double compute) {
  return answer("worker-0",
                "ballast_worker_step 7\nballast_worker_assigned_microbatches 6\n"
                "ballast_worker_microbatches_total " +
                    std::to_string(microbatches) +
                    "\nballast_worker_time_seconds_total{part=\"compute\"} " +
                    std::to_string(compute) +
                    "\nballast_worker_time_seconds_total{part=\"wait\"} 3\n"
                    "process_resident_memory_bytes 1048576\n");
}

scrape::Answer server(double busy, double tokens) {
  return answer("ps-0",
                "ballast_coordinator 1\nballast_segments 12\nballast_primary_segments 5\n"
                "ballast_busy_seconds_total " +
                    std::to_string(busy) + "\nballast_tokens_total " + std::to_string(tokens) +
                    "\nprocess_resident_memory_bytes 2097152\n");
}

TEST(TopTable, HasARowForEachProcess) {
  const TopLook look = {{server(1, 100), worker(10, 1)}, {server(2, 300), worker(40, 2)}, 2};
  EXPECT_EQ(top_table(look),
            "SERVER                     BUSY  SEGMENTS  PRIMARIES  RECEIVED/s      SENT/s      "
            "MEMORY\n"
            "ps-0        coordinator    50 %        12          5           -           -    "
            "2.00 MiB\n"
            "WORKER          STEP  MICROBATCHES    SPEED/s  COMPUTE   PUSH   WAIT   PULL      "
            "MEMORY\n"
            "worker-0           7             6       30.0     50 %      -    0 %      -    "
            "1.00 MiB\n");
  EXPECT_EQ(tokens_per_second(look), 100);
}

TEST(TopTable, AProcessThatIsNewOrCountsAnewHasNoRates) {
  const TopLook first = {{}, {worker(10, 1)}, 1};
  EXPECT_THAT(top_table(first), HasSubstr("worker-0           7             6          -"));
  const TopLook anew = {{worker(100, 10)}, {worker(10, 1)}, 1};
  EXPECT_THAT(top_table(anew), Not(HasSubstr("-9")));
  EXPECT_EQ(tokens_per_second({{server(1, 100)}, {server(1, 5)}, 1}), 0);
  EXPECT_EQ(top_table({}), "");
}

}  // namespace
}  // namespace ballast::cmd
