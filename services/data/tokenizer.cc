#include "services/data/tokenizer.h"

#include <fmt/format.h>

#include "common/check.h"
#include "common/checksum.h"

namespace ballast {
namespace {

class ByteTokenizer : public Tokenizer {
 public:
  std::string_view name() const override { return "byte"; }
  uint32_t vocabulary_size() const override { return 256; }
  uint64_t fingerprint() const override { return fingerprint_; }
  Token document_separator() const override { return 0; }

  size_t encode(std::string_view text, bool, std::vector<Token>& tokens) const override {
    tokens.reserve(tokens.size() + text.size());
    for (const char byte : text) tokens.push_back(static_cast<unsigned char>(byte));
    return text.size();
  }

  std::string decode(std::span<const Token> tokens) const override {
    std::string text;
    text.reserve(tokens.size());
    for (const Token token : tokens) {
      CHECK(token < 256);
      text.push_back(static_cast<char>(token));
    }
    return text;
  }

 private:
  // The name and the version of what it does, as no file of vocabulary decides it.
  uint64_t fingerprint_ = xxh3_64(as_bytes("ballast tokenizer byte 1"));
};

}  // namespace

std::vector<Token> Tokenizer::encode_all(std::string_view text) const {
  std::vector<Token> tokens;
  const size_t taken = encode(text, true, tokens);
  CHECK(taken == text.size());
  return tokens;
}

Result<std::unique_ptr<Tokenizer>> make_tokenizer(std::string_view name) {
  if (name == "byte") return std::make_unique<ByteTokenizer>();
  return fail(ErrorCode::kInvalid,
              fmt::format("tokenizer \"{}\" is not known; there is: byte", name));
}

}  // namespace ballast
