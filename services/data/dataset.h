// The data of a job as its workers see it: one token stream whose tail is for validation, and a
// fingerprint over all that decides what a microbatch reads. Windows are copied straight from the
// mapped file. Immutable; any thread.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "common/error.h"
#include "services/data/token_cache.h"
#include "services/data/token_file.h"
#include "services/data/tokenizer.h"

namespace ballast {

struct DatasetConfig {
  std::vector<std::string> train;   // files, folders, globs of text; or exactly one token file
  std::string tokenizer;            // see make_tokenizer
  uint32_t validation_percent = 0;  // 0 .. 50: the tail of the stream, rounded down to whole tokens
  uint32_t context = 0;             // tokens of a window; it is read with one more, the last target
  std::string vocabulary = "";      // folder with the tokenizer's files; see open_corpus_tokenizer
};

class Dataset {
 public:
  // kInvalid with the counts where a part is shorter than one window (context + 1 tokens); errors
  // of the corpus, the token file and the cache as they are.
  static Result<Dataset> open(FileSystem& files, const DatasetConfig& config,
                              const TokenCacheOptions& cache);

  const Tokenizer& tokenizer() const { return *tokenizer_; }
  uint64_t total_tokens() const { return file_.info().tokens; }
  uint64_t train_tokens() const { return train_tokens_; }  // [0, train_tokens) is for training
  uint64_t validation_tokens() const { return total_tokens() - train_tokens_; }
  double bytes_per_token() const;  // of text, over the whole stream
  // 32 hexadecimal digits over token stream, tokenizer and split: equal wherever the data is equal.
  const std::string& fingerprint() const { return fingerprint_; }

  // Fills `window` with the tokens from `position` on; they must exist (CHECKed). A window of the
  // sampler has context + 1 tokens: [0, context) is the input, [1, context + 1) the target.
  void fetch(uint64_t position, std::span<Token> window) const { file_.read(position, window); }

  // What happened at opening, for the log.
  const std::filesystem::path& token_path() const { return token_path_; }
  bool tokenized() const { return tokenized_; }
  const std::string& damaged() const { return damaged_; }

 private:
  Dataset(std::unique_ptr<Tokenizer> tokenizer, CachedTokens tokens, uint64_t train_tokens,
          std::string fingerprint);

  std::unique_ptr<Tokenizer> tokenizer_;
  TokenFile file_;
  uint64_t train_tokens_;
  std::string fingerprint_;
  std::filesystem::path token_path_;
  bool tokenized_;
  std::string damaged_;
};

}  // namespace ballast
