#include "services/transport/block_pool.h"

#include <sys/mman.h>

#include <algorithm>
#include <mutex>
#include <new>
#include <vector>

namespace ballast {
namespace {

constexpr size_t kSlabBytes = size_t{8} << 20;
constexpr size_t kHugePageBytes = size_t{2} << 20;
constexpr size_t kCacheLineBytes = 64;

size_t round_up(size_t value, size_t unit) { return (value + unit - 1) / unit * unit; }

}  // namespace

struct BlockPool::Slabs {
  std::mutex mutex;
  size_t block_bytes = 0;
  std::vector<std::pair<void*, size_t>> mapped;  // guarded by mutex
  std::vector<float*> free;                      // guarded by mutex

  ~Slabs() {
    for (const auto& [at, bytes] : mapped) ::munmap(at, bytes);
  }

  // One slab more, on huge pages where the kernel has them.
  void grow() {
    const size_t blocks = std::clamp<size_t>(kSlabBytes / block_bytes, 1, 64);
    const size_t bytes = round_up(blocks * block_bytes, 4096);
    void* at = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED) throw std::bad_alloc();
    if (bytes >= kHugePageBytes) ::madvise(at, bytes, MADV_HUGEPAGE);
    mapped.emplace_back(at, bytes);
    for (size_t i = blocks; i-- > 0;) {
      free.push_back(reinterpret_cast<float*>(static_cast<std::byte*>(at) + i * block_bytes));
    }
  }
};

BlockPool::BlockPool(uint32_t block_elements)
    : block_elements_(block_elements), slabs_(std::make_shared<Slabs>()) {
  slabs_->block_bytes =
      round_up(std::max<size_t>(block_elements, 1) * sizeof(float), kCacheLineBytes);
}

Block BlockPool::take() {
  float* memory = nullptr;
  {
    const std::lock_guard lock(slabs_->mutex);
    if (slabs_->free.empty()) slabs_->grow();
    memory = slabs_->free.back();
    slabs_->free.pop_back();
  }
  return Block(memory, [slabs = slabs_](float* released) {
    const std::lock_guard lock(slabs->mutex);
    slabs->free.push_back(released);
  });
}

uint64_t BlockPool::reserved_bytes() const {
  const std::lock_guard lock(slabs_->mutex);
  uint64_t sum = 0;
  for (const auto& [at, bytes] : slabs_->mapped) sum += bytes;
  return sum;
}

}  // namespace ballast
