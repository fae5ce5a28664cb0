// A token for each character of a text: its vocabulary is the sorted set of the text's code points,
// of the bytes in it that are no UTF-8, and of U+0000, which separates documents and is token 0. A
// character that is not in it is an error. Immutable; any thread.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/error.h"
#include "services/data/tokenizer.h"
#include "services/data/utf8.h"

namespace ballast {

inline constexpr size_t kMaxCharacters = 65536;
inline constexpr const char* kCharactersFile = "characters.json";

// Collects the vocabulary of a text that comes in chunks.
class CharacterSet {
 public:
  CharacterSet();

  // Length in bytes of what it took, as Tokenizer::encode. kInvalid once there are too many.
  Result<size_t> add(std::string_view text, bool last);
  std::vector<uint32_t> sorted() const;  // values of utf8.h

 private:
  std::vector<bool> seen_;
  size_t count_ = 0;
};

class CharactersTokenizer : public Tokenizer {
 public:
  // A JSON array of numbers as CharacterSet::sorted() gives them: U+0000 first, rising, a stray
  // byte as 0x110000 plus the byte. kInvalid names the entry; `name` stands in messages.
  static Result<std::unique_ptr<CharactersTokenizer>> parse(
      std::string_view text, std::string_view name = kCharactersFile);
  // characters.json of a folder.
  static Result<std::unique_ptr<CharactersTokenizer>> load(const std::filesystem::path& folder);

  explicit CharactersTokenizer(std::vector<uint32_t> characters);  // sorted() of a set (CHECKed)

  std::string_view name() const override { return "characters"; }
  uint32_t vocabulary_size() const override { return static_cast<uint32_t>(characters_.size()); }
  uint64_t fingerprint() const override { return fingerprint_; }
  Token document_separator() const override { return 0; }
  Result<size_t> encode(std::string_view text, bool last,
                        std::vector<Token>& tokens) const override;
  size_t last_cut(std::string_view text) const override { return last_character_begin(text); }
  std::string decode(std::span<const Token> tokens) const override;
  std::vector<TokenizerFile> files() const override;

 private:
  const std::vector<uint32_t> characters_;  // by token
  std::vector<Token> tokens_;               // by character, up to the last one
  uint64_t fingerprint_;
};

}  // namespace ballast
