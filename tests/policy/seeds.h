// What simulations of policies have in common.
#pragma once

#include <cstdint>

#include <rapidcheck.h>

#include "operator/policy/decision.h"

namespace ballast::policy {

inline constexpr TimeMs kMinute = 60'000;

inline rc::Gen<uint64_t> seeds() { return rc::gen::inRange<uint64_t>(1, uint64_t{1} << 40); }

}  // namespace ballast::policy
