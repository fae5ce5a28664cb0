// What turns text into tokens and back. Bytes are bytes: any input is valid, UTF-8 or not. Text may
// come in chunks, so that a corpus larger than memory can be tokenized. Invariant: how the text is
// cut into chunks never changes the tokens. Immutable; any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/error.h"

namespace ballast {

using Token = uint32_t;

class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  virtual std::string_view name() const = 0;     // as in data.tokenizer of a job
  virtual uint32_t vocabulary_size() const = 0;  // tokens are 0 .. vocabulary_size - 1
  // Two tokenizers with the same fingerprint give the same tokens for every text.
  virtual uint64_t fingerprint() const = 0;
  // Stands between two documents (files) in the token stream.
  virtual Token document_separator() const = 0;

  // Appends the tokens of a prefix of `text` and returns that prefix's length in bytes; the caller
  // brings the rest again with more text behind it. With `last` all of the text is taken.
  virtual size_t encode(std::string_view text, bool last, std::vector<Token>& tokens) const = 0;
  // Text of tokens, all below vocabulary_size (CHECKed).
  virtual std::string decode(std::span<const Token> tokens) const = 0;

  std::vector<Token> encode_all(std::string_view text) const;
};

// kInvalid for a name that is not known; the message lists those that are.
//   "byte"  256 tokens, a byte each; documents are separated by the byte 0
Result<std::unique_ptr<Tokenizer>> make_tokenizer(std::string_view name);

}  // namespace ballast
