// Text is tokenized once for a machine: the token file of a corpus lies in a cache folder under a
// key over the files' canonical paths, sizes and times and the tokenizer. Who holds the entry's
// lock (flock) tokenizes; others wait for it. A holder that dies lets the lock go and the next one
// starts over. Invariant: nothing is under an entry's final name that is not whole. Any thread, any
// process.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <stop_token>
#include <string>

#include "common/error.h"
#include "services/data/corpus.h"
#include "services/data/token_file.h"
#include "services/data/tokenizer.h"
#include "services/storage/file_system.h"

namespace ballast {

struct TokenCacheOptions {
  std::filesystem::path folder;                // made where it does not exist
  int64_t wait_ms = int64_t{2} * 3600 * 1000;  // for another process that tokenizes
  std::stop_token stop;                        // ends the wait and the tokenizing with kUnavailable
  size_t threads = 1;                          // that tokenize; see tokenize_corpus.h
  std::function<void(uint64_t bytes, uint64_t of_bytes)> progress = {};  // of the tokenizing
};

struct CachedTokens {
  TokenFile file;
  std::filesystem::path path;
  bool tokenized = false;  // by this call
  std::string damaged;     // what was wrong with an entry that had to be made again
};

// The cache entry's name without its suffix: 32 hexadecimal digits.
std::string token_cache_key(const Corpus& corpus, const Tokenizer& tokenizer);

// Where the tokenizer's files (Tokenizer::files) lie: beside the token file.
std::filesystem::path tokenizer_folder(const std::filesystem::path& token_file);

// Opens the corpus' token file, made first where it is not there or damaged. Errors: full or
// unwritable cache, a text file that changed or vanished meanwhile (kConflict), kTimeout, stop
// (kUnavailable).
Result<CachedTokens> open_cached_tokens(FileSystem& files, const Corpus& corpus,
                                        const Tokenizer& tokenizer,
                                        const TokenCacheOptions& options);

}  // namespace ballast
