// Payloads arrive in pieces that cut floats anywhere; sums and copies must not see the cuts.
#include "services/transport/payload.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cstring>

namespace ballast {
namespace {

std::vector<float> any_values(size_t most) {
  std::vector<float> values(*rc::gen::inRange<size_t>(1, most));
  for (float& value : values) value = static_cast<float>(*rc::gen::inRange(-1000, 1000)) / 8;
  return values;
}

// The values' bytes, cut at random places, each piece in memory of its own at an odd address.
ReceivedPayload cut(const std::vector<float>& values) {
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
