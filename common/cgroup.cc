#include "common/cgroup.h"

#include <sched.h>
#include <unistd.h>
#include <algorithm>
#include <charconv>
#include <cmath>
#include <string>
#include <string_view>
#include <vector>

#include "common/file.h"

namespace ballast {
namespace {

constexpr uint64_t kFileLimitBytes = 65536;
// cgroup v1 says "no limit" with the largest multiple of the page size that fits.
constexpr int64_t kUnlimitedBytes = int64_t{1} << 62;

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (!text.empty()) {
    const size_t end = std::min(text.find(separator), text.size());
    parts.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return parts;
}

std::optional<int64_t> parse_number(std::string_view text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.remove_suffix(1);
  int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

std::optional<int64_t> read_number(const std::filesystem::path& path) {
  const auto text = read_file(path, kFileLimitBytes);
  return text ? parse_number(*text) : std::nullopt;
}

template <typename T>
void tighten(std::optional<T>& limit, T candidate) {
  limit = limit ? std::min(*limit, candidate) : candidate;
}

void add_quota(CgroupLimits& limits, std::optional<int64_t> quota, std::optional<int64_t> period) {
  if (quota && period && *quota > 0 && *period > 0) {
    tighten(limits.cpus, static_cast<double>(*quota) / static_cast<double>(*period));
  }
}

void add_memory(CgroupLimits& limits, std::optional<int64_t> bytes) {
  if (bytes && *bytes >= 0 && *bytes < kUnlimitedBytes) {
    tighten(limits.memory_bytes, static_cast<uint64_t>(*bytes));
  }
}

void read_group_v2(CgroupLimits& limits, const std::filesystem::path& group) {
  if (const auto text = read_file(group / "cpu.max", kFileLimitBytes)) {  // "200000 100000"
    const auto parts = split(*text, ' ');
    if (parts.size() == 2) add_quota(limits, parse_number(parts[0]), parse_number(parts[1]));
  }
  add_memory(limits, read_number(group / "memory.max"));
}

void read_group_v1(CgroupLimits& limits, const std::filesystem::path& group) {
  add_quota(limits, read_number(group / "cpu.cfs_quota_us"),
            read_number(group / "cpu.cfs_period_us"));
  add_memory(limits, read_number(group / "memory.limit_in_bytes"));
}

// The group and all above it. In a container the path may be the host's, which is not mounted here:
// then only the mount's top is there, and that is our own group.
template <typename Read>
void walk_up(const std::filesystem::path& mount, std::string_view path, Read read) {
  while (!path.empty() && path.front() == '/') path.remove_prefix(1);
  std::filesystem::path relative(path);
  while (!relative.empty()) {
    read(mount / relative);
    relative = relative.parent_path();
  }
  read(mount);
}

}  // namespace

CgroupLimits read_cgroup_limits(const std::filesystem::path& root,
                                const std::filesystem::path& membership) {
  CgroupLimits limits;
  const auto text = read_file(membership, kFileLimitBytes);
  if (!text) return limits;
  for (const std::string_view line : split(*text, '\n')) {  // "0::/path" or "4:cpu,cpuacct:/path"
    const size_t first = line.find(':');
    const size_t second = first == line.npos ? line.npos : line.find(':', first + 1);
    if (second == line.npos) continue;
    const std::string_view path = line.substr(second + 1);
    if (path.find("..") != path.npos) continue;
    const auto controllers = split(line.substr(first + 1, second - first - 1), ',');
    if (controllers.empty()) {
      walk_up(root, path, [&](const auto& group) { read_group_v2(limits, group); });
    }
    for (const std::string_view controller : controllers) {
      if (controller != "cpu" && controller != "memory") continue;
      walk_up(root / controller, path, [&](const auto& group) { read_group_v1(limits, group); });
    }
  }
  return limits;
}

int usable_threads(const CgroupLimits& limits) {
  cpu_set_t set;
  CPU_ZERO(&set);
  int threads = 1;
  if (sched_getaffinity(0, sizeof set, &set) == 0) {
    threads = CPU_COUNT(&set);
  } else {  // more CPUs than a cpu_set_t holds
    threads = static_cast<int>(sysconf(_SC_NPROCESSORS_ONLN));
  }
  if (limits.cpus && *limits.cpus < threads) threads = static_cast<int>(std::ceil(*limits.cpus));
  return std::max(threads, 1);
}

uint64_t usable_memory_bytes(const CgroupLimits& limits) {
  const uint64_t machine = static_cast<uint64_t>(sysconf(_SC_PHYS_PAGES)) *
                           static_cast<uint64_t>(sysconf(_SC_PAGE_SIZE));
  return limits.memory_bytes ? std::min(machine, *limits.memory_bytes) : machine;
}

}  // namespace ballast
