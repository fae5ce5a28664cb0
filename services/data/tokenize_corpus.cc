#include "services/data/tokenize_corpus.h"

#include <utility>
#include <vector>

#include <fmt/format.h>

#include "services/data/ordered_encoder.h"
#include "services/data/pretokenizer.h"
#include "services/data/text_reader.h"

namespace ballast {
namespace {

// Text in which no cut was found is encoded as it comes, here, one chunk after the other. More than
// the longest word, so that each time something is encoded.
constexpr size_t kLongestUncutBytes = kLongestWordBytes + (size_t{256} << 10);

class CorpusTokenizer {
 public:
  CorpusTokenizer(const Corpus& corpus, const Tokenizer& tokenizer, TokenFileWriter& writer,
                  const TokenizeOptions& options)
      : corpus_(corpus),
        tokenizer_(tokenizer),
        writer_(writer),
        options_(options),
        encoder_(tokenizer, options.threads, [this](EncodedPiece& piece) { return write(piece); }) {
  }

  Result<void> run() {
    for (size_t i = 0; i < corpus_.files.size(); ++i) {
      file_ = i;
      offset_ = 0;
      if (i > 0) before_ = {tokenizer_.document_separator()};
      auto done =
          read_corpus_file(corpus_.files[i], options_.stop,
                           [this](std::string_view text, bool last) { return take(text, last); });
      if (!done) return done;
    }
    return encoder_.finish();
  }

 private:
  // What it leaves comes again with more behind it.
  Result<size_t> take(std::string_view text, bool last) {
    const size_t cut = last ? text.size() : tokenizer_.last_cut(text);
    if (cut > 0) return added(encoder_.add(piece_of(text.substr(0, cut))), cut);
    if (text.size() < kLongestUncutBytes) return size_t{0};
    EncodedPiece piece = piece_of("");
    const auto taken = tokenizer_.encode(text, false, piece.tokens);
    piece.text = text.substr(0, taken.value_or(0));
    if (!taken) piece.error = taken.error();
    return added(encoder_.add_encoded(std::move(piece)), taken.value_or(0));
  }

  EncodedPiece piece_of(std::string_view text) {
    return {.file = file_,
            .offset = offset_,
            .text = std::string(text),
            .tokens = std::exchange(before_, {})};
  }

  Result<size_t> added(Result<void> done, size_t bytes) {
    offset_ += bytes;
    if (!done) return tl::unexpected<Error>(std::move(done.error()));
    return bytes;
  }

  Result<void> write(EncodedPiece& piece) {
    if (piece.error) {
      return fail(piece.error->code,
                  fmt::format("{}{}: {}", corpus_.files[piece.file].path.string(),
                              piece.offset > 0 ? fmt::format(" from byte {} on", piece.offset) : "",
                              piece.error->message));
    }
    if (auto done = writer_.append(piece.tokens); !done) return done;
    written_bytes_ += piece.text.size();
    if (options_.progress) options_.progress(written_bytes_, corpus_.bytes);
    return {};
  }

  const Corpus& corpus_;
  const Tokenizer& tokenizer_;
  TokenFileWriter& writer_;
  const TokenizeOptions& options_;
  size_t file_ = 0;
  uint64_t offset_ = 0;        // in the file, of the text that comes next
  std::vector<Token> before_;  // the separator, until the file's first piece takes it
  uint64_t written_bytes_ = 0;
  OrderedEncoder encoder_;
};

}  // namespace

Result<TokenFileInfo> tokenize_corpus(FileSystem& files, const Corpus& corpus,
                                      const Tokenizer& tokenizer, const std::filesystem::path& name,
                                      const TokenizeOptions& options) {
  auto writer =
      TokenFileWriter::create(files, name, tokenizer.vocabulary_size(), tokenizer.fingerprint());
  if (!writer) return tl::unexpected<Error>(std::move(writer.error()));
  if (auto done = CorpusTokenizer(corpus, tokenizer, *writer, options).run(); !done) {
    return tl::unexpected<Error>(std::move(done.error()));
  }
  return writer->finish(corpus.files.size(), corpus.bytes);
}

}  // namespace ballast
