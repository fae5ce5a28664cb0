#include "services/server/reduction.h"

#include <array>
#include <bit>
#include <cstddef>
#include <cstring>

#include "common/check.h"
#include "common/vector_dispatch.h"
#include "services/core/precision.h"

namespace ballast {
namespace {

BALLAST_LOOP add_loop(float* __restrict into, const float* __restrict from, size_t count) {
  for (size_t i = 0; i < count; ++i) into[i] += from[i];
}
BALLAST_DISPATCH(add, (float* __restrict into, const float* __restrict from, size_t count),
                 (into, from, count))

BALLAST_LOOP round_all_loop(std::byte* __restrict into, const float* __restrict from,
                            size_t count) {
  for (size_t i = 0; i < count; ++i) {
    const uint16_t half = round_to_bfloat16(from[i]);
    std::memcpy(into + i * sizeof half, &half, sizeof half);
  }
}
BALLAST_DISPATCH(round_all,
                 (std::byte* __restrict into, const float* __restrict from, size_t count),
                 (into, from, count))

// `count` is a multiple of kSumLanes. A float's square is exact in fp64.
BALLAST_LOOP add_squares_loop(double* __restrict lanes, uint32_t* __restrict not_finite,
                              const float* __restrict values, size_t count) {
  for (size_t i = 0; i < count; i += kSumLanes) {
    for (size_t lane = 0; lane < kSumLanes; ++lane) {
      const double value = static_cast<double>(values[i + lane]);
      lanes[lane] += value * value;
      const uint32_t bits = std::bit_cast<uint32_t>(values[i + lane]);
      not_finite[lane] |= (bits & 0x7f800000u) == 0x7f800000u ? 1u : 0u;
    }
  }
}
BALLAST_DISPATCH(add_squares,
                 (double* __restrict lanes, uint32_t* __restrict not_finite,
                  const float* __restrict values, size_t count),
                 (lanes, not_finite, values, count))

}  // namespace

void add_into(std::span<float> into, std::span<const float> from) {
  CHECK(into.size() == from.size());
  add(into.data(), from.data(), into.size());
}

void round_to_bfloat16(std::span<std::byte> into, std::span<const float> from) {
  CHECK(into.size() == from.size() * sizeof(uint16_t));
  round_all(into.data(), from.data(), from.size());
}

Summary summarise(std::span<const float> values) {
  alignas(64) std::array<double, kSumLanes> lanes{};
  alignas(64) std::array<uint32_t, kSumLanes> not_finite{};
  const size_t whole = values.size() / kSumLanes * kSumLanes;
  add_squares(lanes.data(), not_finite.data(), values.data(), whole);
  if (whole < values.size()) {
    alignas(64) std::array<float, kSumLanes> tail{};  // zeros add nothing: sums are never -0
    for (size_t i = whole; i < values.size(); ++i) tail[i - whole] = values[i];
    add_squares(lanes.data(), not_finite.data(), tail.data(), kSumLanes);
  }
  for (uint32_t half = kSumLanes / 2; half > 0; half /= 2) {
    for (uint32_t lane = 0; lane < half; ++lane) {
      lanes[lane] += lanes[lane + half];
      not_finite[lane] |= not_finite[lane + half];
    }
  }
  return {.sum_squares = lanes[0], .finite = not_finite[0] == 0};
}

}  // namespace ballast
