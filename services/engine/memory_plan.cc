#include "services/engine/memory_plan.h"

#include <numeric>

namespace ballast {
namespace {

uint64_t align_up(uint64_t elements) { return (elements + 15) / 16 * 16; }

// The lowest gap between blocks that are placed and alive together with this one.
uint64_t lowest_gap(const std::vector<const Lifetime*>& neighbours, uint64_t elements) {
  uint64_t offset = 0;
  for (const Lifetime* neighbour : neighbours) {  // by ascending offset
    if (offset + elements <= neighbour->offset) {
      break;
    }
    offset = std::max(offset, align_up(neighbour->offset + neighbour->elements));
  }
  return offset;
}

}  // namespace

// Largest first, each as low as it fits: simple, and near the optimum for the few sizes of a model.
uint64_t place(std::vector<Lifetime>& blocks) {
  std::vector<size_t> order(blocks.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return blocks[a].elements > blocks[b].elements; });
  uint64_t total = 0;
  std::vector<size_t> placed;
  for (const size_t index : order) {
    Lifetime& block = blocks[index];
    if (block.first > block.last) {
      continue;
    }
    std::vector<const Lifetime*> neighbours;
    for (const size_t other : placed) {
      if (blocks[other].overlaps(block)) {
        neighbours.push_back(&blocks[other]);
      }
    }
    std::sort(neighbours.begin(), neighbours.end(),
              [](const Lifetime* a, const Lifetime* b) { return a->offset < b->offset; });
    block.offset = lowest_gap(neighbours, block.elements);
    total = std::max(total, align_up(block.offset + block.elements));
    placed.push_back(index);
  }
  return total;
}

}  // namespace ballast
