#include "services/data/byte_pairs.h"

#include <algorithm>

#include "common/check.h"

namespace ballast {
namespace {

constexpr uint32_t kEnd = UINT32_MAX;
constexpr Token kJoined = UINT32_MAX;  // stands where a token joined the one to its left

}  // namespace

size_t merge_by_scan(const MergeTable& table, std::span<Token> word) {
  size_t size = word.size();
  for (;;) {
    Merge best;
    size_t at = 0;
    for (size_t i = 0; i + 1 < size; ++i) {
      const Merge merge = table.find(word[i], word[i + 1]);
      if (merge.rank < best.rank) {
        best = merge;
        at = i;
      }
    }
    if (best.rank == Merge::kNone) return size;
    word[at] = best.result;
    std::copy(word.begin() + static_cast<ptrdiff_t>(at) + 2,
              word.begin() + static_cast<ptrdiff_t>(size),
              word.begin() + static_cast<ptrdiff_t>(at) + 1);
    --size;
  }
}

void HeapMerger::push_candidate(const MergeTable& table, std::span<const Token> word,
                                uint32_t position) {
  const Token left = word[position];
  const Token right = word[nodes_[position].next];
  const Merge merge = table.find(left, right);
  if (merge.rank == Merge::kNone) return;
  heap_.push_back({merge.rank, position, left, right, merge.result});
}

size_t HeapMerger::merge(const MergeTable& table, std::span<Token> word) {
  CHECK(word.size() < kEnd);
  const auto later = [](const Candidate& a, const Candidate& b) {
    return a.rank != b.rank ? a.rank > b.rank : a.position > b.position;
  };
  const auto size = static_cast<uint32_t>(word.size());
  nodes_.resize(size);
  heap_.clear();
  for (uint32_t i = 0; i < size; ++i)
    nodes_[i] = {i == 0 ? kEnd : i - 1, i + 1 < size ? i + 1 : kEnd};
  for (uint32_t i = 0; i + 1 < size; ++i) push_candidate(table, word, i);
  std::make_heap(heap_.begin(), heap_.end(), later);

  const auto push = [&](uint32_t position) {
    const size_t before = heap_.size();
    push_candidate(table, word, position);
    if (heap_.size() > before) std::push_heap(heap_.begin(), heap_.end(), later);
  };
  while (!heap_.empty()) {
    std::pop_heap(heap_.begin(), heap_.end(), later);
    const Candidate candidate = heap_.back();
    heap_.pop_back();
    const uint32_t left = candidate.position;
    const uint32_t right = nodes_[left].next;
    if (word[left] != candidate.left || right == kEnd || word[right] != candidate.right) continue;
    word[left] = candidate.result;
    word[right] = kJoined;
    nodes_[left].next = nodes_[right].next;
    if (nodes_[left].next != kEnd) {
      nodes_[nodes_[left].next].previous = left;
      push(left);
    }
    if (nodes_[left].previous != kEnd) push(nodes_[left].previous);
  }
  const auto end = std::remove(word.begin(), word.end(), kJoined);
  return static_cast<size_t>(end - word.begin());
}

}  // namespace ballast
