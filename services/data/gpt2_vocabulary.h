// GPT-2's vocabulary: what `vocab.json` (a name for each token, in the byte-level alphabet) and
// `merges.txt` (pairs of tokens that join, the first lines first) say. Invariant: every byte has a
// token, both parts and the result of every merge are tokens, and none is <|endoftext|>, so that no
// text can forge a document's end. Immutable; any thread.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "common/error.h"
#include "services/data/merge_table.h"
#include "services/data/tokenizer.h"

namespace ballast {

inline constexpr uint64_t kMaxVocabularyFileBytes = uint64_t{64} << 20;
inline constexpr size_t kMaxVocabularySize = size_t{1} << 20;
inline constexpr std::string_view kEndOfText = "<|endoftext|>";

class Gpt2Vocabulary {
 public:
  // kInvalid names the entry or the line: not JSON or more than one object deep, a number that is
  // no token or there twice, a gap, a name outside the byte-level alphabet, no token for a byte or
  // for <|endoftext|>, a merge of unknown parts, over a limit. `*_name` stand in messages.
  static Result<Gpt2Vocabulary> parse(std::string_view vocabulary, std::string_view merges,
                                      std::string_view vocabulary_name = "vocab.json",
                                      std::string_view merges_name = "merges.txt");
  // vocab.json or encoder.json, and merges.txt or vocab.bpe, of a folder.
  static Result<Gpt2Vocabulary> load(const std::filesystem::path& folder);

  uint32_t size() const { return static_cast<uint32_t>(begins_.size() - 1); }
  std::string_view bytes(Token token) const {
    return std::string_view(bytes_).substr(begins_[token], begins_[token + 1] - begins_[token]);
  }
  Token byte_token(unsigned char byte) const { return byte_tokens_[byte]; }
  Token end_of_text() const { return end_of_text_; }
  const MergeTable& merges() const { return table_; }

  // Over what the files mean: not their names, layout or order of entries.
  uint64_t fingerprint() const { return fingerprint_; }

  // The two files, written anew; parse() makes an equal vocabulary of them.
  std::string vocabulary_text() const;
  std::string merges_text() const;

 private:
  struct Pair {
    Token left, right;
  };
  explicit Gpt2Vocabulary(size_t merges) : table_(merges) {}
  uint64_t compute_fingerprint() const;

  std::string bytes_;             // of all tokens, one behind the other
  std::vector<uint32_t> begins_;  // [size + 1] into bytes_
  std::array<Token, 256> byte_tokens_{};
  Token end_of_text_ = 0;
  std::vector<Pair> merges_;  // by rank
  MergeTable table_;
  uint64_t fingerprint_ = 0;
};

}  // namespace ballast
