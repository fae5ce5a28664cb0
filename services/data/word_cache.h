// Words that were encoded before, with their tokens: a table of fixed size in which a word replaces
// the one at its place. Text repeats its words, so that most are found here. One thread at a time.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "services/data/tokenizer.h"

namespace ballast {

class WordCache {
 public:
  static constexpr size_t kWords = size_t{1} << 15;
  static constexpr size_t kMaxWordBytes = 22;  // longer words are not kept: they seldom come again
  static constexpr size_t kMaxTokens = 8;

  // Whether the word is here; its tokens are appended then.
  bool find(std::string_view word, std::vector<Token>& tokens) const;
  void insert(std::string_view word, std::span<const Token> tokens);

 private:
  struct Entry {  // 56 bytes
    std::array<Token, kMaxTokens> tokens;
    std::array<char, kMaxWordBytes> bytes;
    uint8_t word_bytes = 0;  // 0: nobody is here
    uint8_t token_count = 0;
  };
  static size_t place(std::string_view word);

  std::vector<Entry> entries_ = std::vector<Entry>(kWords);
};

}  // namespace ballast
