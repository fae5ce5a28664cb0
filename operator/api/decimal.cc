#include "operator/api/decimal.h"

#include <charconv>
#include <cmath>
#include <string>

namespace ballast::api {

Result<double> parse_decimal(std::string_view text) {
  double value = 0;
  const bool digits_only = text.find_first_not_of("0123456789.eE+-") == std::string_view::npos;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (!digits_only || text.size() > 32 || error != std::errc() ||
      end != text.data() + text.size() || !std::isfinite(value)) {
    return fail(ErrorCode::kInvalid, "found \"" + std::string(text.substr(0, 40)) +
                                         "\"; expected a decimal such as \"1e-3\"");
  }
  return value;
}

}  // namespace ballast::api
