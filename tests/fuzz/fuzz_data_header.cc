// The first bytes of a message on a data stream, from anybody: refused by the byte, or exactly what
// our own side would have written. Input: how many bytes of payload follow (4, little-endian), the
// message.
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "common/check.h"
#include "services/transport/data_header.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ballast;
  uint32_t payload_bytes = 0;
  if (size < sizeof payload_bytes) return 0;
  std::memcpy(&payload_bytes, data, sizeof payload_bytes);
  const auto message = std::as_bytes(std::span(data, size)).subspan(sizeof payload_bytes);
  const auto header = parse_data_header(message, message.size() + payload_bytes);
  if (!header) {
    CHECK(header.error().code == ErrorCode::kCorrupt && header.error().message.size() < 300);
    return 0;
  }
  CHECK(header->payload_bytes <= kMaxPieceBytes && header->header_bytes <= kMaxDataHeaderBytes);
  CHECK(header->header_bytes + header->payload_bytes == message.size() + payload_bytes);
  if (header->hello) return 0;
  const std::vector<std::byte> again = encode_data_header(*header);
  CHECK(again.size() == header->header_bytes);
  CHECK(std::memcmp(again.data(), message.data(), again.size()) == 0);
  return 0;
}
