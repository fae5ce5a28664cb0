// Decimals of the API: strings, because Kubernetes APIs carry no floats. Pure functions.
#pragma once

#include <string_view>

#include "common/error.h"

namespace ballast::api {

// "0.1", "1e-3", "-2": the nearest double. Nothing else: no spaces, hex, infinity or NaN.
Result<double> parse_decimal(std::string_view text);

}  // namespace ballast::api
