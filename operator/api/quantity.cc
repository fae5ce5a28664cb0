#include "operator/api/quantity.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "operator/api/decimal.h"

namespace ballast::api {
namespace {

constexpr uint64_t kMebibyte = 1u << 20;
constexpr double kMostBytes = 9'007'199'254'740'991;  // 2^53 - 1

// Longer ones first: "Mi" ends with no "M".
constexpr std::array kSuffixes = {
    std::pair{"Ki", 0x1p10}, std::pair{"Mi", 0x1p20}, std::pair{"Gi", 0x1p30},
    std::pair{"Ti", 0x1p40}, std::pair{"k", 1e3},     std::pair{"M", 1e6},
    std::pair{"G", 1e9},     std::pair{"T", 1e12},
};

}  // namespace

Result<uint64_t> parse_bytes(std::string_view text) {
  std::string_view number = text;
  double unit = 1;
  for (const auto& [suffix, factor] : kSuffixes) {
    if (!number.ends_with(suffix)) continue;
    number.remove_suffix(std::string_view(suffix).size());
    unit = factor;
    break;
  }
  const auto value = parse_decimal(number);
  const double bytes = value ? std::ceil(*value * unit) : -1;
  if (bytes < 0) {
    return fail(ErrorCode::kInvalid, "found \"" + std::string(text.substr(0, 40)) +
                                         "\"; expected an amount of memory such as \"4Gi\"");
  }
  return static_cast<uint64_t>(std::min(bytes, kMostBytes));
}

std::string format_bytes(uint64_t bytes) {
  return bytes % kMebibyte == 0 ? std::to_string(bytes / kMebibyte) + "Mi" : std::to_string(bytes);
}

}  // namespace ballast::api
