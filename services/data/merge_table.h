// Which pairs of tokens join to which, and how early: a hash table for the inner loop of byte-pair
// encoding (open addressing, never more than half full). Immutable once filled; then any thread.
#pragma once

#include <cstdint>
#include <vector>

#include "services/data/tokenizer.h"

namespace ballast {

struct Merge {
  static constexpr uint32_t kNone = UINT32_MAX;
  uint32_t rank = kNone;  // merges of lower rank come first
  Token result = 0;
};

class MergeTable {
 public:
  explicit MergeTable(size_t merges);  // as many as will be inserted at most

  // With rank kNone where the two do not join.
  Merge find(Token left, Token right) const {
    const uint64_t pair = uint64_t{left} << 32 | right;
    size_t i = first_slot(pair);
    while (slots_[i].pair != pair && slots_[i].merge.rank != Merge::kNone) i = (i + 1) & mask_;
    return slots_[i].merge;
  }

  // False where the pair is there already.
  bool insert(Token left, Token right, Merge merge);

 private:
  struct Slot {
    uint64_t pair = 0;
    Merge merge;  // rank kNone: the slot is empty
  };
  size_t first_slot(uint64_t pair) const {
    pair *= 0x9E3779B97F4A7C15u;  // spreads the pair over the high bits
    return static_cast<size_t>(pair ^ pair >> 32) & mask_;
  }

  std::vector<Slot> slots_;  // a power of two
  size_t mask_;
};

}  // namespace ballast
