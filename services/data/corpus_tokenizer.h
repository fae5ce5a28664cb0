// The tokenizer of a job's data, with its vocabulary from where it is: a folder that the job names,
// beside a token file, or (characters) the corpus itself, which is read for it once for a machine.
// Any thread, any process.
#pragma once

#include <filesystem>
#include <memory>
#include <string_view>

#include "common/error.h"
#include "services/data/corpus.h"
#include "services/data/token_cache.h"
#include "services/data/tokenizer.h"
#include "services/storage/file_system.h"

namespace ballast {

// `folder` is empty where the job names none. Errors of make_tokenizer and of reading the corpus.
Result<std::unique_ptr<Tokenizer>> open_corpus_tokenizer(FileSystem& files, std::string_view name,
                                                         const std::filesystem::path& folder,
                                                         const Corpus& corpus,
                                                         const TokenCacheOptions& cache);

}  // namespace ballast
