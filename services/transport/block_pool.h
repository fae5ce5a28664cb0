// Memory for segments: blocks of one size, aligned to cache lines, cut from large slabs and used
// again. A block lives as long as somebody refers to it, so that it can be sent while the store
// moves on. Thread rule: blocks may be released on any thread; the pool outlives none of them by
// itself: blocks keep its memory alive.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

namespace ballast {

using Block = std::shared_ptr<float[]>;

class BlockPool {
 public:
  explicit BlockPool(uint32_t block_elements);

  Block take();  // content unspecified
  size_t block_elements() const { return block_elements_; }
  uint64_t reserved_bytes() const;  // of all slabs

 private:
  struct Slabs;
  uint32_t block_elements_;
  std::shared_ptr<Slabs> slabs_;
};

}  // namespace ballast
