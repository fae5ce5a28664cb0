// The time of day: for what is written down or compared with dates of others. It may jump; how long
// something takes is measured with common/clock.h. Any thread.
#pragma once

#include <cstdint>
#include <string>

namespace ballast {

int64_t unix_now_ms();  // since 1970

// "2026-01-31 12:00:00 UTC"
std::string human_date(int64_t unix_ms);

}  // namespace ballast
