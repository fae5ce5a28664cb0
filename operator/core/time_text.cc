#include "operator/core/time_text.h"

#include <charconv>

#include <fmt/format.h>

namespace ballast::kube {

// Days from civil, after Howard Hinnant's chrono algorithms (proleptic Gregorian calendar).
std::optional<decide::TimeMs> parse_time(std::string_view text) {
  if (text.size() < 20 || text[10] != 'T' || text.back() != 'Z') return std::nullopt;
  const auto number = [&](size_t at, size_t digits) {
    int64_t value = -1;
    const auto [end, error] = std::from_chars(text.data() + at, text.data() + at + digits, value);
    return error == std::errc() && end == text.data() + at + digits ? value : int64_t{-1};
  };
  const int64_t month = number(5, 2), day = number(8, 2);
  const int64_t hour = number(11, 2), minute = number(14, 2), second = number(17, 2);
  if (number(0, 4) < 1970 || month < 1 || month > 12 || day < 1 || day > 31) return std::nullopt;
  if (hour < 0 || minute < 0 || second < 0) return std::nullopt;
  const int64_t year = number(0, 4) - (month <= 2 ? 1 : 0);
  const int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  const int64_t year_of_era = year % 400;
  const int64_t days = year / 400 * 146'097 + year_of_era * 365 + year_of_era / 4 -
                       year_of_era / 100 + day_of_year - 719'468;
  return (((days * 24 + hour) * 60 + minute) * 60 + second) * 1000;
}

std::string format_time(decide::TimeMs unix_ms) {
  const int64_t seconds = unix_ms / 1000;
  const int64_t days = seconds / 86'400 + 719'468;
  const int64_t era = days / 146'097;
  const int64_t day_of_era = days % 146'097;
  const int64_t year_of_era =
      (day_of_era - day_of_era / 1460 + day_of_era / 36'524 - day_of_era / 146'096) / 365;
  const int64_t day_of_year =
      day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const int64_t shifted = (5 * day_of_year + 2) / 153;
  const int64_t day = day_of_year - (153 * shifted + 2) / 5 + 1;
  const int64_t month = shifted < 10 ? shifted + 3 : shifted - 9;
  const int64_t year = year_of_era + era * 400 + (month <= 2 ? 1 : 0);
  const int64_t rest = seconds % 86'400;
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", year, month, day, rest / 3600,
                     rest / 60 % 60, rest % 60);
}

}  // namespace ballast::kube
