#include "services/data/dataset.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "common/checksum.h"
#include "services/data/corpus_tokenizer.h"

namespace ballast {
namespace {

constexpr uint32_t kMaxValidationPercent = 50;

Result<void> check_config(const DatasetConfig& config) {
  if (config.context == 0) return fail(ErrorCode::kInvalid, "a context of 0 tokens");
  if (config.validation_percent > kMaxValidationPercent) {
    return fail(ErrorCode::kInvalid, fmt::format("validation percent {} is more than {}",
                                                 config.validation_percent, kMaxValidationPercent));
  }
  return {};
}

// Text through the cache, or the one token file that the job names.
Result<CachedTokens> open_tokens(FileSystem& files, const Corpus& corpus,
                                 const Tokenizer& tokenizer, const TokenCacheOptions& cache) {
  const auto found = std::find_if(corpus.files.begin(), corpus.files.end(), [](const auto& file) {
    return looks_like_token_file(file.path);
  });
  if (found == corpus.files.end()) return open_cached_tokens(files, corpus, tokenizer, cache);
  if (corpus.files.size() > 1) {
    return fail(ErrorCode::kInvalid,
                fmt::format("{} is a token file; it must be the only file of the data, but there "
                            "are {}",
                            found->path.string(), corpus.files.size()));
  }
  auto file = TokenFile::open(found->path);
  if (!file) return tl::unexpected<Error>(std::move(file.error()));
  if (file->info().tokenizer_fingerprint != tokenizer.fingerprint() ||
      file->info().vocabulary_size != tokenizer.vocabulary_size()) {
    return fail(ErrorCode::kInvalid,
                fmt::format("token file {} was made by another tokenizer than \"{}\"",
                            found->path.string(), tokenizer.name()));
  }
  return CachedTokens{std::move(*file), found->path, false, ""};
}

Result<void> check_lengths(uint64_t train, uint64_t validation, const DatasetConfig& config) {
  const uint64_t window = uint64_t{config.context} + 1;
  const auto counts = fmt::format(
      "{} tokens in all, {} for training and {} ({} %) for validation; a context of {} needs {} "
      "in each part that is used",
      train + validation, train, validation, config.validation_percent, config.context, window);
  if (train < window) {
    return fail(ErrorCode::kInvalid, "the text is shorter than one context: " + counts);
  }
  if (config.validation_percent > 0 && validation < window) {
    return fail(ErrorCode::kInvalid, "the validation part is shorter than one context: " + counts);
  }
  return {};
}

std::string data_fingerprint(const TokenFileInfo& info, uint64_t train_tokens) {
  Xxh3 hash;
  const auto add = [&](uint64_t value) { hash.update(std::as_bytes(std::span(&value, 1))); };
  hash.update(as_bytes("ballast data 1"));
  hash.update(info.content);
  add(info.tokens);
  add(info.token_bytes);
  add(info.vocabulary_size);
  add(info.tokenizer_fingerprint);
  add(train_tokens);
  return to_hex(hash.digest_128());
}

}  // namespace

Result<Dataset> Dataset::open(FileSystem& files, const DatasetConfig& config,
                              const TokenCacheOptions& cache) {
  if (auto done = check_config(config); !done) {
    return tl::unexpected<Error>(std::move(done.error()));
  }
  const auto corpus = expand_corpus(config.train);
  if (!corpus) return tl::unexpected<Error>(corpus.error());
  auto tokenizer =
      open_corpus_tokenizer(files, config.tokenizer, config.vocabulary, *corpus, cache);
  if (!tokenizer) return tl::unexpected<Error>(std::move(tokenizer.error()));
  auto tokens = open_tokens(files, *corpus, **tokenizer, cache);
  if (!tokens) return tl::unexpected<Error>(std::move(tokens.error()));

  const TokenFileInfo& info = tokens->file.info();
  // tokens / 100 * percent without overflow, rounded down as the exact product would be.
  const uint64_t validation = info.tokens / 100 * config.validation_percent +
                              info.tokens % 100 * config.validation_percent / 100;
  const uint64_t train = info.tokens - validation;
  if (auto done = check_lengths(train, validation, config); !done) {
    return tl::unexpected<Error>(std::move(done.error()));
  }
  std::string fingerprint = data_fingerprint(info, train);
  return Dataset(std::move(*tokenizer), std::move(*tokens), train, std::move(fingerprint));
}

Dataset::Dataset(std::unique_ptr<Tokenizer> tokenizer, CachedTokens tokens, uint64_t train_tokens,
                 std::string fingerprint)
    : tokenizer_(std::move(tokenizer)),
      file_(std::move(tokens.file)),
      train_tokens_(train_tokens),
      fingerprint_(std::move(fingerprint)),
      token_path_(std::move(tokens.path)),
      tokenized_(tokens.tokenized),
      damaged_(std::move(tokens.damaged)) {}

double Dataset::bytes_per_token() const {
  return static_cast<double>(file_.info().text_bytes) / static_cast<double>(file_.info().tokens);
}

}  // namespace ballast
