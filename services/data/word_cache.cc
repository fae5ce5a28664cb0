#include "services/data/word_cache.h"

#include <algorithm>
#include <cstring>

#include "common/checksum.h"

namespace ballast {

size_t WordCache::place(std::string_view word) {
  static_assert((kWords & (kWords - 1)) == 0);
  return static_cast<size_t>(xxh3_64(as_bytes(word))) & (kWords - 1);
}

bool WordCache::find(std::string_view word, std::vector<Token>& tokens) const {
  if (word.size() > kMaxWordBytes) return false;
  const Entry& entry = entries_[place(word)];
  if (entry.word_bytes != word.size()) return false;
  if (std::memcmp(entry.bytes.data(), word.data(), word.size()) != 0) return false;
  tokens.insert(tokens.end(), entry.tokens.begin(), entry.tokens.begin() + entry.token_count);
  return true;
}

void WordCache::insert(std::string_view word, std::span<const Token> tokens) {
  if (word.empty() || word.size() > kMaxWordBytes || tokens.size() > kMaxTokens) return;
  Entry& entry = entries_[place(word)];
  entry.word_bytes = static_cast<uint8_t>(word.size());
  entry.token_count = static_cast<uint8_t>(tokens.size());
  std::copy(word.begin(), word.end(), entry.bytes.begin());
  std::copy(tokens.begin(), tokens.end(), entry.tokens.begin());
}

}  // namespace ballast
