// Sums over segments: gradients added element by element, and the sum of squares that the global
// norm is made of. Pure functions; any thread.
//
// Invariant: the bits depend on the values and the order of the calls alone, never on the machine's
// vector width or on how a range is cut into calls that begin at multiples of kSumLanes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace ballast {

inline constexpr uint32_t kSumLanes = 64;

// into[i] += from[i]; equal sizes.
void add_into(std::span<float> into, std::span<const float> from);

// into <- each value as bfloat16 (services/core/precision.h), little-endian; 2 bytes a value.
void round_to_bfloat16(std::span<std::byte> into, std::span<const float> from);

struct Summary {
  double sum_squares = 0;
  bool finite = true;  // every element
  bool operator==(const Summary&) const = default;
};

// fp64 squares added up in 64 lanes by index modulo 64, in index order within a lane; then lanes i
// and i + 32 are added, then i and i + 16, ... The result may be infinite or NaN where `finite` is
// false.
Summary summarise(std::span<const float> values);

}  // namespace ballast
