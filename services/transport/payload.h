// Values beside a message: as they go out (our memory, by reference) and as they come in (pieces of
// the network's buffers, added up where they lie). Pieces may cut numbers anywhere and are not
// aligned. Thread rule: values; a payload may move to another thread, its bytes are never written.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "services/core/precision.h"

namespace ballast {

// Sent without a copy: the values stay as they are until `owner` is released.
struct OutgoingPayload {
  std::span<const float> values;
  std::shared_ptr<const void> owner;
  std::span<const std::byte> rounded = {};  // in the place of `values`: bfloat16, little-endian

  std::span<const std::byte> bytes() const {
    return rounded.empty() ? std::as_bytes(values) : rounded;
  }
  Precision precision() const { return rounded.empty() ? Precision::kFp32 : Precision::kBf16; }
};

struct ReceivedPayload {
  std::vector<std::span<const std::byte>> pieces;
  std::shared_ptr<const void> owner;
  Precision precision = Precision::kFp32;

  size_t bytes() const;
};

// kStreaming: for memory that is far larger than the caches, and is not read again at once.
enum class CopyKind { kCached, kStreaming };
inline CopyKind copy_kind(uint64_t arena_elements) {
  return arena_elements > (uint64_t{8} << 20) ? CopyKind::kStreaming : CopyKind::kCached;
}

// The payload has into.size() numbers, which the caller has checked. bfloat16 is expanded.
void copy_payload(std::span<float> into, const ReceivedPayload& payload,
                  CopyKind kind = CopyKind::kCached);
void add_payload(std::span<float> into, const ReceivedPayload& payload);  // of fp32, into[i] += it

}  // namespace ballast
