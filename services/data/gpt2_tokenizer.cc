#include "services/data/gpt2_tokenizer.h"

#include <utility>

#include "common/check.h"
#include "common/checksum.h"
#include "services/data/byte_pairs.h"
#include "services/data/pretokenizer.h"
#include "services/data/word_cache.h"

namespace ballast {
namespace {

// Up to here the scan wins over the heap.
constexpr size_t kLongestScanned = 32;

// The same files give other words where ICU knows other letters.
uint64_t fingerprint_of(const Gpt2Vocabulary& vocabulary) {
  Xxh3 hash;
  hash.update(as_bytes("ballast tokenizer gpt2 1, Unicode "));
  hash.update(as_bytes(unicode_version()));
  const uint64_t files = vocabulary.fingerprint();
  hash.update(std::as_bytes(std::span(&files, 1)));
  return hash.digest_64();
}

}  // namespace

struct Gpt2Tokenizer::Encoder {
  WordCache cache;
  HeapMerger heap;
  std::vector<Token> word;

  void append(const Gpt2Vocabulary& vocabulary, std::string_view text, std::vector<Token>& tokens) {
    if (cache.find(text, tokens)) return;
    word.clear();
    for (const char byte : text) {
      word.push_back(vocabulary.byte_token(static_cast<unsigned char>(byte)));
    }
    const MergeTable& merges = vocabulary.merges();
    word.resize(word.size() <= kLongestScanned ? merge_by_scan(merges, word)
                                               : heap.merge(merges, word));
    tokens.insert(tokens.end(), word.begin(), word.end());
    cache.insert(text, word);
  }
};

Gpt2Tokenizer::Gpt2Tokenizer(Gpt2Vocabulary vocabulary)
    : vocabulary_(std::move(vocabulary)), fingerprint_(fingerprint_of(vocabulary_)) {}

Gpt2Tokenizer::~Gpt2Tokenizer() = default;

std::unique_ptr<Gpt2Tokenizer::Encoder> Gpt2Tokenizer::borrow_encoder() const {
  {
    const MutexLock lock(mutex_);
    if (!idle_encoders_.empty()) {
      auto encoder = std::move(idle_encoders_.back());
      idle_encoders_.pop_back();
      return encoder;
    }
  }
  return std::make_unique<Encoder>();
}

Result<size_t> Gpt2Tokenizer::encode(std::string_view text, bool last,
                                     std::vector<Token>& tokens) const {
  auto encoder = borrow_encoder();
  size_t taken = 0;
  while (taken < text.size()) {
    const size_t bytes = first_word(text.substr(taken), last);
    if (bytes == 0) break;
    encoder->append(vocabulary_, text.substr(taken, bytes), tokens);
    taken += bytes;
  }
  const MutexLock lock(mutex_);
  idle_encoders_.push_back(std::move(encoder));
  return taken;
}

std::string Gpt2Tokenizer::decode(std::span<const Token> tokens) const {
  std::string text;
  for (const Token token : tokens) {
    CHECK(token < vocabulary_.size());
    text += vocabulary_.bytes(token);
  }
  return text;
}

std::vector<TokenizerFile> Gpt2Tokenizer::files() const {
  return {{"vocab.json", vocabulary_.vocabulary_text()}, {"merges.txt", vocabulary_.merges_text()}};
}

}  // namespace ballast
