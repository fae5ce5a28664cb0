// Amounts of memory as Kubernetes writes them. Pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/error.h"

namespace ballast::api {

// "512Mi", "1.5G", "1e9", "128974848": whole bytes, rounded up. More than the
// API's numbers hold, 2^53 - 1, is so much: no machine has it.
Result<uint64_t> parse_bytes(std::string_view text);

// "512Mi" where it is a whole number of mebibytes, else in bytes.
std::string format_bytes(uint64_t bytes);

}  // namespace ballast::api
