#include "operator/scrape/numbers.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

namespace ballast::scrape {
namespace {

constexpr double kMostMilliseconds = 9.0e15;  // whole numbers up to here are exact in a double

bool is_word(std::string_view text, std::string_view lower_case) {
  if (text.size() != lower_case.size()) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    if ((text[i] | 0x20) != lower_case[i]) return false;
  }
  return true;
}

// Of a decimal number that is out of a double's range: whether it is so because it is small. Its
// order of magnitude is where its first digit other than 0 stands, and the exponent.
bool is_tiny(std::string_view number) {
  const size_t e = std::min(number.find_first_of("eE"), number.size());
  int64_t exponent = 0;
  if (e < number.size()) {
    std::string_view digits = number.substr(e + 1);
    const bool negative = digits.starts_with('-');
    if (negative || digits.starts_with('+')) digits.remove_prefix(1);
    const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), exponent);
    if (read.ec == std::errc::result_out_of_range) return negative;
    if (negative) exponent = -exponent;
  }
  const std::string_view mantissa = number.substr(0, e);
  const auto point = static_cast<int64_t>(std::min(mantissa.find('.'), mantissa.size()));
  const auto first = static_cast<int64_t>(mantissa.find_first_of("123456789"));
  return point - first + exponent < 0;
}

}  // namespace

std::optional<double> parse_value(std::string_view text) {
  if (is_word(text, "nan")) return std::numeric_limits<double>::quiet_NaN();
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  if (is_word(text, "inf") || is_word(text, "infinity")) {
    return negative ? -std::numeric_limits<double>::infinity()
                    : std::numeric_limits<double>::infinity();
  }
  if (text.empty() || !(text[0] == '.' || (text[0] >= '0' && text[0] <= '9'))) return std::nullopt;
  double value = 0;
  const char* const stop = text.data() + text.size();
  const auto [end, error] = std::from_chars(text.data(), stop, value);
  if (end != stop) return std::nullopt;
  if (error == std::errc::result_out_of_range && is_tiny(text)) {
    value = 0;
  } else if (error != std::errc()) {
    return std::nullopt;
  }
  return negative ? -value : value;
}

std::optional<int64_t> parse_milliseconds(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  int64_t value = 0;
  const char* const stop = text.data() + text.size();
  const auto [end, error] = std::from_chars(text.data(), stop, value);
  if (error != std::errc() || end != stop) return std::nullopt;
  return value;
}

std::optional<int64_t> parse_seconds(std::string_view text) {
  const auto seconds = parse_value(text);
  if (!seconds || !(std::fabs(*seconds) * 1000 <= kMostMilliseconds)) return std::nullopt;
  return static_cast<int64_t>(std::llround(*seconds * 1000));
}

}  // namespace ballast::scrape
