#include "common/metrics/process_metrics.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <prometheus/metric_family.h>

#include "common/file.h"

namespace ballast {
namespace {

using prometheus::MetricFamily;
using prometheus::MetricType;

constexpr uint64_t kProcFileLimitBytes = 65536;

// Fields of proc(5) that are shown, in their units.
struct ProcessStat {
  double virtual_memory_bytes = 0;
  double resident_memory_bytes = 0;
  double start_ticks = 0;  // clock ticks after boot
};

std::optional<ProcessStat> read_stat() {
  const auto text = read_file("/proc/self/stat", kProcFileLimitBytes);
  if (!text) return std::nullopt;
  // "PID (NAME) STATE ...": the name may hold spaces and brackets, so fields count from the last
  // one.
  const size_t name_end = text->rfind(')');
  if (name_end == text->npos) return std::nullopt;
  std::string_view rest = std::string_view(*text).substr(name_end + 1);
  std::vector<std::string_view> fields;  // fields[0] is field 3 of proc(5)
  while (!rest.empty()) {
    const size_t begin = rest.find_first_not_of(" \n");
    if (begin == rest.npos) break;
    rest.remove_prefix(begin);
    const size_t end = std::min(rest.find_first_of(" \n"), rest.size());
    fields.push_back(rest.substr(0, end));
    rest.remove_prefix(end);
  }
  const auto number = [&](size_t field) {
    double value = 0;
    const std::string_view digits = fields[field - 3];
    std::from_chars(digits.data(), digits.data() + digits.size(), value);
    return value;
  };
  if (fields.size() < 22) return std::nullopt;
  return ProcessStat{
      .virtual_memory_bytes = number(23),
      .resident_memory_bytes = number(24) * static_cast<double>(sysconf(_SC_PAGESIZE)),
      .start_ticks = number(22)};
}

// Seconds since 1970 at boot; the process's start is given relative to it.
std::optional<double> read_boot_time_seconds() {
  const auto text = read_file("/proc/stat", uint64_t{1} << 22);  // grows with the number of CPUs
  if (!text) return std::nullopt;
  constexpr std::string_view kKey = "\nbtime ";
  const size_t position = text->find(kKey);
  if (position == text->npos) return std::nullopt;
  double seconds = 0;
  const char* digits = text->data() + position + kKey.size();
  std::from_chars(digits, text->data() + text->size(), seconds);
  return seconds;
}

double cpu_seconds() {
  timespec used{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
  return static_cast<double>(used.tv_sec) + static_cast<double>(used.tv_nsec) / 1e9;
}

std::optional<double> open_descriptors() {
  std::error_code error;
  double count = 0;
  for (std::filesystem::directory_iterator entry("/proc/self/fd", error), end;
       !error && entry != end; entry.increment(error)) {
    ++count;
  }
  if (error) return std::nullopt;
  return count - 1;  // the one that reads the folder
}

MetricFamily one_value(std::string name, std::string help, MetricType type, double value) {
  prometheus::ClientMetric metric;
  (type == MetricType::Counter ? metric.counter.value : metric.gauge.value) = value;
  return {std::move(name), std::move(help), type, {std::move(metric)}};
}

class ProcessMetrics : public prometheus::Collectable {
 public:
  ProcessMetrics(const BuildInfo& build, const std::string& process, uint64_t incarnation) {
    if (!process.empty()) {
      identity_ = one_value("ballast_process_info", "1, with the life of the process as labels.",
                            MetricType::Gauge, 1);
      identity_->metric[0].label = {{"process", process},
                                    {"incarnation", std::to_string(incarnation)}};
    }
    build_ = one_value("ballast_build_info", "1, with the build as labels.", MetricType::Gauge, 1);
    build_.metric[0].label = {{"version", build.version}, {"revision", build.revision}};
    const auto stat = read_stat();
    const auto boot = read_boot_time_seconds();
    if (stat && boot) {
      start_time_seconds_ = *boot + stat->start_ticks / static_cast<double>(sysconf(_SC_CLK_TCK));
    }
  }

  std::vector<MetricFamily> Collect() const override {
    std::vector<MetricFamily> families = {build_};
    if (identity_) families.push_back(*identity_);
    families.push_back(one_value("process_cpu_seconds_total", "User and system CPU time spent.",
                                 MetricType::Counter, cpu_seconds()));
    const auto gauge = [&](const char* name, const char* help, std::optional<double> value) {
      if (value) families.push_back(one_value(name, help, MetricType::Gauge, *value));
    };
    const auto stat = read_stat();
    gauge("process_resident_memory_bytes", "Resident memory size.",
          stat ? std::optional(stat->resident_memory_bytes) : std::nullopt);
    gauge("process_virtual_memory_bytes", "Virtual memory size.",
          stat ? std::optional(stat->virtual_memory_bytes) : std::nullopt);
    gauge("process_start_time_seconds", "Start of the process since the Unix epoch.",
          start_time_seconds_);
    gauge("process_open_fds", "Open file descriptors.", open_descriptors());
    rlimit limit{};
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
      gauge("process_max_fds", "Most file descriptors that may be open.",
            static_cast<double>(limit.rlim_cur));
    }
    return families;
  }

 private:
  MetricFamily build_;
  std::optional<MetricFamily> identity_;
  std::optional<double> start_time_seconds_;
};

}  // namespace

std::shared_ptr<prometheus::Collectable> process_metrics(const BuildInfo& build,
                                                         const std::string& process,
                                                         uint64_t incarnation) {
  return std::make_shared<ProcessMetrics>(build, process, incarnation);
}

}  // namespace ballast
