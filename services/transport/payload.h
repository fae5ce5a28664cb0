// Values beside a message: as they go out (our memory, by reference) and as they come in (pieces of
// the network's buffers, added up where they lie). Pieces may cut floats anywhere and are not
// aligned. Thread rule: values; a payload may move to another thread, its bytes are never written.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace ballast {

// Sent without a copy: the values stay as they are until `owner` is released.
struct OutgoingPayload {
  std::span<const float> values;
  std::shared_ptr<const void> owner;
};

struct ReceivedPayload {
  std::vector<std::span<const std::byte>> pieces;
  std::shared_ptr<const void> owner;

  size_t bytes() const;
};

// kStreaming: for memory that is far larger than the caches, and is not read again at once.
enum class CopyKind { kCached, kStreaming };
inline CopyKind copy_kind(uint64_t arena_elements) {
  return arena_elements > (uint64_t{8} << 20) ? CopyKind::kStreaming : CopyKind::kCached;
}

// into.size() * 4 == payload.bytes(), which the caller has checked.
void copy_payload(std::span<float> into, const ReceivedPayload& payload,
                  CopyKind kind = CopyKind::kCached);
void add_payload(std::span<float> into, const ReceivedPayload& payload);  // into[i] += payload[i]

}  // namespace ballast
