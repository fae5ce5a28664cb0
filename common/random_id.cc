#include "common/random_id.h"

#include <array>
#include <cerrno>
#include <cstddef>
#include <span>

#include <sys/random.h>

#include "common/check.h"
#include "common/checksum.h"

namespace ballast {
namespace {

void fill_random(std::span<std::byte> bytes) {
  // At most 256 bytes: the kernel then gives all of them or, before its pool is ready, waits.
  CHECK(bytes.size() <= 256);
  ssize_t got = -1;
  do {
    got = getrandom(bytes.data(), bytes.size(), 0);
  } while (got < 0 && errno == EINTR);
  CHECK(got == static_cast<ssize_t>(bytes.size()));
}

}  // namespace

uint64_t random_id() {
  uint64_t id = 0;
  while (id == 0) fill_random(std::as_writable_bytes(std::span(&id, 1)));
  return id;
}

std::string random_uuid() {
  std::array<std::byte, 16> bytes;
  fill_random(bytes);
  bytes[6] = (bytes[6] & std::byte{0x0f}) | std::byte{0x40};  // version 4
  bytes[8] = (bytes[8] & std::byte{0x3f}) | std::byte{0x80};  // variant of RFC 4122
  std::string text = to_hex(bytes);
  for (const size_t position : {20u, 16u, 12u, 8u}) text.insert(position, "-");
  return text;
}

}  // namespace ballast
