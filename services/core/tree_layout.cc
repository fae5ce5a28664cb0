#include "services/core/tree_layout.h"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <numeric>

namespace ballast {
namespace {

struct Fit {
  int64_t kept = 0;  // microbatches of the block that stay with the worker
  size_t slot = 0;
  uint32_t worker = 0;
};

}  // namespace

std::vector<uint32_t> lay_out(const std::vector<int64_t>& counts,
                              const std::vector<uint32_t>& before) {
  const auto total = static_cast<size_t>(std::accumulate(counts.begin(), counts.end(), int64_t{0}));
  std::vector<uint32_t> owners(total, 0);
  size_t at = 0;
  for (size_t size = std::bit_floor(total); size > 0; size /= 2) {
    std::vector<uint32_t> workers;  // that have a block of this size
    for (uint32_t worker = 0; worker < counts.size(); ++worker) {
      if ((static_cast<size_t>(counts[worker]) & size) != 0) workers.push_back(worker);
    }
    std::vector<Fit> fits;
    for (size_t slot = 0; slot < workers.size(); ++slot) {
      for (const uint32_t worker : workers) {
        int64_t kept = 0;
        for (size_t i = at + slot * size; i < at + (slot + 1) * size; ++i)
          kept += i < before.size() && before[i] == worker;
        fits.push_back({kept, slot, worker});
      }
    }
    std::stable_sort(fits.begin(), fits.end(),
                     [](const Fit& a, const Fit& b) { return a.kept > b.kept; });
    std::vector<bool> slot_taken(workers.size(), false);
    std::vector<bool> placed(counts.size(), false);
    for (const Fit& fit : fits) {
      if (slot_taken[fit.slot] || placed[fit.worker]) continue;
      slot_taken[fit.slot] = placed[fit.worker] = true;
      std::fill_n(owners.begin() + static_cast<std::ptrdiff_t>(at + fit.slot * size), size,
                  fit.worker);
    }
    at += workers.size() * size;
  }
  return owners;
}

int64_t tree_nodes(const std::vector<int64_t>& counts) {
  return std::accumulate(counts.begin(), counts.end(), int64_t{0}, [](int64_t sum, int64_t count) {
    return sum + std::popcount(static_cast<uint64_t>(count));
  });
}

}  // namespace ballast
