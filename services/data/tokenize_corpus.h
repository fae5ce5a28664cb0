// Streams a corpus through a tokenizer into a token file, on several threads: text is cut where the
// tokenizer says that no token is split, pieces are encoded at once, and written in order. The
// file's bytes do not depend on the number of threads. Memory is a few pieces a thread, however
// large the text. Blocks; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <stop_token>

#include "common/error.h"
#include "services/data/corpus.h"
#include "services/data/token_file.h"
#include "services/data/tokenizer.h"
#include "services/storage/file_system.h"

namespace ballast {

struct TokenizeOptions {
  size_t threads = 1;
  // Told on the calling thread how much of the text has been written as tokens; rises to all of it.
  std::function<void(uint64_t bytes, uint64_t of_bytes)> progress;
  std::stop_token stop;  // ends it with kUnavailable
};

// Errors: of reading and writing, and of the tokenizer with the text file's name; where several
// pieces have one, that of the first.
Result<TokenFileInfo> tokenize_corpus(FileSystem& files, const Corpus& corpus,
                                      const Tokenizer& tokenizer, const std::filesystem::path& name,
                                      const TokenizeOptions& options);

}  // namespace ballast
