// Numbers as the exposition formats write them. Pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace ballast::scrape {

// A decimal number, or [+-]Inf, [+-]Infinity, NaN in any case. Too large for a double is refused,
// too small is 0. No hexadecimal, no underscores, no spaces.
std::optional<double> parse_value(std::string_view text);

// Prometheus text: whole milliseconds since the epoch.
std::optional<int64_t> parse_milliseconds(std::string_view text);

// OpenMetrics: seconds since the epoch with decimals; to the nearest millisecond.
std::optional<int64_t> parse_seconds(std::string_view text);

}  // namespace ballast::scrape
