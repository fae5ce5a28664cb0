// What the numbers are that a worker computes on: the parameters themselves, or each rounded to
// bfloat16, the upper half of an fp32. Servers keep fp32, gradients are fp32, always.
//
// Invariant: the bits depend on the value alone, and round_to_bfloat16(expand_bfloat16(b)) == b.
// Pure functions; any thread.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace ballast {

enum class Precision : uint8_t { kFp32 = 0, kBf16 = 1 };

constexpr std::string_view to_string(Precision precision) {
  return precision == Precision::kBf16 ? "bf16" : "fp32";
}

// As a job's spec writes it; empty, as jobs before it had it, is fp32.
constexpr std::optional<Precision> parse_precision(std::string_view name) {
  if (name.empty() || name == "fp32") return Precision::kFp32;
  if (name == "bf16") return Precision::kBf16;
  return std::nullopt;
}

constexpr size_t bytes_per_element(Precision precision) {
  return precision == Precision::kBf16 ? 2 : 4;
}

// To nearest, ties to even: what is above the largest bfloat16 by half a step or more becomes
// infinite. A NaN keeps its sign and upper bits, and becomes a quiet one, so that it stays a NaN.
constexpr uint16_t round_to_bfloat16(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  const uint32_t nearest = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
  const uint32_t quiet = (bits >> 16) | 0x0040u;
  const bool nan = (bits & 0x7fffffffu) > 0x7f800000u;
  return static_cast<uint16_t>(nan ? quiet : nearest);
}

constexpr float expand_bfloat16(uint16_t bits) {
  return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16);
}

}  // namespace ballast
