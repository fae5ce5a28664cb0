#include "common/checksum.h"

#include <gtest/gtest.h>

namespace ballast {
namespace {

// Values from FIPS 180-4's examples and from the reference programs sha256sum and xxh128sum.
TEST(Checksum, KnownValues) {
  EXPECT_EQ(to_hex(sha256(as_bytes(""))),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(to_hex(sha256(as_bytes("abc"))),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(xxh3_64(as_bytes("")), 0x2d06800538d394c2u);
  EXPECT_EQ(to_hex(xxh3_128(as_bytes(""))), "99aa06d3014798d86001c324468d497f");
}

TEST(Checksum, HexIsLowerCaseTwoDigitsAByte) {
  EXPECT_EQ(to_hex(as_bytes(std::string_view("\x00\x0f\xf0\xff", 4))), "000ff0ff");
  EXPECT_EQ(to_hex({}), "");
}

TEST(Checksum, DigestMayBeAskedForInTheMiddle) {
  Sha256 sha;
  Xxh3 xxh;
  EXPECT_EQ(sha.digest(), sha256({}));
  sha.update(as_bytes("ab"));
  xxh.update(as_bytes("ab"));
  EXPECT_EQ(sha.digest(), sha256(as_bytes("ab")));
  EXPECT_EQ(xxh.digest_64(), xxh3_64(as_bytes("ab")));
  sha.update(as_bytes("c"));
  xxh.update(as_bytes("c"));
  EXPECT_EQ(sha.digest(), sha256(as_bytes("abc")));
  EXPECT_EQ(xxh.digest_128(), xxh3_128(as_bytes("abc")));
}

TEST(Checksum, AMovedHashGoesOn) {
  Sha256 first;
  first.update(as_bytes("ab"));
  Sha256 second = std::move(first);
  second.update(as_bytes("c"));
  EXPECT_EQ(second.digest(), sha256(as_bytes("abc")));
}

}  // namespace
}  // namespace ballast
