#include "common/checksum.h"

#include <algorithm>
#include <vector>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace ballast {
namespace {

Bytes bytes_of(const std::vector<uint8_t>& content) { return std::as_bytes(std::span(content)); }

RC_GTEST_PROP(ChecksumProperty, HowTheInputIsCutDoesNotMatter,
              (std::vector<uint8_t> content, std::vector<uint8_t> cuts)) {
  Sha256 sha;
  Xxh3 xxh;
  size_t done = 0;
  for (const uint8_t cut : cuts) {
    const size_t bytes = std::min<size_t>(cut, content.size() - done);
    sha.update(bytes_of(content).subspan(done, bytes));
    xxh.update(bytes_of(content).subspan(done, bytes));
    done += bytes;
  }
  sha.update(bytes_of(content).subspan(done));
  xxh.update(bytes_of(content).subspan(done));
  RC_ASSERT(sha.digest() == sha256(bytes_of(content)));
  RC_ASSERT(xxh.digest_64() == xxh3_64(bytes_of(content)));
  RC_ASSERT(xxh.digest_128() == xxh3_128(bytes_of(content)));
}

RC_GTEST_PROP(ChecksumProperty, OneFlippedBitIsSeen, ()) {
  auto content = *rc::gen::nonEmpty(rc::gen::arbitrary<std::vector<uint8_t>>());
  const auto before_64 = xxh3_64(bytes_of(content));
  const auto before_128 = xxh3_128(bytes_of(content));
  const auto bit = *rc::gen::inRange<size_t>(0, content.size() * 8);
  content[bit / 8] = static_cast<uint8_t>(content[bit / 8] ^ (1u << (bit % 8)));
  RC_ASSERT(xxh3_64(bytes_of(content)) != before_64);
  RC_ASSERT(xxh3_128(bytes_of(content)) != before_128);
}

}  // namespace
}  // namespace ballast
