// Counter-based random numbers: a value is a pure function of a key and a counter, so that any
// element can be drawn anywhere, in any order. Philox 4x32-10 (Salmon et al., Parallel Random
// Numbers: As Easy as 1, 2, 3, SC 2011). Bits are the same on every machine. Any thread.
#pragma once

#include <array>
#include <cstdint>

namespace ballast {

using PhiloxCounter = std::array<uint32_t, 4>;
using PhiloxKey = std::array<uint32_t, 2>;

PhiloxCounter philox(PhiloxCounter counter, PhiloxKey key);

// Four numbers from the standard normal distribution, for block `block` of `stream` under `seed`.
std::array<double, 4> normal_block(uint64_t seed, uint64_t stream, uint64_t block);

// One number from [0, 1) with 53 random bits.
double uniform(uint64_t seed, uint64_t stream, uint64_t index);

}  // namespace ballast
