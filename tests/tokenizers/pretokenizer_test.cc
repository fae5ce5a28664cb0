// How text is cut into words: the cases that the pattern's alternatives decide, one by one.
#include "services/data/pretokenizer.h"

#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ballast {
namespace {

using testing::ElementsAre;

std::vector<std::string> words(std::string_view text) {
  std::vector<std::string> found;
  while (!text.empty()) {
    const size_t bytes = first_word(text, true);
    found.emplace_back(text.substr(0, bytes));
    text.remove_prefix(bytes);
  }
  return found;
}

TEST(Pretokenizer, LettersNumbersAndTheRest) {
  EXPECT_THAT(words("Hello world"), ElementsAre("Hello", " world"));
  EXPECT_THAT(words("abc123!?x"), ElementsAre("abc", "123", "!?", "x"));
  EXPECT_THAT(words(" 12 %% a"), ElementsAre(" 12", " %%", " a"));
  EXPECT_THAT(words("x_y"), ElementsAre("x", "_", "y"));
  EXPECT_THAT(words(std::string_view("a\0\1b", 4)), ElementsAre("a", std::string("\0\1", 2), "b"));
}

TEST(Pretokenizer, Contractions) {
  EXPECT_THAT(words("it's I'm we've you'll they're I'd don't"),
              ElementsAre("it", "'s", " I", "'m", " we", "'ve", " you", "'ll", " they", "'re", " I",
                          "'d", " don", "'t"));
  EXPECT_THAT(words("'sa"), ElementsAre("'s", "a"));        // wherever a word may begin
  EXPECT_THAT(words("IT'S"), ElementsAre("IT", "'", "S"));  // small letters only
  EXPECT_THAT(words(" 's"), ElementsAre(" '", "s"));        // not behind a space
  EXPECT_THAT(words("''s"), ElementsAre("''", "s"));        // not within a run
  EXPECT_THAT(words("'r'l've"), ElementsAre("'", "r", "'", "l", "'ve"));
}

TEST(Pretokenizer, WhiteSpaceLeavesItsLastToTheWordBehindIt) {
  EXPECT_THAT(words("a  b"), ElementsAre("a", " ", " b"));
  EXPECT_THAT(words("a   b"), ElementsAre("a", "  ", " b"));
  EXPECT_THAT(words("a\n\nb"), ElementsAre("a", "\n", "\n", "b"));
  EXPECT_THAT(words("a \nb"), ElementsAre("a", " ", "\n", "b"));
  EXPECT_THAT(words("a\n b"), ElementsAre("a", "\n", " b"));
  EXPECT_THAT(words("a\tb"), ElementsAre("a", "\t", "b"));
  EXPECT_THAT(words("a  "), ElementsAre("a", "  "));
  EXPECT_THAT(words(" "), ElementsAre(" "));
  EXPECT_THAT(words(" \xC2\xA0x"), ElementsAre(" ", "\xC2\xA0", "x"));
}

TEST(Pretokenizer, UnicodeClasses) {
  EXPECT_THAT(words("naïve Ωmega"), ElementsAre("naïve", " Ωmega"));
  EXPECT_THAT(words("中文,日本語"), ElementsAre("中文", ",", "日本語"));
  EXPECT_THAT(words("x²½٣Ⅳ"), ElementsAre("x", "²½٣Ⅳ"));            // No, Nd, Nl
  EXPECT_THAT(words("e\u0301a"), ElementsAre("e", "\u0301", "a"));  // marks are no letters
  EXPECT_THAT(words("hi👍🏽!"), ElementsAre("hi", "👍🏽!"));
  EXPECT_THAT(words("a\u2003\u2003b\u3000"), ElementsAre("a", "\u2003", "\u2003", "b", "\u3000"));
  EXPECT_THAT(words("a\u0085b\u200Bc"), ElementsAre("a", "\u0085", "b", "\u200B", "c"));
}

TEST(Pretokenizer, StrayBytesAreOfNoClass) {
  EXPECT_THAT(words("a\xFF\x80!b"), ElementsAre("a", "\xFF\x80!", "b"));
  EXPECT_THAT(words("a \xE2\x82"), ElementsAre("a", " \xE2\x82"));
  EXPECT_THAT(words("\xED\xA0\x80"), ElementsAre("\xED\xA0\x80"));
}

// Each of these could still become another word.
TEST(Pretokenizer, WaitsWhereMoreTextCouldMatter) {
  for (const char* text : {"abc", " ", "  ", "12", "!", "'", "'s", "'r", "'l", "a\xC3", " \xE2\x80",
                           "\n", "\xF0\x9F"}) {
    EXPECT_EQ(first_word(text, false), 0u) << text;
  }
  EXPECT_EQ(first_word("abc ", false), 3u);
  EXPECT_EQ(first_word("'s ", false), 2u);
  EXPECT_EQ(first_word("'re", false), 3u);
  EXPECT_EQ(first_word("  x", false), 1u);
  EXPECT_EQ(first_word("abc\xC3", false), 0u);
}

TEST(Pretokenizer, CutsBehindLineBreaksThatAreWordsOfTheirOwn) {
  const struct {
    std::string text;
    size_t cut;
  } rows[] = {
      {"", 0},       {"a", 0},         {"a\n", 0},     // more white space may follow
      {"a\nb", 2},   {"a\nb\nc d", 4}, {"a\n\nb", 0},  // two line breaks share words
      {"a \nb", 0},  {"a\n b", 0},     {"a\n\xC2\xA0", 0}, {"\xC3\xA9\nb", 0},
      {"it\n's", 3}, {"a\r\nb", 0},
  };
  for (const auto& row : rows) EXPECT_EQ(last_word_cut(row.text), row.cut) << row.text;
}

TEST(Pretokenizer, TheLongestWordEndsTheSameHoweverMuchFollows) {
  for (const std::string unit : {"a", "é", "中", "7", "=", " ", "\n", "👍", "\xFF"}) {
    std::string text;
    while (text.size() < 2 * kLongestWordBytes + 100) text += unit;
    text += "x y";
    const size_t bytes = first_word(text, true);
    EXPECT_LE(bytes, kLongestWordBytes) << unit;
    EXPECT_GT(bytes + unit.size(), kLongestWordBytes) << unit;
    EXPECT_EQ(bytes % unit.size(), 0u) << unit;
    EXPECT_EQ(first_word(std::string_view(text).substr(0, kLongestWordBytes + 4), false), bytes);
    EXPECT_EQ(first_word(std::string_view(text).substr(0, kLongestWordBytes / 2), false), 0u);
  }
  // White space of exactly that length still leaves its last character to the word behind it.
  const std::string blanks(kLongestWordBytes, ' ');
  EXPECT_EQ(first_word(blanks + "x", false), kLongestWordBytes - 1);
  EXPECT_EQ(first_word(blanks + " x", false), kLongestWordBytes);
  EXPECT_EQ(first_word(blanks, false), 0u);
  EXPECT_EQ(first_word(blanks, true), kLongestWordBytes);
}

}  // namespace
}  // namespace ballast
