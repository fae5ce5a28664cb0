// UTF-8 as it comes: the next code point, or one byte that is part of none (overlong forms and
// surrogates are none either). Every byte of any text belongs to exactly one character, so that
// bytes are never lost. Pure; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace ballast {

// A byte that is no UTF-8 stands as this plus the byte: above every code point.
inline constexpr uint32_t kFirstStrayByte = 0x110000;
inline constexpr uint32_t kCharacterEnd = kFirstStrayByte + 0x100;

struct Character {
  uint32_t value = 0;  // code point, or kFirstStrayByte + byte
  uint32_t bytes = 0;  // 0: the text ends within what may become a code point
};

// The first character of `text`, which is not empty. With `last` no more text follows, and what is
// cut off at the end is stray bytes.
Character first_character(std::string_view text, bool last);

// The last place after the first byte at which a character begins, or ends with the text; 0: none
// that could be told, as only bytes come that may continue one.
size_t last_character_begin(std::string_view text);

// The bytes that first_character() makes `value` from; it is a code point (no surrogate) or a stray
// byte (CHECKed).
void append_character(uint32_t value, std::string& text);

// For messages: "U+0041", "the byte 0xff".
std::string character_name(uint32_t value);

}  // namespace ballast
