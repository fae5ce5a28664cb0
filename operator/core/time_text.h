// Times as Kubernetes writes them. Pure functions.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "operator/core/observed.h"

namespace ballast::kube {

// "2026-01-31T12:00:00Z" in milliseconds since 1970; and back.
std::optional<decide::TimeMs> parse_time(std::string_view text);
std::string format_time(decide::TimeMs unix_ms);

}  // namespace ballast::kube
