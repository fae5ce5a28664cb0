#include "services/core/shares.h"

#include <algorithm>
#include <numeric>

namespace ballast {

std::optional<uint32_t> amount_of(const std::vector<Share>& shares, const std::string& process) {
  const auto found = std::find_if(shares.begin(), shares.end(),
                                  [&](const Share& share) { return share.process == process; });
  if (found == shares.end()) {
    return std::nullopt;
  }
  return found->amount;
}

std::vector<int64_t> apportion(uint64_t total, const std::vector<Share>& shares,
                               const std::vector<std::string>& processes) {
  std::vector<std::optional<uint32_t>> named;
  uint64_t sum = 0;
  uint64_t count = 0;
  for (const std::string& process : processes) {
    named.push_back(amount_of(shares, process));
    sum += named.back().value_or(0);
    count += named.back() ? 1 : 0;
  }
  const uint64_t ordinary = std::max<uint64_t>(1, count == 0 ? 1 : (sum + count / 2) / count);
  std::vector<uint64_t> weights;
  for (const auto& amount : named) {
    weights.push_back(amount ? *amount : ordinary);
  }
  uint64_t all = std::accumulate(weights.begin(), weights.end(), uint64_t{0});
  if (all == 0) {
    std::fill(weights.begin(), weights.end(), uint64_t{1});
    all = weights.size();
  }
  // Whole parts first; what is left over goes to the largest remainders.
  std::vector<int64_t> counts;
  std::vector<size_t> order;
  uint64_t given = 0;
  for (size_t i = 0; i < weights.size(); ++i) {
    const uint64_t part = total * weights[i] / all;
    counts.push_back(static_cast<int64_t>(part));
    given += part;
    order.push_back(i);
  }
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return total * weights[a] % all > total * weights[b] % all;
  });
  for (size_t i = 0; given < total; ++i, ++given) {
    ++counts[order[i]];
  }
  return counts;
}

}  // namespace ballast
