// Checksums in one call or piece by piece: XXH3 (64, 128 bits) finds damage, SHA-256 names content.
// Pure functions of the bytes: the same on every machine and for every way to cut the input.
// One object belongs to one thread at a time.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace ballast {

using Bytes = std::span<const std::byte>;

inline Bytes as_bytes(std::string_view text) {
  return std::as_bytes(std::span<const char>(text.data(), text.size()));
}

// Lower-case, two digits a byte.
std::string to_hex(Bytes bytes);

// Most significant byte first, as it is written down.
using Checksum128 = std::array<std::byte, 16>;
using Sha256Digest = std::array<std::byte, 32>;

uint64_t xxh3_64(Bytes bytes);
Checksum128 xxh3_128(Bytes bytes);
Sha256Digest sha256(Bytes bytes);

class Xxh3 {
 public:
  Xxh3();
  ~Xxh3();
  Xxh3(Xxh3&&) noexcept;
  Xxh3& operator=(Xxh3&&) noexcept;

  void update(Bytes bytes);
  uint64_t digest_64() const;  // of all so far; more may follow
  Checksum128 digest_128() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;

  void update(Bytes bytes);
  Sha256Digest digest() const;  // of all so far; more may follow

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace ballast
