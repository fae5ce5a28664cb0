#include "common/human.h"

#include <algorithm>
#include <array>
#include <string_view>

#include <fmt/format.h>

namespace ballast {
namespace {

// Three digits; what would round up to 1000 or 1024 of a unit still shows as four.
std::string three_digits(double value) {
  if (value < 9.995) return fmt::format("{:.2f}", value);
  if (value < 99.95) return fmt::format("{:.1f}", value);
  return fmt::format("{:.0f}", value);
}

}  // namespace

std::string human_bytes(uint64_t bytes) {
  static constexpr std::array<std::string_view, 6> kUnits = {"KiB", "MiB", "GiB",
                                                             "TiB", "PiB", "EiB"};
  if (bytes < 1024) return fmt::format("{} B", bytes);
  double value = static_cast<double>(bytes) / 1024;
  size_t unit = 0;
  while (value >= 1024 && unit + 1 < kUnits.size()) {
    value /= 1024;
    ++unit;
  }
  return fmt::format("{} {}", three_digits(value), kUnits[unit]);
}

std::string human_duration_ms(int64_t duration_ms) {
  duration_ms = std::max<int64_t>(duration_ms, 0);
  if (duration_ms < 1000) return fmt::format("{} ms", duration_ms);
  const int64_t seconds = duration_ms / 1000;
  if (seconds < 60) return fmt::format("{}.{} s", seconds, duration_ms % 1000 / 100);
  if (seconds < 3600) return fmt::format("{} min {:02} s", seconds / 60, seconds % 60);
  return fmt::format("{} h {:02} min", seconds / 3600, seconds % 3600 / 60);
}

std::string human_count(uint64_t count) {
  static constexpr std::array<std::string_view, 6> kUnits = {"k", "M", "G", "T", "P", "E"};
  if (count < 1000) return fmt::format("{}", count);
  double value = static_cast<double>(count) / 1000;
  size_t unit = 0;
  while (value >= 1000 && unit + 1 < kUnits.size()) {
    value /= 1000;
    ++unit;
  }
  return fmt::format("{}{}", three_digits(value), kUnits[unit]);
}

}  // namespace ballast
