#include "services/engine/memory_plan.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

namespace ballast {
namespace {

TEST(MemoryPlan, ReusesWhatIsOver) {
  std::vector<Lifetime> blocks{{16, 0, 1}, {16, 1, 2}, {16, 2, 3}, {32, 4, 4}};
  EXPECT_EQ(place(blocks), 32u);
  EXPECT_EQ(blocks[0].offset, blocks[2].offset);
  EXPECT_EQ(blocks[3].offset, 0u);
}

TEST(MemoryPlan, UnusedBlocksTakeNothing) {
  std::vector<Lifetime> blocks{{1000}, {16, 0, 0}};
  EXPECT_EQ(place(blocks), 16u);
}

TEST(MemoryPlan, LivingBlocksNeverOverlap) {
  EXPECT_TRUE(rc::check("no overlap", [] {
    const auto count = *rc::gen::inRange<size_t>(1, 30);
    std::vector<Lifetime> blocks(count);
    for (Lifetime& block : blocks) {
      block.elements = *rc::gen::inRange<uint64_t>(1, 200);
      block.include(*rc::gen::inRange<size_t>(0, 20));
      block.include(*rc::gen::inRange<size_t>(0, 20));
    }
    const uint64_t total = place(blocks);
    uint64_t sum = 0;
    for (size_t i = 0; i < count; ++i) {
      const Lifetime& a = blocks[i];
      RC_ASSERT(a.offset % 16 == 0u);
      RC_ASSERT(a.offset + a.elements <= total);
      sum += (a.elements + 15) / 16 * 16;
      for (size_t j = 0; j < i; ++j) {
        const Lifetime& b = blocks[j];
        if (a.overlaps(b)) {
          RC_ASSERT(a.offset + a.elements <= b.offset || b.offset + b.elements <= a.offset);
        }
      }
    }
    RC_ASSERT(total <= sum);
  }));
}

}  // namespace
}  // namespace ballast
