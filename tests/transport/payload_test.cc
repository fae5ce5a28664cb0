// Payloads arrive in pieces that cut numbers anywhere; sums and copies must not see the cuts.
#include "services/transport/payload.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <bit>
#include <cstring>

namespace ballast {
namespace {

std::vector<float> any_values(size_t most) {
  std::vector<float> values(*rc::gen::inRange<size_t>(1, most));
  for (float& value : values) value = static_cast<float>(*rc::gen::inRange(-1000, 1000)) / 8;
  return values;
}

// The values' bytes, cut at random places, each piece in memory of its own at an odd address.
template <typename Number>
ReceivedPayload cut(const std::vector<Number>& values) {
  auto owner = std::make_shared<std::vector<std::vector<std::byte>>>();
  const auto bytes = std::as_bytes(std::span(values));
  size_t at = 0;
  while (at < bytes.size()) {
    const size_t size = std::min(bytes.size() - at, *rc::gen::inRange<size_t>(1, 23));
    std::vector<std::byte>& piece = owner->emplace_back(size + 1);
    std::memcpy(piece.data() + 1, bytes.data() + at, size);
    at += size;
  }
  ReceivedPayload payload;
  for (const auto& piece : *owner) payload.pieces.push_back(std::span(piece).subspan(1));
  payload.owner = owner;
  payload.precision = sizeof(Number) == 2 ? Precision::kBf16 : Precision::kFp32;
  return payload;
}

RC_GTEST_PROP(Payload, CopiesWhateverTheCuts, ()) {
  const std::vector<float> values = any_values(200);
  std::vector<float> into(values.size());
  copy_payload(into, cut(values));
  RC_ASSERT(into == values);
}

RC_GTEST_PROP(Payload, StreamsWhateverTheCuts, ()) {
  const std::vector<float> values = any_values(200);
  std::vector<float> into(values.size());
  copy_payload(into, cut(values), CopyKind::kStreaming);
  RC_ASSERT(into == values);
}

// Any bits, NaN among them: what arrives is the upper half of what lies there afterwards.
RC_GTEST_PROP(Payload, ExpandsWhateverTheCuts, (std::vector<uint16_t> halves)) {
  for (const CopyKind kind : {CopyKind::kCached, CopyKind::kStreaming}) {
    std::vector<float> memory(halves.size() + 3);
    for (const size_t unaligned : {0u, 1u, 2u, 3u}) {
      const std::span<float> into = std::span(memory).subspan(unaligned, halves.size());
      copy_payload(into, cut(halves), kind);
      for (size_t i = 0; i < halves.size(); ++i) {
        RC_ASSERT(std::bit_cast<uint32_t>(into[i]) == uint32_t{halves[i]} << 16);
      }
    }
  }
}

// In one piece, as long as a segment is: the vectors' own path.
TEST(Payload, ExpandsALongPiece) {
  std::vector<uint16_t> halves(0x10001);
  for (size_t i = 0; i < halves.size(); ++i) halves[i] = static_cast<uint16_t>(i);
  ReceivedPayload payload;
  payload.pieces = {std::as_bytes(std::span(halves))};
  payload.precision = Precision::kBf16;
  for (const CopyKind kind : {CopyKind::kCached, CopyKind::kStreaming}) {
    std::vector<float> into(halves.size());
    copy_payload(into, payload, kind);
    for (size_t i = 0; i < halves.size(); ++i) {
      ASSERT_EQ(std::bit_cast<uint32_t>(into[i]), uint32_t{halves[i]} << 16);
    }
  }
}

RC_GTEST_PROP(Payload, AddsWhateverTheCuts, ()) {
  const std::vector<float> values = any_values(200);
  std::vector<float> into(values.size());
  for (size_t i = 0; i < into.size(); ++i) into[i] = static_cast<float>(i) * 0.375f;
  std::vector<float> expected = into;
  for (size_t i = 0; i < into.size(); ++i) expected[i] += values[i];
  add_payload(into, cut(values));
  RC_ASSERT(into == expected);
}

}  // namespace
}  // namespace ballast
