// What turns text into tokens and back. Bytes are bytes: any input is valid, UTF-8 or not, but for
// tokenizers that know only some characters. Text may come in chunks, so that a corpus larger than
// memory can be tokenized. Invariant: how the text is cut into chunks never changes the tokens, and
// tokens of a text decode to that text. Immutable; any thread.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/error.h"
#include "services/storage/file_system.h"

namespace ballast {

using Token = uint32_t;

// A file of a tokenizer's vocabulary: its name within a folder, and what it holds.
struct TokenizerFile {
  std::string name;
  std::string content;
};

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
  // brings the rest again with more text behind it. With `last` all of the text is taken. kInvalid
  // names a character that has no token.
  virtual Result<size_t> encode(std::string_view text, bool last,
                                std::vector<Token>& tokens) const = 0;
  // The last place, after the first byte, at which `text` may be cut in two so that both parts have
  // the tokens that they have in the whole, whatever follows; `text` begins with a token. 0: none
  // that could be told.
  virtual size_t last_cut(std::string_view) const { return 0; }
  // Text of tokens, all below vocabulary_size (CHECKed).
  virtual std::string decode(std::span<const Token> tokens) const = 0;

  // make_tokenizer() makes an equal tokenizer of them; none where the name says it all.
  virtual std::vector<TokenizerFile> files() const { return {}; }

  Result<std::vector<Token>> encode_all(std::string_view text) const;
};

// kInvalid for a name that is not known; the message lists those that are. `folder` has the files
// of the vocabulary; errors of those name the file, and the entry or line in it.
//   "byte"        256 tokens, a byte each; documents are separated by the byte 0; no files
//   "characters"  a token for each character of a text; characters.json
//   "gpt2"        byte-pair encoding; vocab.json (or encoder.json) and merges.txt (or vocab.bpe)
Result<std::unique_ptr<Tokenizer>> make_tokenizer(std::string_view name,
                                                  const std::filesystem::path& folder = {});

// Writes files() into a folder, which is made where it does not exist; files there are replaced.
Result<void> save_tokenizer(FileSystem& files, const Tokenizer& tokenizer,
                            const std::filesystem::path& folder);

}  // namespace ballast
