// A vocabulary for tests: the 256 bytes (token = byte), then what the merges make, in their order,
// then <|endoftext|>. Pure; any thread.
#pragma once

#include <set>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "services/data/byte_level.h"
#include "services/data/gpt2_vocabulary.h"

namespace ballast {

using MergeNames = std::vector<std::pair<std::string, std::string>>;  // as bytes

struct VocabularyTexts {
  std::string vocabulary, merges;
};

inline nlohmann::json tiny_tokens(const MergeNames& merges) {
  nlohmann::json tokens;
  size_t next = 0;
  for (; next < 256; ++next) tokens[bytes_to_name(std::string(1, static_cast<char>(next)))] = next;
  for (const auto& [left, right] : merges) {
    const std::string name = bytes_to_name(left + right);
    if (!tokens.contains(name)) tokens[name] = next++;
  }
  tokens[std::string(kEndOfText)] = next;
  return tokens;
}

inline VocabularyTexts tiny_vocabulary(const MergeNames& merges) {
  std::string lines = "#version: 0.2\n";
  for (const auto& [left, right] : merges) {
    lines += bytes_to_name(left) + " " + bytes_to_name(right) + "\n";
  }
  return {tiny_tokens(merges).dump(), lines};
}

// Throws (bad_expected_access) where the texts are refused.
inline Gpt2Vocabulary parse_tiny(const MergeNames& merges) {
  const auto texts = tiny_vocabulary(merges);
  return Gpt2Vocabulary::parse(texts.vocabulary, texts.merges).value();
}

}  // namespace ballast
