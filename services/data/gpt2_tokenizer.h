// GPT-2's tokenizer: text is cut into words (pretokenizer.h), and the bytes of each word are joined
// by the merges of the vocabulary. "<|endoftext|>" in a text is text: the token of that name comes
// between documents alone. Any thread.
#pragma once

#include <memory>
#include <vector>

#include "common/mutex.h"
#include "services/data/gpt2_vocabulary.h"
#include "services/data/pretokenizer.h"
#include "services/data/tokenizer.h"

namespace ballast {

class Gpt2Tokenizer : public Tokenizer {
 public:
  explicit Gpt2Tokenizer(Gpt2Vocabulary vocabulary);
  ~Gpt2Tokenizer() override;

  std::string_view name() const override { return "gpt2"; }
  uint32_t vocabulary_size() const override { return vocabulary_.size(); }
  uint64_t fingerprint() const override { return fingerprint_; }
  Token document_separator() const override { return vocabulary_.end_of_text(); }
  Result<size_t> encode(std::string_view text, bool last,
                        std::vector<Token>& tokens) const override;
  size_t last_cut(std::string_view text) const override { return last_word_cut(text); }
  std::string decode(std::span<const Token> tokens) const override;
  std::vector<TokenizerFile> files() const override;

  const Gpt2Vocabulary& vocabulary() const { return vocabulary_; }

 private:
  struct Encoder;
  std::unique_ptr<Encoder> borrow_encoder() const;

  const Gpt2Vocabulary vocabulary_;
  const uint64_t fingerprint_;
  // What one call of encode() works with and leaves warm for the next; as many as calls ran at
  // once.
  mutable Mutex mutex_;
  mutable std::vector<std::unique_ptr<Encoder>> idle_encoders_ BALLAST_GUARDED_BY(mutex_);
};

}  // namespace ballast
