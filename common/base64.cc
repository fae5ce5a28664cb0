#include "common/base64.h"

#include <openssl/evp.h>

#include <cstdint>

namespace ballast {

std::string encode_base64(std::string_view bytes) {
  // EVP writes a zero behind it.
  std::string text((bytes.size() + 2) / 3 * 4 + 1, '\0');
  const int written = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()),
                                      reinterpret_cast<const unsigned char*>(bytes.data()),
                                      static_cast<int>(bytes.size()));
  text.resize(static_cast<size_t>(written));
  return text;
}

Result<std::string> decode_base64(std::string_view text) {
  const auto value = [](char c) -> int {
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
  };
  if (text.size() % 4 != 0) return fail(ErrorCode::kInvalid, "base64 of a wrong length");
  std::string bytes;
  bytes.reserve(text.size() / 4 * 3);
  for (size_t i = 0; i < text.size(); i += 4) {
    const bool last = i + 4 == text.size();
    const int padding = !last                                      ? 0
                        : text[i + 2] == '=' && text[i + 3] == '=' ? 2
                                                                   : text[i + 3] == '=';
    uint32_t bits = 0;
    for (size_t j = 0; j < 4; ++j) {
      const int six = static_cast<int>(j) >= 4 - padding ? 0 : value(text[i + j]);
      if (six < 0) return fail(ErrorCode::kInvalid, "a byte that is no base64");
      bits = bits << 6 | static_cast<uint32_t>(six);
    }
    for (int j = 0; j < 3 - padding; ++j) {
      bytes.push_back(static_cast<char>(bits >> (16 - 8 * j) & 0xff));
    }
  }
  return bytes;
}

}  // namespace ballast
