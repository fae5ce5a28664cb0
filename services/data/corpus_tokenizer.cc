#include "services/data/corpus_tokenizer.h"

#include <utility>
#include <vector>

#include <fmt/format.h>

#include "common/checksum.h"
#include "services/data/characters_tokenizer.h"
#include "services/data/text_reader.h"
#include "services/data/token_file.h"

namespace ballast {
namespace {

using std::filesystem::path;

// The entry of the cache for the vocabulary that a corpus has.
path characters_folder(const Corpus& corpus, const TokenCacheOptions& cache) {
  Xxh3 hash;
  hash.update(as_bytes("ballast characters 1"));
  hash_corpus(corpus, hash);
  return cache.folder / (to_hex(hash.digest_128()) + ".characters");
}

Result<std::vector<uint32_t>> collect_characters(const Corpus& corpus,
                                                 const std::stop_token& stop) {
  CharacterSet set;
  for (const auto& file : corpus.files) {
    auto done = read_corpus_file(
        file, stop, [&](std::string_view text, bool last) { return set.add(text, last); });
    if (!done && done.error().code == ErrorCode::kInvalid) {
      return fail(ErrorCode::kInvalid,
                  fmt::format("{}: {}", file.path.string(), done.error().message));
    }
    if (!done) return tl::unexpected<Error>(std::move(done.error()));
  }
  return set.sorted();
}

// Processes that come at once each read the corpus, and write the same.
Result<std::unique_ptr<Tokenizer>> open_characters(FileSystem& files, const Corpus& corpus,
                                                   const TokenCacheOptions& cache) {
  const path folder = characters_folder(corpus, cache);
  auto found = CharactersTokenizer::load(folder);
  if (found) return std::move(*found);
  const auto code = found.error().code;  // a damaged entry is made again
  if (code != ErrorCode::kNotFound && code != ErrorCode::kInvalid) {
    return tl::unexpected<Error>(std::move(found.error()));
  }
  auto characters = collect_characters(corpus, cache.stop);
  if (!characters) return tl::unexpected<Error>(std::move(characters.error()));
  auto made = std::make_unique<CharactersTokenizer>(std::move(*characters));
  if (auto done = save_tokenizer(files, *made, folder); !done) {
    return tl::unexpected<Error>(std::move(done.error()));
  }
  return made;
}

}  // namespace

Result<std::unique_ptr<Tokenizer>> open_corpus_tokenizer(FileSystem& files, std::string_view name,
                                                         const path& folder, const Corpus& corpus,
                                                         const TokenCacheOptions& cache) {
  if (!folder.empty() || name == "byte") return make_tokenizer(name, folder);
  if (corpus.files.size() == 1 && looks_like_token_file(corpus.files[0].path)) {
    return make_tokenizer(name, tokenizer_folder(corpus.files[0].path));
  }
  return name == "characters" ? open_characters(files, corpus, cache) : make_tokenizer(name);
}

}  // namespace ballast
