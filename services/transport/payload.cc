#include "services/transport/payload.h"

#include <algorithm>
#include <array>
#include <cstring>

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

void copy_payload(std::span<float> into, const ReceivedPayload& payload) {
  CHECK(into.size_bytes() == payload.bytes());
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
