#include "services/data/utf8.h"

#include <fmt/format.h>

#include "common/check.h"

namespace ballast {
namespace {

uint32_t byte_at(std::string_view text, size_t i) { return static_cast<unsigned char>(text[i]); }

}  // namespace

// The byte ranges of well-formed UTF-8: only the second byte's range depends on the first byte.
Character first_character(std::string_view text, bool last) {
  const uint32_t lead = byte_at(text, 0);
  if (lead < 0x80) return {lead, 1};
  const Character stray{kFirstStrayByte + lead, 1};
  if (lead < 0xC2 || lead > 0xF4) return stray;
  const uint32_t bytes = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  uint32_t low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
  uint32_t high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
  uint32_t value = lead & (0x7Fu >> bytes);
  for (size_t i = 1; i < bytes; ++i) {
    if (i == text.size()) return last ? stray : Character{0, 0};
    const uint32_t byte = byte_at(text, i);
    if (byte < low || byte > high) return stray;
    value = value << 6 | (byte & 0x3F);
    low = 0x80;
    high = 0xBF;
  }
  return {value, bytes};
}

// A byte that continues no character begins one, and ASCII ends one, whatever stands around it.
size_t last_character_begin(std::string_view text) {
  if (!text.empty() && byte_at(text, text.size() - 1) < 0x80) return text.size();
  for (size_t i = text.size(); i-- > 1;) {
    if ((byte_at(text, i) & 0xC0) != 0x80) return i;
  }
  return 0;
}

void append_character(uint32_t value, std::string& text) {
  CHECK(value < kCharacterEnd && (value < 0xD800 || value > 0xDFFF));
  const auto append = [&](uint32_t byte) { text.push_back(static_cast<char>(byte)); };
  const auto append_rest = [&](uint32_t shift) { append(0x80 | (value >> shift & 0x3F)); };
  if (value >= kFirstStrayByte) {
    append(value - kFirstStrayByte);
  } else if (value < 0x80) {
    append(value);
  } else if (value < 0x800) {
    append(0xC0 | value >> 6);
    append_rest(0);
  } else if (value < 0x10000) {
    append(0xE0 | value >> 12);
    append_rest(6);
    append_rest(0);
  } else {
    append(0xF0 | value >> 18);
    append_rest(12);
    append_rest(6);
    append_rest(0);
  }
}

std::string character_name(uint32_t value) {
  if (value >= kFirstStrayByte) return fmt::format("the byte 0x{:02x}", value - kFirstStrayByte);
  return fmt::format("U+{:04X}", value);
}

}  // namespace ballast
