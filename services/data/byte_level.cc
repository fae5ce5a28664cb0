#include "services/data/byte_level.h"

#include <array>
#include <cstdint>

#include "services/data/utf8.h"

namespace ballast {
namespace {

constexpr uint32_t kNoByte = 256;
constexpr size_t kLetters = 0x100 + 68;  // 68 bytes are not printable

struct Alphabet {
  std::array<uint32_t, 256> letters{};     // by byte
  std::array<uint32_t, kLetters> bytes{};  // by letter; kNoByte for what is none
};

constexpr Alphabet make_alphabet() {
  Alphabet alphabet;
  alphabet.bytes.fill(kNoByte);
  uint32_t next = 0x100;
  for (uint32_t byte = 0; byte < 256; ++byte) {
    const bool printable = (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte != 0xAD);
    alphabet.letters[byte] = printable ? byte : next++;
    alphabet.bytes[alphabet.letters[byte]] = byte;
  }
  return alphabet;
}
constexpr Alphabet kAlphabet = make_alphabet();

}  // namespace

std::string bytes_to_name(std::string_view bytes) {
  std::string name;
  for (const char byte : bytes) {
    append_character(kAlphabet.letters[static_cast<unsigned char>(byte)], name);
  }
  return name;
}

std::optional<std::string> name_to_bytes(std::string_view name) {
  std::string bytes;
  while (!name.empty()) {
    const Character letter = first_character(name, true);
    if (letter.value >= kLetters || kAlphabet.bytes[letter.value] == kNoByte) return std::nullopt;
    bytes.push_back(static_cast<char>(kAlphabet.bytes[letter.value]));
    name.remove_prefix(letter.bytes);
  }
  return bytes;
}

}  // namespace ballast
