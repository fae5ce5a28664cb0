#include "services/transport/payload.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "common/check.h"
#include "common/vector_dispatch.h"

namespace ballast {
namespace {

BALLAST_LOOP add_bytes_loop(float* __restrict into, const std::byte* __restrict from,
                            size_t count) {
  for (size_t i = 0; i < count; ++i) {
    float value;
    std::memcpy(&value, from + i * sizeof value, sizeof value);
    into[i] += value;
  }
}
BALLAST_DISPATCH(add_bytes,
                 (float* __restrict into, const std::byte* __restrict from, size_t count),
                 (into, from, count))

// Around the caches: what is written is not read again soon, and the network's buffers stay in
// them.
void stream(float* into, const std::byte* from, size_t count) {
#if defined(__SSE2__)
  constexpr size_t kStep = 4;  // floats of 16 bytes
  const size_t past = (reinterpret_cast<uintptr_t>(into) / sizeof(float)) % kStep;
  const size_t head = std::min(count, past == 0 ? 0 : kStep - past);
  std::memcpy(into, from, head * sizeof(float));
  size_t i = head;
  for (; i + kStep <= count; i += kStep) {
    __m128i values;
    std::memcpy(&values, from + i * sizeof(float), sizeof values);
    _mm_stream_si128(reinterpret_cast<__m128i*>(into + i), values);
  }
  std::memcpy(into + i, from + i * sizeof(float), (count - i) * sizeof(float));
#else
  std::memcpy(into, from, count * sizeof(float));
#endif
}

// Calls act(first element, bytes, count of floats) for runs of whole floats; a float that lies in
// two or more pieces is put together first.
template <typename Act>
void for_each_run(const ReceivedPayload& payload, Act act) {
  size_t element = 0;
  std::array<std::byte, sizeof(float)> cut;
  size_t have = 0;
  for (std::span<const std::byte> piece : payload.pieces) {
    if (have > 0) {
      const size_t take = std::min(sizeof(float) - have, piece.size());
      std::memcpy(cut.data() + have, piece.data(), take);
      have += take;
      piece = piece.subspan(take);
      if (have < sizeof(float)) continue;
      act(element++, cut.data(), size_t{1});
      have = 0;
    }
    const size_t whole = piece.size() / sizeof(float);
    if (whole > 0) act(element, piece.data(), whole);
    element += whole;
    const std::span<const std::byte> rest = piece.subspan(whole * sizeof(float));
    if (!rest.empty()) std::memcpy(cut.data(), rest.data(), rest.size());
    have = rest.size();
  }
}

}  // namespace

size_t ReceivedPayload::bytes() const {
  size_t sum = 0;
  for (const auto& piece : pieces) sum += piece.size();
  return sum;
}

void copy_payload(std::span<float> into, const ReceivedPayload& payload, CopyKind kind) {
  CHECK(into.size_bytes() == payload.bytes());
  if (kind == CopyKind::kStreaming) {
    for_each_run(payload, [&](size_t element, const std::byte* bytes, size_t count) {
      stream(into.data() + element, bytes, count);
    });
#if defined(__SSE2__)
    _mm_sfence();  // before anybody is told
#endif
    return;
  }
  for_each_run(payload, [&](size_t element, const std::byte* bytes, size_t count) {
    std::memcpy(into.data() + element, bytes, count * sizeof(float));
  });
}

void add_payload(std::span<float> into, const ReceivedPayload& payload) {
  CHECK(into.size_bytes() == payload.bytes());
  for_each_run(payload, [&](size_t element, const std::byte* bytes, size_t count) {
    add_bytes(into.data() + element, bytes, count);
  });
}

}  // namespace ballast
