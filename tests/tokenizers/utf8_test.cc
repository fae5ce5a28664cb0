// Which bytes are a character: all code points, all ways to be wrong.
#include "services/data/utf8.h"

#include <gtest/gtest.h>

namespace ballast {
namespace {

std::string utf8(uint32_t value) {
  std::string text;
  append_character(value, text);
  return text;
}

TEST(Utf8, EveryCodePointAndEveryStrayByteComesBack) {
  for (uint32_t value = 0; value < kFirstStrayByte; ++value) {
    if (value == 0xD800) value = 0xE000;
    const std::string text = utf8(value);
    for (const bool last : {false, true}) {
      const Character character = first_character(text + "x", last);
      ASSERT_EQ(character.value, value);
      ASSERT_EQ(character.bytes, text.size()) << value;
    }
  }
  for (uint32_t byte = 0x80; byte < 0x100; ++byte) {
    const Character character = first_character(utf8(kFirstStrayByte + byte), true);
    EXPECT_EQ(character.value, kFirstStrayByte + byte);
    EXPECT_EQ(character.bytes, 1u);
  }
}

TEST(Utf8, WhatIsNoCharacterIsStrayBytes) {
  const std::string bad[] = {"\x80",         "\xBF",         "\xC0\x80",         "\xC1\xBF",
                             "\xC3(",        "\xE0\x9F\xBF", "\xED\xA0\x80",     "\xED\xBF\xBF",
                             "\xE2\x82(",    "\xE2(\xAC",    "\xF0\x8F\xBF\xBF", "\xF4\x90\x80\x80",
                             "\xF5\x80\x80", "\xFF",         "\xF0\x9F\x98(",    "\xFE\xFE"};
  for (const std::string& text : bad) {
    for (const bool last : {false, true}) {
      const Character character = first_character(text, last);
      EXPECT_EQ(character.bytes, 1u) << text;
      EXPECT_EQ(character.value, kFirstStrayByte + static_cast<unsigned char>(text[0])) << text;
    }
  }
}

TEST(Utf8, WhatIsCutOffWaitsForMore) {
  for (const uint32_t value : {0xE9u, 0x20ACu, 0xFFFDu, 0x1F600u, 0x10FFFFu}) {
    const std::string text = utf8(value);
    for (size_t bytes = 1; bytes < text.size(); ++bytes) {
      EXPECT_EQ(first_character(text.substr(0, bytes), false).bytes, 0u);
      EXPECT_EQ(first_character(text.substr(0, bytes), true).value,
                kFirstStrayByte + static_cast<unsigned char>(text[0]));
    }
  }
}

TEST(Utf8, TheLastBeginOfACharacter) {
  const struct {
    std::string text;
    size_t begin;
  } rows[] = {{"", 0},
              {"a", 1},
              {"\xC3", 0},       // may go on
              {"a\xC3\xA9", 1},  // ends here, but a look at the first byte is enough
              {"\xC3\xA9\xC3\xA9", 2},
              {"\xA9\xA9", 0},
              {"\xE2\x82\xAC"
               "b",
               4}};
  for (const auto& row : rows) EXPECT_EQ(last_character_begin(row.text), row.begin) << row.text;
}

TEST(Utf8, Names) {
  EXPECT_EQ(character_name('A'), "U+0041");
  EXPECT_EQ(character_name(0x1F600), "U+1F600");
  EXPECT_EQ(character_name(kFirstStrayByte + 0xFF), "the byte 0xff");
}

TEST(Utf8DeathTest, ASurrogateIsNoCharacter) { EXPECT_DEATH(utf8(0xD800), "value"); }

}  // namespace
}  // namespace ballast
