// The inner loop of byte-pair encoding: of a word's tokens, the two neighbours whose merge has the
// lowest rank join (the leftmost, if several do), until no two join. O(n log n) for long words.
// One object belongs to one thread at a time.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "services/data/merge_table.h"
#include "services/data/tokenizer.h"

namespace ballast {

// Joins in place; returns how many tokens are left, at the front of `word`. The reference: scans
// the whole word for each merge, which is the fastest for a handful of tokens.
size_t merge_by_scan(const MergeTable& table, std::span<Token> word);

class HeapMerger {
 public:
  // The same result through a heap of candidates and a list of the tokens.
  size_t merge(const MergeTable& table, std::span<Token> word);

 private:
  struct Node {
    uint32_t previous, next;
  };
  struct Candidate {
    uint32_t rank;
    uint32_t position;  // of the left token
    Token left, right;  // as they were: a candidate whose tokens have changed is stale
    Token result;
  };
  void push_candidate(const MergeTable& table, std::span<const Token> word, uint32_t position);

  std::vector<Node> nodes_;
  std::vector<Candidate> heap_;
};

}  // namespace ballast
