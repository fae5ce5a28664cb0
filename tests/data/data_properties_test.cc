// Laws of the data's path that hold for any text, any cut and any damage.
#include <algorithm>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "services/data/dataset.h"
#include "services/data/tokenize_corpus.h"
#include "tests/storage/faulty_file_system.h"
#include "tests/storage/files.h"

namespace ballast {
namespace {

std::string write_tokens(const TemporaryFolder& folder, uint32_t vocabulary,
                         const std::vector<Token>& tokens) {
  FaultyFileSystem files;  // breaks nothing here, and does not wait for the disk
  auto writer = TokenFileWriter::create(files, folder / "t", vocabulary, 7);
  RC_ASSERT(writer && writer->append(tokens) && writer->finish(1, tokens.size()));
  return read_text(folder / "t");
}

struct Stream {
  uint32_t vocabulary;
  std::vector<Token> tokens;
};

Stream draw_stream() {
  Stream stream;
  stream.vocabulary = *rc::gen::oneOf(rc::gen::just(256u), rc::gen::inRange<uint32_t>(1, 70000));
  stream.tokens =
      *rc::gen::container<std::vector<Token>>(rc::gen::inRange<Token>(0, stream.vocabulary));
  return stream;
}

RC_GTEST_PROP(TokenFileProperty, ReadsWhatWasWritten, ()) {
  const TemporaryFolder folder;
  const Stream stream = draw_stream();
  write_tokens(folder, stream.vocabulary, stream.tokens);
  const auto file = TokenFile::open(folder / "t");
  RC_ASSERT(file.has_value());
  RC_ASSERT(file->info().tokens == stream.tokens.size());
  const auto begin = *rc::gen::inRange<size_t>(0, stream.tokens.size() + 1);
  const auto count = *rc::gen::inRange<size_t>(0, stream.tokens.size() - begin + 1);
  std::vector<Token> window(count);
  file->read(begin, window);
  RC_ASSERT(std::equal(window.begin(), window.end(),
                       stream.tokens.begin() + static_cast<ptrdiff_t>(begin)));
}

RC_GTEST_PROP(TokenFileProperty, FindsAnyDamage, ()) {
  const TemporaryFolder folder;
  const Stream stream = draw_stream();
  const std::string good = write_tokens(folder, stream.vocabulary, stream.tokens);
  std::string bad = good;
  const auto kind = *rc::gen::inRange(0, 3);
  if (kind == 0) bad.resize(*rc::gen::inRange<size_t>(0, good.size()));
  if (kind == 1) bad += *rc::gen::nonEmpty(rc::gen::arbitrary<std::string>());
  if (kind == 2) {
    const auto begin = *rc::gen::inRange<size_t>(0, good.size());
    const auto noise = *rc::gen::nonEmpty(rc::gen::arbitrary<std::string>());
    for (size_t i = 0; i < noise.size() && begin + i < bad.size(); ++i) bad[begin + i] = noise[i];
    RC_PRE(bad != good);
  }
  write_text(folder / "bad", bad);
  const auto file = TokenFile::open(folder / "bad");
  RC_ASSERT(!file.has_value());
  RC_ASSERT(file.error().code == ErrorCode::kCorrupt);
}

RC_GTEST_PROP(TokenFileProperty, AnyBytesAreAnErrorAndNeverACrash, (const std::string& bytes)) {
  const TemporaryFolder folder;
  // With and without the magic in front.
  for (const std::string& begin : {std::string(), std::string("\x89"
                                                              "BTOK\r\n\x1a\1\0\0\0",
                                                              12)}) {
    replace_text(folder / "t", begin + bytes);
    RC_ASSERT(!TokenFile::open(folder / "t").has_value());
  }
}

RC_GTEST_PROP(CorpusProperty, TheStreamIsTheFilesInOrderWithSeparators, ()) {
  const TemporaryFolder folder;
  const auto texts = *rc::gen::nonEmpty(rc::gen::arbitrary<std::vector<std::string>>());
  RC_PRE(texts.size() < 100);
  std::string expected;
  bool first = true;
  for (size_t i = 0; i < texts.size(); ++i) {
    write_text(folder / std::to_string(100 + i), texts[i]);
    if (texts[i].empty()) continue;
    if (!first) expected.push_back('\0');
    expected += texts[i];
    first = false;
  }
  RC_PRE(!expected.empty());
  // Any order of the entries, any of them twice.
  std::vector<std::string> entries{folder.path().string()};
  for (const auto index :
       *rc::gen::container<std::vector<size_t>>(rc::gen::inRange<size_t>(0, texts.size()))) {
    entries.insert(entries.begin(), (folder / std::to_string(100 + index)).string());
  }
  const auto corpus = expand_corpus(entries);
  RC_ASSERT(corpus.has_value());
  FaultyFileSystem files;  // breaks nothing here, and does not wait for the disk
  const TemporaryFolder cache;
  const auto tokenizer = *make_tokenizer("byte");
  RC_ASSERT(tokenize_corpus(files, *corpus, *tokenizer, cache / "t", {}).has_value());
  const auto file = TokenFile::open(cache / "t");
  RC_ASSERT(file.has_value());
  std::vector<Token> tokens(file->info().tokens);
  file->read(0, tokens);
  RC_ASSERT(tokenizer->decode(tokens) == expected);
}

}  // namespace
}  // namespace ballast
