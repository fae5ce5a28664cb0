// Tokenizing on several threads: the same bytes as on one, in bounded memory, with the first error.
#include "services/data/tokenize_corpus.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/file.h"
#include "services/data/characters_tokenizer.h"
#include "services/data/gpt2_tokenizer.h"
#include "services/data/ordered_encoder.h"
#include "tests/storage/files.h"
#include "tests/tokenizers/tiny_vocabulary.h"

namespace ballast {
namespace {

using testing::HasSubstr;

// Lines of words, with accents and emoji, from a small generator.
std::string some_text(size_t bytes, const std::string& between) {
  const std::vector<std::string> words = {"the", "caf\xC3\xA9", "it's", "1234", "\xF0\x9F\x98\x80",
                                          "a",   "ab,",         "  ",   "-",    "\n\n"};
  std::string text;
  uint64_t state = 7;
  while (text.size() < bytes) {
    state = state * 6364136223846793005ULL + 1442695040888963407ULL;
    text += words[state >> 33 & 7] + (state >> 60 == 0 ? words[8 + (state >> 40 & 1)] : between);
  }
  return text;
}

class TokenizeCorpusTest : public testing::Test {
 protected:
  TokenizeCorpusTest() { std::filesystem::create_directory(folder_ / "text"); }

  std::string tokenized(const Tokenizer& tokenizer, size_t threads) {
    const auto name = folder_ / "tokens";
    const auto done = run(tokenizer, {.threads = threads, .progress = {}, .stop = {}});
    EXPECT_TRUE(done) << done.error().message;
    return done ? read_file(name, uint64_t{1} << 30).value_or("") : "";
  }
  Result<TokenFileInfo> run(const Tokenizer& tokenizer, const TokenizeOptions& options) {
    const auto corpus = expand_corpus(std::vector<std::string>{(folder_ / "text").string()});
    EXPECT_TRUE(corpus);
    return tokenize_corpus(files_, *corpus, tokenizer, folder_ / "tokens", options);
  }

