#include "common/checksum.h"

#include <openssl/evp.h>
#include <xxhash.h>

#include "common/check.h"

namespace ballast {
namespace {

struct XxhDelete {
  void operator()(XXH3_state_t* state) const { XXH3_freeState(state); }
};
using XxhState = std::unique_ptr<XXH3_state_t, XxhDelete>;

struct EvpDelete {
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};
using EvpContext = std::unique_ptr<EVP_MD_CTX, EvpDelete>;

Checksum128 canonical(XXH128_hash_t hash) {
  XXH128_canonical_t written;
  XXH128_canonicalFromHash(&written, hash);
  Checksum128 bytes;
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(written.digest[i]);
  return bytes;
}

// XXH3 takes a null pointer for nothing, but some builds read it; an empty input has no address.
const void* data_of(Bytes bytes) {
  return bytes.empty() ? "" : static_cast<const void*>(bytes.data());
}

}  // namespace

struct Xxh3::State {
  // XXH3_64bits and XXH3_128bits share one streaming state, so one pass gives both digests.
  XxhState xxh{XXH3_createState()};
};

struct Sha256::State {
  EvpContext evp{EVP_MD_CTX_new()};
};

std::string to_hex(Bytes bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  text.reserve(bytes.size() * 2);
  for (const std::byte byte : bytes) {
    text.push_back(kDigits[std::to_integer<unsigned>(byte) >> 4]);
    text.push_back(kDigits[std::to_integer<unsigned>(byte) & 15]);
  }
  return text;
}

uint64_t xxh3_64(Bytes bytes) { return XXH3_64bits(data_of(bytes), bytes.size()); }

Checksum128 xxh3_128(Bytes bytes) { return canonical(XXH3_128bits(data_of(bytes), bytes.size())); }

Sha256Digest sha256(Bytes bytes) {
  Sha256 hash;
  hash.update(bytes);
  return hash.digest();
}

Xxh3::Xxh3() : state_(std::make_unique<State>()) {
  CHECK(state_->xxh != nullptr);
  CHECK(XXH3_128bits_reset(state_->xxh.get()) == XXH_OK);
}
Xxh3::~Xxh3() = default;
Xxh3::Xxh3(Xxh3&&) noexcept = default;
Xxh3& Xxh3::operator=(Xxh3&&) noexcept = default;

void Xxh3::update(Bytes bytes) {
  if (bytes.empty()) return;
  CHECK(XXH3_128bits_update(state_->xxh.get(), bytes.data(), bytes.size()) == XXH_OK);
}

uint64_t Xxh3::digest_64() const { return XXH3_64bits_digest(state_->xxh.get()); }
Checksum128 Xxh3::digest_128() const { return canonical(XXH3_128bits_digest(state_->xxh.get())); }

Sha256::Sha256() : state_(std::make_unique<State>()) {
  CHECK(state_->evp != nullptr);
  CHECK(EVP_DigestInit_ex(state_->evp.get(), EVP_sha256(), nullptr) == 1);
}
Sha256::~Sha256() = default;
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;

void Sha256::update(Bytes bytes) {
  if (bytes.empty()) return;
  CHECK(EVP_DigestUpdate(state_->evp.get(), bytes.data(), bytes.size()) == 1);
}

Sha256Digest Sha256::digest() const {
  const EvpContext copy(EVP_MD_CTX_new());
  CHECK(copy != nullptr);
  CHECK(EVP_MD_CTX_copy_ex(copy.get(), state_->evp.get()) == 1);
  Sha256Digest digest;
  unsigned int bytes = 0;
  CHECK(EVP_DigestFinal_ex(copy.get(), reinterpret_cast<unsigned char*>(digest.data()), &bytes) ==
        1);
  CHECK(bytes == digest.size());
  return digest;
}

}  // namespace ballast
