// The watch machine and its store against a server and a network that lose, delay, repeat and cut.
#include <gtest/gtest.h>

#include "tests/kube_core/seeds.h"
#include "tests/kube_core/watch_world.h"

namespace ballast::kube {
namespace {

TEST(WatchSim, TheStoreBecomesTheServers) {
  WorldCounts all;
  const uint64_t begin = first_seed();
  const uint64_t count = seeds(1'000);
  for (uint64_t seed = begin; seed < begin + count; ++seed) {
    WatchWorld world(seed);
    ASSERT_EQ(world.run(), "") << replay("test_watch_sim", seed);
    all.relists += world.counts().relists;
    all.pages += world.counts().pages;
    all.frames += world.counts().frames;
    all.troubles += world.counts().troubles;
    all.expired += world.counts().expired;
  }
  std::cout << count << " seeds: " << all.relists << " lists, " << all.pages << " pages, "
            << all.frames << " frames, " << all.troubles << " troubles, " << all.expired
            << " expired\n";
  // The faults are there, or nothing was tested.
  if (count >= 100) {
    EXPECT_GT(all.expired, static_cast<int>(count) / 10);
    EXPECT_GT(all.troubles, static_cast<int>(count));
  }
}

TEST(WatchSim, SeesADefect) {
  int seen = 0;
  for (uint64_t seed = 1; seed <= 200; ++seed) seen += WatchWorld(seed, true).run().empty() ? 0 : 1;
  EXPECT_GT(seen, 0) << "a client that does not look at what is gone was not noticed";
}

}  // namespace
}  // namespace ballast::kube
