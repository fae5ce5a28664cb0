// Gives blocks with known lifetimes places in one piece of memory: blocks that are alive at the
// same time never overlap. A pure function, run once when a model is built.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace ballast {

struct Lifetime {
  uint64_t elements = 0;
  size_t first = SIZE_MAX;  // times, both inclusive; first > last: never used, takes no memory
  size_t last = 0;
  uint64_t offset = 0;  // filled in; a multiple of 16 elements

  void include(size_t time) {
    first = std::min(first, time);
    last = std::max(last, time);
  }
  bool overlaps(const Lifetime& other) const { return first <= other.last && other.first <= last; }
};

// Sets every offset; returns the elements that all of it needs.
uint64_t place(std::vector<Lifetime>& blocks);

}  // namespace ballast
