// How a parameter becomes a bfloat16: to nearest, ties to even, and what has no nearest stays what
// it is.
#include "services/core/precision.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cmath>

namespace ballast {
namespace {

TEST(Bfloat16, RoundsToNearestAndTiesToEven) {
  const struct {
    uint32_t from;
    uint16_t to;
    const char* what;
  } rows[] = {
      {0x3f800000, 0x3f80, "one"},
      {0x3f807fff, 0x3f80, "below the middle"},
      {0x3f808000, 0x3f80, "the middle, down to the even one"},
      {0x3f808001, 0x3f81, "above the middle"},
      {0x3f818000, 0x3f82, "the middle, up to the even one"},
      {0xbf818000, 0xbf82, "the same below zero"},
      {0x3fffffff, 0x4000, "a carry into the exponent"},
      {0x00000000, 0x0000, "zero"},
      {0x80000000, 0x8000, "zero from below"},
      {0x00000001, 0x0000, "the smallest subnormal"},
      {0x80000001, 0x8000, "the same below zero"},
      {0x00008000, 0x0000, "a middle of subnormals, down to zero"},
      {0x00008001, 0x0001, "above it"},
      {0x00018000, 0x0002, "a middle of subnormals, up"},
      {0x007fffff, 0x0080, "the largest subnormal becomes a normal number"},
      {0x00800000, 0x0080, "the smallest normal number"},
      {0x7f7f0000, 0x7f7f, "the largest bfloat16"},
      {0x7f7f7fff, 0x7f7f, "still nearest to it"},
      {0x7f7f8000, 0x7f80, "the middle to what would come next is infinite"},
      {0x7f7fffff, 0x7f80, "the largest fp32 is infinite"},
      {0xff7fffff, 0xff80, "the same below zero"},
      {0x7f800000, 0x7f80, "infinity"},
      {0xff800000, 0xff80, "infinity below zero"},
      {0x7f800001, 0x7fc0, "a signalling NaN whose upper half would be infinity"},
      {0xff80ffff, 0xffc0, "the same below zero"},
      {0x7fc00000, 0x7fc0, "a quiet NaN"},
      {0x7fffffff, 0x7fff, "a NaN of ones does not become zero"},
      {0xffffffff, 0xffff, "the same below zero"},
      {0x7fb40000, 0x7ff4, "a NaN keeps its upper bits"},
  };
  for (const auto& row : rows) {
    EXPECT_EQ(round_to_bfloat16(std::bit_cast<float>(row.from)), row.to) << row.what;
  }
}

TEST(Bfloat16, EachOneComesBack) {  // a signalling NaN as a quiet one
  for (uint32_t bits = 0; bits <= 0xffff; ++bits) {
    const auto half = static_cast<uint16_t>(bits);
    const float value = expand_bfloat16(half);
    const auto again = round_to_bfloat16(value);
    if (std::isnan(value)) {
      EXPECT_EQ(again, half | 0x0040u);
    } else {
      EXPECT_EQ(again, half);
    }
  }
}

// Against arithmetic that knows nothing of bits: no neighbour is nearer, and a tie is even.
RC_GTEST_PROP(Bfloat16, NoNeighbourIsNearer, (uint32_t bits)) {
  const auto value = std::bit_cast<float>(bits);
  RC_PRE(std::isfinite(value) && std::abs(value) < 0x1.fep127f);
  const uint16_t half = round_to_bfloat16(value);
  const double miss = std::abs(double{expand_bfloat16(half)} - double{value});
  for (const int beside : {-1, 1}) {
    const auto neighbour = static_cast<uint16_t>(half + beside);
    if ((neighbour & 0x7f80u) == 0x7f80u || (neighbour ^ half) & 0x8000u) continue;
    const double other = std::abs(double{expand_bfloat16(neighbour)} - double{value});
    RC_ASSERT(miss < other || (miss == other && half % 2 == 0));
  }
}

TEST(Precision, IsReadAsTheSpecWritesIt) {
  for (const Precision precision : {Precision::kFp32, Precision::kBf16}) {
    EXPECT_EQ(parse_precision(to_string(precision)), precision);
  }
  EXPECT_EQ(parse_precision(""), Precision::kFp32);
  EXPECT_EQ(parse_precision("fp16"), std::nullopt);
  EXPECT_EQ(bytes_per_element(Precision::kFp32), sizeof(float));
  EXPECT_EQ(bytes_per_element(Precision::kBf16), sizeof(uint16_t));
}

}  // namespace
}  // namespace ballast
