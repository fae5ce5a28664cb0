#include "common/cgroup.h"

#include <fstream>

#include <gtest/gtest.h>

#include "tests/common/temporary_folder.h"

namespace ballast {
namespace {

class Cgroup : public testing::Test {
 protected:
  void write(const std::filesystem::path& name, const char* content) const {
    const auto path = folder_.path() / name;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path) << content;
  }
  CgroupLimits read() const {
    return read_cgroup_limits(folder_.path() / "fs", folder_.path() / "membership");
  }

  TemporaryFolder folder_;
};

TEST_F(Cgroup, Version2TakesTheTightestOfAllAbove) {
  write("membership", "0::/kubepods/pod1/container\n");
  write("fs/kubepods/pod1/container/cpu.max", "max 100000\n");
  write("fs/kubepods/pod1/cpu.max", "150000 100000\n");
  write("fs/kubepods/cpu.max", "800000 100000\n");
  write("fs/kubepods/pod1/container/memory.max", "1073741824\n");
  write("fs/kubepods/memory.max", "max\n");
  const CgroupLimits limits = read();
  EXPECT_EQ(limits.cpus, 1.5);
  EXPECT_EQ(limits.memory_bytes, 1073741824u);
}

TEST_F(Cgroup, Version2InAContainerOnlyTheTopIsMounted) {
  write("membership", "0::/\n");
  write("fs/cpu.max", "50000 100000\n");
  write("fs/memory.max", "4096\n");
  EXPECT_EQ(read(), (CgroupLimits{.cpus = 0.5, .memory_bytes = 4096}));
}

TEST_F(Cgroup, Version1HasAFolderAController) {
  write("membership", "12:pids:/a\n4:memory:/a\n3:cpu,cpuacct:/a\n1:name=systemd:/a\n");
  write("fs/cpu/a/cpu.cfs_quota_us", "-1\n");
  write("fs/cpu/a/cpu.cfs_period_us", "100000\n");
  write("fs/cpu/cpu.cfs_quota_us", "300000\n");
  write("fs/cpu/cpu.cfs_period_us", "100000\n");
  write("fs/memory/a/memory.limit_in_bytes", "9223372036854771712\n");
  EXPECT_EQ(read(), (CgroupLimits{.cpus = 3.0, .memory_bytes = std::nullopt}));
}

TEST_F(Cgroup, WhatCannotBeReadLimitsNothing) {
  EXPECT_EQ(read(), CgroupLimits{});
  for (const char* membership : {"", "\n", ":", "::", "0", "0::", "0::/../../etc\n", "x:y:z\n"}) {
    write("membership", membership);
    EXPECT_EQ(read(), CgroupLimits{}) << membership;
  }
  write("membership", "0::/\n");
  for (const char* garbage :
       {"", "max", "1", "1 0", "-5 100000", "a b", "1 2 3", "99999999999999999999 1"}) {
    write("fs/cpu.max", garbage);
    write("fs/memory.max", garbage[0] == '1' ? "1x" : garbage);
    EXPECT_EQ(read(), CgroupLimits{}) << garbage;
  }
}

TEST(CgroupUse, ThreadsAreTheQuotaRoundedUpButAtLeastOne) {
  const int all = usable_threads(CgroupLimits{});
  EXPECT_GE(all, 1);
  EXPECT_EQ(usable_threads(CgroupLimits{.cpus = 0.1, .memory_bytes = {}}), 1);
  EXPECT_EQ(usable_threads(CgroupLimits{.cpus = 100000.0, .memory_bytes = {}}), all);
  EXPECT_GE(usable_threads(), 1);
}

TEST(CgroupUse, MemoryIsTheMachinesOrTheLimit) {
  EXPECT_GT(usable_memory_bytes(CgroupLimits{}), 1u << 20);
  EXPECT_EQ(usable_memory_bytes(CgroupLimits{.cpus = {}, .memory_bytes = 4096}), 4096u);
}

}  // namespace
}  // namespace ballast
