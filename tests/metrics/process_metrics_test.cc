#include "common/metrics/process_metrics.h"

#include <chrono>
#include <map>
#include <string>
#include <vector>

#include <fcntl.h>
#include <unistd.h>

#include <gtest/gtest.h>
#include <prometheus/metric_family.h>

namespace ballast {
namespace {

std::map<std::string, double> collect(const prometheus::Collectable& collectable) {
  std::map<std::string, double> values;
  for (const auto& family : collectable.Collect()) {
    const auto& metric = family.metric.at(0);
    values[family.name] =
        family.type == prometheus::MetricType::Counter ? metric.counter.value : metric.gauge.value;
  }
  return values;
}

TEST(ProcessMetrics, AreThoseOfThisProcess) {
  const auto metrics = process_metrics(build_info());
  auto values = collect(*metrics);
  const double now_seconds =
      std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
  EXPECT_EQ(values.at("ballast_build_info"), 1);
  EXPECT_GT(values.at("process_resident_memory_bytes"), 1e6);
  EXPECT_GE(values.at("process_virtual_memory_bytes"), values.at("process_resident_memory_bytes"));
  EXPECT_GE(values.at("process_cpu_seconds_total"), 0);
  EXPECT_NEAR(values.at("process_start_time_seconds"), now_seconds, 3600);
  EXPECT_GE(values.at("process_max_fds"), values.at("process_open_fds"));
}

TEST(ProcessMetrics, FollowTheProcess) {
  const auto metrics = process_metrics(build_info());
  const auto before = collect(*metrics);
  const std::vector<char> memory(64u << 20, 1);
  const int fd = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  const auto after = collect(*metrics);
  ::close(fd);
  EXPECT_EQ(after.at("process_open_fds"), before.at("process_open_fds") + 1);
  EXPECT_GT(after.at("process_resident_memory_bytes"),
            before.at("process_resident_memory_bytes") + (32 << 20));
  EXPECT_EQ(memory.back(), 1);
}

TEST(ProcessMetrics, TheBuildIsNamed) {
  EXPECT_FALSE(build_info().version.empty());
  EXPECT_FALSE(build_info().revision.empty());
}

}  // namespace
}  // namespace ballast
