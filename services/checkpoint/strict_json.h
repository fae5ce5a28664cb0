// JSON from outside, parsed with limits: nesting, and no name twice in one object (where parsers
// differ in what they keep, a file would mean two things). Pure; any thread.
#pragma once

#include <string_view>

#include <nlohmann/json.hpp>

#include "common/error.h"

namespace ballast {

// kInvalid with the byte where parsing stopped, or the name that is there twice.
Result<nlohmann::json> parse_strict_json(std::string_view text, int max_depth);

}  // namespace ballast
