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

BALLAST_LOOP expand_loop(float* __restrict into, const std::byte* __restrict from, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    uint16_t half;
    std::memcpy(&half, from + i * sizeof half, sizeof half);
    into[i] = expand_bfloat16(half);
  }
}
BALLAST_DISPATCH(expand, (float* __restrict into, const std::byte* __restrict from, size_t count),
                 (into, from, count))

// Around the caches: what is written is not read again soon, and the network's buffers stay in
// them.
#if defined(__SSE2__)
constexpr size_t kStep = 4;  // floats of 16 bytes

// How many of them lie before the first address that can be streamed to.
size_t unaligned(const float* into, size_t count) {
  const size_t past = (reinterpret_cast<uintptr_t>(into) / sizeof(float)) % kStep;
  return std::min(count, past == 0 ? 0 : kStep - past);
}
#endif

void stream(float* into, const std::byte* from, size_t count) {
#if defined(__SSE2__)
  const size_t head = unaligned(into, count);
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

void stream_expanded(float* into, const std::byte* from, size_t count) {
#if defined(__SSE2__)
  size_t i = unaligned(into, count);
  expand(into, from, i);
  for (; i + 2 * kStep <= count; i += 2 * kStep) {
    __m128i halves;  // each goes above 16 zero bits
    std::memcpy(&halves, from + i * sizeof(uint16_t), sizeof halves);
    const __m128i zero = _mm_setzero_si128();
    auto* at = reinterpret_cast<__m128i*>(into + i);
    _mm_stream_si128(at, _mm_unpacklo_epi16(zero, halves));
    _mm_stream_si128(at + 1, _mm_unpackhi_epi16(zero, halves));
  }
  expand(into + i, from + i * sizeof(uint16_t), count - i);
#else
  expand(into, from, count);
#endif
}

// Calls act(first element, bytes, count) for runs of whole numbers; one that lies in two or more
// pieces is put together first.
template <size_t kNumberBytes, typename Act>
void for_each_run(const ReceivedPayload& payload, Act act) {
  size_t element = 0;
  std::array<std::byte, kNumberBytes> cut;
  size_t have = 0;
  for (std::span<const std::byte> piece : payload.pieces) {
    if (have > 0) {
      const size_t take = std::min(kNumberBytes - have, piece.size());
      std::memcpy(cut.data() + have, piece.data(), take);
      have += take;
      piece = piece.subspan(take);
      if (have < kNumberBytes) continue;
      act(element++, cut.data(), size_t{1});
      have = 0;
    }
    const size_t whole = piece.size() / kNumberBytes;
    if (whole > 0) act(element, piece.data(), whole);
    element += whole;
    const std::span<const std::byte> rest = piece.subspan(whole * kNumberBytes);
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
  CHECK(into.size() * bytes_per_element(payload.precision) == payload.bytes());
  const bool streaming = kind == CopyKind::kStreaming;
  if (payload.precision == Precision::kBf16) {
    for_each_run<sizeof(uint16_t)>(
        payload, [&](size_t element, const std::byte* bytes, size_t count) {
          (streaming ? stream_expanded : expand)(into.data() + element, bytes, count);
        });
  } else {
    for_each_run<sizeof(float)>(payload, [&](size_t element, const std::byte* bytes, size_t count) {
      if (streaming) return stream(into.data() + element, bytes, count);
      std::memcpy(into.data() + element, bytes, count * sizeof(float));
    });
  }
#if defined(__SSE2__)
  if (streaming) _mm_sfence();  // before anybody is told
#endif
}

void add_payload(std::span<float> into, const ReceivedPayload& payload) {
  CHECK(payload.precision == Precision::kFp32 && into.size_bytes() == payload.bytes());
  for_each_run<sizeof(float)>(payload, [&](size_t element, const std::byte* bytes, size_t count) {
    add_bytes(into.data() + element, bytes, count);
  });
}

}  // namespace ballast
