// What a plan's shares mean for the processes that there are now: they may be others than when it
// was made. Pure functions; whole numbers alone, so that all machines agree.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "services/core/types.h"

namespace ballast {

// Nothing: the plan does not name it.
std::optional<uint32_t> amount_of(const std::vector<Share>& shares, const std::string& process);

// `total` in proportion to the shares of `processes`, in their order; the sum is `total`. One that
// is not named counts as the mean of those that are. Where the shares of these processes add up to
// `total`, each gets exactly its own. At least one process.
std::vector<int64_t> apportion(uint64_t total, const std::vector<Share>& shares,
                               const std::vector<std::string>& processes);

}  // namespace ballast
