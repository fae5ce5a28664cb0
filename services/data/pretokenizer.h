// Cuts text into the words that GPT-2's byte-pair encoding works on, as its pattern does:
//   's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
// Letters, numbers and white space are those of ICU's Unicode version. A byte that is no UTF-8
// counts as a character of no class (as U+FFFD does), and stays the byte that it is. Pure; any
// thread.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace ballast {

// A longer word is cut here, so that no text needs to be in memory whole: the one difference from
// the pattern. Counted from the word's begin, it does not depend on how text comes in chunks.
inline constexpr size_t kLongestWordBytes = size_t{1} << 20;

// Length in bytes of the first word of `text`, which is not empty. 0: more text is needed to tell
// (never with `last`, never when the text is longer than kLongestWordBytes + 4).
size_t first_word(std::string_view text, bool last);

// The last place between two words, after the first byte, that can be told from what stands around
// it: behind a line break between two visible ASCII characters. 0: there is none.
size_t last_word_cut(std::string_view text);

// "15.0": part of what decides the words.
std::string unicode_version();

}  // namespace ballast
