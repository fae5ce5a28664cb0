// Reads a file of the corpus piece by piece for something that takes text as it can: what it leaves
// comes again with more behind it. Memory is one piece and what was left. Blocks; any thread.
#pragma once

#include <functional>
#include <stop_token>
#include <string_view>

#include "common/error.h"
#include "services/data/corpus.h"

namespace ballast {

// Takes a prefix of `text` and returns its length; with `last` all of it.
using TakeText = std::function<Result<size_t>(std::string_view text, bool last)>;

// Errors: those of `take`, kConflict where the file is not as it was listed, kUnavailable at a
// stop.
Result<void> read_corpus_file(const CorpusFile& file, const std::stop_token& stop,
                              const TakeText& take);

}  // namespace ballast
