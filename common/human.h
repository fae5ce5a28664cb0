// Numbers as people read them, for progress lines and messages; files and metrics use base units.
// Pure functions; any thread.
#pragma once

#include <cstdint>
#include <string>

namespace ballast {

// "0 B", "1023 B", "1.00 KiB", "128 MiB": powers of 1024, three digits from the unit KiB on.
std::string human_bytes(uint64_t bytes);

// "850 ms", "12.3 s", "2 min 05 s", "1 h 02 min". Negative counts as 0.
std::string human_duration_ms(int64_t duration_ms);

// "950", "12.3k", "4.56M": powers of 1000, three digits. For tokens and parameters.
std::string human_count(uint64_t count);

}  // namespace ballast
