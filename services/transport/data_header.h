// The header before every payload on a data stream: fixed fields, little-endian, parsed from
// untrusted bytes. Pure functions; any thread. docs/protocol.md shows the table of fields.
//
// Invariant: parse(encode(h)) == h; bytes that encode would not have written are refused, with the
// position of the byte that is wrong.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "common/error.h"
#include "services/core/messages.h"

namespace ballast {

inline constexpr uint32_t kDataMagic = 0x54534c42;  // "BLST"
inline constexpr uint8_t kDataVersion = 1;
inline constexpr size_t kMaxDataHeaderBytes = 320;
inline constexpr size_t kMaxPieceBytes = size_t{1} << 20;  // payload of one message
inline constexpr size_t kMaxHelloBytes = 4096;

enum class Encoding : uint8_t {
  kNone = 0,       // no payload
  kDenseFp32 = 1,  // little-endian IEEE 754 binary32, one after another
  kHello = 2,      // a control Frame with a Hello: the first message on a data stream
  kDenseBf16 =
      3,  // little-endian bfloat16, one after another; of a PullReply that was asked for it
};

struct DataHeader {
  uint64_t job_hash = 0;
  uint64_t from_incarnation = 0;
  uint64_t to_incarnation = 0;
  Encoding encoding = Encoding::kNone;
  uint32_t payload_bytes = 0;
  bool hello = false;  // then `message` means nothing
  Message message;

  // Set by parse_data_header: where the payload begins.
  size_t header_bytes = 0;
};

// `header.message` must be a data message (services/transport/hello.h: is_data) unless hello.
std::vector<std::byte> encode_data_header(const DataHeader& header);

// `bytes`: the beginning of a message of `message_bytes` in all, at least
// min(message_bytes, kMaxDataHeaderBytes) of them. kCorrupt: "data header byte 5: ...".
Result<DataHeader> parse_data_header(std::span<const std::byte> bytes, size_t message_bytes);

}  // namespace ballast