  TemporaryFolder folder_;
  RealFileSystem files_;
};

TEST_F(TokenizeCorpusTest, TheFileDoesNotDependOnTheNumberOfThreads) {
  std::vector<std::string> texts = {some_text(500'000, "\n"), "x", some_text(300'000, " \n"),
                                    some_text(1'600'000, " "),  // no cut for gpt2: one long line
                                    std::string(1'500'000, '\xA9')};  // none for characters
  for (int i = 0; i < 40; ++i) texts.push_back("a small file " + std::to_string(i));
  CharacterSet characters;
  for (size_t i = 0; i < texts.size(); ++i) {
    write_text(folder_.path() / "text" / std::to_string(100 + i), texts[i]);
    ASSERT_TRUE(characters.add(texts[i], true));
  }
  std::vector<std::unique_ptr<Tokenizer>> tokenizers;
  tokenizers.push_back(*make_tokenizer("byte"));
  tokenizers.push_back(std::make_unique<CharactersTokenizer>(characters.sorted()));
  tokenizers.push_back(std::make_unique<Gpt2Tokenizer>(
      parse_tiny({{"t", "h"}, {"th", "e"}, {" ", "the"}, {"\xC3", "\xA9"}, {"1", "2"}})));
  for (const auto& tokenizer : tokenizers) {
    std::vector<Token> expected;
    for (size_t i = 0; i < texts.size(); ++i) {
      if (i > 0) expected.push_back(tokenizer->document_separator());
      const auto tokens = *tokenizer->encode_all(texts[i]);
      expected.insert(expected.end(), tokens.begin(), tokens.end());
    }
    const std::string one = tokenized(*tokenizer, 1);
    const auto file = TokenFile::open(folder_ / "tokens");
    ASSERT_TRUE(file) << file.error().message;
    ASSERT_EQ(file->info().tokens, expected.size());
    std::vector<Token> found(expected.size());
    file->read(0, found);
    EXPECT_TRUE(found == expected) << tokenizer->name();
    for (const size_t threads : {2u, 5u}) {
      EXPECT_TRUE(tokenized(*tokenizer, threads) == one) << tokenizer->name() << " " << threads;
    }
  }
}

TEST_F(TokenizeCorpusTest, ProgressRisesToTheWholeText) {
  write_text(folder_ / "text/a", some_text(1'500'000, "\n"));
  write_text(folder_ / "text/b", "end");
  for (const size_t threads : {1u, 4u}) {
    std::vector<uint64_t> told;
    uint64_t whole = 0;
    const auto tokenizer = *make_tokenizer("byte");
    ASSERT_TRUE(run(*tokenizer, {.threads = threads,
                                 .progress =
                                     [&](uint64_t bytes, uint64_t of_bytes) {
                                       told.push_back(bytes);
                                       whole = of_bytes;
                                     },
                                 .stop = {}}));
    EXPECT_GE(told.size(), 5u);
    EXPECT_TRUE(std::is_sorted(told.begin(), told.end()));
    EXPECT_EQ(told.back(), whole);
    EXPECT_EQ(whole, std::filesystem::file_size(folder_ / "text/a") + 3);
  }
}

TEST_F(TokenizeCorpusTest, TheFirstErrorIsToldWithItsFile) {
  std::string text = some_text(2'000'000, "\n");
  CharacterSet characters;
  ASSERT_TRUE(characters.add(text, true));
  const CharactersTokenizer tokenizer(characters.sorted());
  text.insert(text.rfind('\n'), "Q");
  text.insert(text.find('\n', 700'000), "Z");
  write_text(folder_ / "text/a", "the\n");
  write_text(folder_ / "text/b", text);
  std::string first;
  for (const size_t threads : {1u, 2u, 8u}) {
    const auto done = run(tokenizer, {.threads = threads, .progress = {}, .stop = {}});
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().code, ErrorCode::kInvalid);
    EXPECT_THAT(done.error().message, HasSubstr("text/b from byte "));
    EXPECT_THAT(done.error().message, HasSubstr("U+005A at byte "));  // Z
    if (first.empty()) first = done.error().message;
    EXPECT_EQ(done.error().message, first);
    EXPECT_FALSE(std::filesystem::exists(folder_ / "tokens"));
  }
}

TEST_F(TokenizeCorpusTest, AFullDiskEndsIt) {
  write_text(folder_ / "text/a", some_text(3'000'000, "\n"));
  std::filesystem::create_directory(folder_ / "tokens");  // in the way
  const auto tokenizer = *make_tokenizer("byte");
  EXPECT_FALSE(run(*tokenizer, {.threads = 4, .progress = {}, .stop = {}}));
}

// Its first piece takes until several others are done.
class SlowFirst : public Tokenizer {
 public:
  explicit SlowFirst(size_t others) : others_(others) {}
  std::string_view name() const override { return "slow"; }
  uint32_t vocabulary_size() const override { return 256; }
  uint64_t fingerprint() const override { return 1; }
  Token document_separator() const override { return 0; }
  std::string decode(std::span<const Token>) const override { return ""; }
  Result<size_t> encode(std::string_view text, bool, std::vector<Token>& tokens) const override {
    std::unique_lock lock(mutex_);
    if (text == "0") {
      done_.wait(lock, [&] { return others_ == 0; });
    } else if (others_ > 0) {
      --others_;
      done_.notify_all();
    }
    tokens.push_back(static_cast<Token>(text[0]));
    return text.size();
  }

 private:
  mutable std::mutex mutex_;
  mutable std::condition_variable done_;
  mutable size_t others_;
};

TEST(OrderedEncoder, KeepsOrderAndHoldsFewPieces) {
  constexpr size_t kThreads = 3;
  const SlowFirst tokenizer(2 * kThreads);
  size_t added = 0;
  size_t taken = 0;
  size_t most = 0;
  OrderedEncoder encoder(tokenizer, kThreads, [&](EncodedPiece& piece) -> Result<void> {
    EXPECT_EQ(piece.file, taken);
    most = std::max(most, added - taken);
    ++taken;
    return {};
  });
  for (; added < 200;) {
    EncodedPiece piece{.file = added, .offset = 0, .text = std::to_string(added)};
    ++added;
    ASSERT_TRUE(encoder.add(std::move(piece)));
  }
  ASSERT_TRUE(encoder.finish());
  EXPECT_EQ(taken, 200u);
  EXPECT_LE(most, 2 * kThreads + 3);
}

TEST(OrderedEncoder, AfterAnErrorNothingIsTaken) {
  const SlowFirst tokenizer(0);
  for (const size_t threads : {1u, 4u}) {
    size_t taken = 0;
    OrderedEncoder encoder(tokenizer, threads, [&](EncodedPiece&) -> Result<void> {
      if (++taken == 3) return fail(ErrorCode::kUnavailable, "full");
      return {};
    });
    Result<void> done;
    for (size_t i = 0; done && i < 50; ++i) {
      done = encoder.add({.file = i, .offset = 0, .text = "x"});
    }
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().message, "full");
    EXPECT_EQ(taken, 3u);
  }
}

}  // namespace
}  // namespace ballast
