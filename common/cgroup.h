// What the container lets us use: CPUs and memory by cgroup (v1 and v2) and by affinity. Inside a
// pod the machine's own numbers are wrong: as many threads as the node has cores would be
// throttled. Reads files at each call; any thread.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

namespace ballast {

struct CgroupLimits {
  std::optional<double> cpus;            // quota / period of the tightest group; none = no quota
  std::optional<uint64_t> memory_bytes;  // of the tightest group; none = no limit
  bool operator==(const CgroupLimits&) const = default;
};

// Limits of this process: its own group and all above it, below `root`. What cannot be read limits
// nothing. The arguments are for tests.
CgroupLimits read_cgroup_limits(const std::filesystem::path& root = "/sys/fs/cgroup",
                                const std::filesystem::path& membership = "/proc/self/cgroup");

// Threads worth starting: CPUs of the affinity mask, at most the quota rounded up; at least 1.
int usable_threads(const CgroupLimits& limits = read_cgroup_limits());

// Bytes of memory this process may use: the machine's, at most the limit.
uint64_t usable_memory_bytes(const CgroupLimits& limits = read_cgroup_limits());

}  // namespace ballast
