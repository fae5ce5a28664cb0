#include "services/data/merge_table.h"

#include <bit>

#include "common/check.h"

namespace ballast {

MergeTable::MergeTable(size_t merges)
    : slots_(std::bit_ceil(2 * merges + 2)), mask_(slots_.size() - 1) {}

bool MergeTable::insert(Token left, Token right, Merge merge) {
  CHECK(merge.rank != Merge::kNone);
  const uint64_t pair = uint64_t{left} << 32 | right;
  size_t i = first_slot(pair);
  while (slots_[i].merge.rank != Merge::kNone) {
    if (slots_[i].pair == pair) return false;
    i = (i + 1) & mask_;
  }
  slots_[i] = {pair, merge};
  return true;
}

}  // namespace ballast
