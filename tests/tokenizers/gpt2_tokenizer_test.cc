// The tokenizer as a whole, with a vocabulary small enough to follow by hand.
#include "services/data/gpt2_tokenizer.h"

#include <thread>

#include <gtest/gtest.h>

#include "tests/storage/files.h"
#include "tests/tokenizers/tiny_vocabulary.h"

namespace ballast {
namespace {

using Tokens = std::vector<Token>;

const MergeNames kMerges = {{"h", "e"}, {"l", "l"}, {"he", "ll"}, {"hell", "o"}, {" ", "hello"}};

TEST(Gpt2Tokenizer, JoinsWithinWords) {
  const Gpt2Tokenizer tokenizer(parse_tiny(kMerges));
  EXPECT_EQ(tokenizer.name(), "gpt2");
  EXPECT_EQ(tokenizer.vocabulary_size(), 262u);
  EXPECT_EQ(*tokenizer.encode_all("hello hello"), (Tokens{259, 260}));
  EXPECT_EQ(*tokenizer.encode_all("hell he"), (Tokens{258, ' ', 256}));
  EXPECT_EQ(*tokenizer.encode_all("h'ello"), (Tokens{'h', '\'', 'e', 257, 'o'}));
  EXPECT_EQ(*tokenizer.encode_all(""), Tokens{});
  EXPECT_EQ(*tokenizer.encode_all("\xFF"), Tokens{255});
  EXPECT_EQ(tokenizer.decode(Tokens{259, 260, 255}), "hello hello\xFF");
}

TEST(Gpt2Tokenizer, TextCannotEndADocument) {
  const Gpt2Tokenizer tokenizer(parse_tiny(kMerges));
  EXPECT_EQ(tokenizer.document_separator(), 261u);
  const auto tokens = *tokenizer.encode_all("<|endoftext|>");
  EXPECT_EQ(tokens.size(), kEndOfText.size());
  EXPECT_EQ(tokenizer.decode(tokens), kEndOfText);
  EXPECT_EQ(tokenizer.decode(Tokens{261}), kEndOfText);
}

TEST(Gpt2Tokenizer, LeavesWhatMoreTextCouldChange) {
  const Gpt2Tokenizer tokenizer(parse_tiny(kMerges));
  Tokens tokens;
  EXPECT_EQ(*tokenizer.encode("hello hel", false, tokens), 5u);
  EXPECT_EQ(*tokenizer.encode(" hello", false, tokens), 0u);
  EXPECT_EQ(*tokenizer.encode(" hello", true, tokens), 6u);
  EXPECT_EQ(tokens, (Tokens{259, 260}));
}

TEST(Gpt2Tokenizer, FilesMakeAnEqualOne) {
  const TemporaryFolder folder;
  RealFileSystem files;
  const Gpt2Tokenizer tokenizer(parse_tiny(kMerges));
  const auto saved = save_tokenizer(files, tokenizer, folder / "a/b");
  ASSERT_TRUE(saved) << saved.error().message;
  const auto again = make_tokenizer("gpt2", folder / "a/b");
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ((*again)->fingerprint(), tokenizer.fingerprint());
  EXPECT_EQ(*(*again)->encode_all("hello hello"), (Tokens{259, 260}));
}

TEST(Gpt2Tokenizer, NeedsItsFiles) {
  const auto made = make_tokenizer("gpt2");
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().message, "tokenizer \"gpt2\" needs a folder with its vocabulary");
  const TemporaryFolder folder;
  EXPECT_EQ(make_tokenizer("gpt2", folder.path()).error().code, ErrorCode::kNotFound);
}

TEST(Gpt2Tokenizer, ManyThreadsAtOnce) {
  const Gpt2Tokenizer tokenizer(parse_tiny(kMerges));
  std::string text;
  for (int i = 0; i < 3000; ++i) text += " hello" + std::to_string(i * 7919 % 1000);
  const auto expected = *tokenizer.encode_all(text);
  std::array<int, 4> wrong{};
  {
    std::vector<std::jthread> threads;
    for (size_t thread = 0; thread < wrong.size(); ++thread) {
      threads.emplace_back([&, thread] {
        for (int round = 0; round < 5; ++round) {
          if (*tokenizer.encode_all(text) != expected) ++wrong[thread];
        }
      });
    }
  }
  for (const int count : wrong) EXPECT_EQ(count, 0);
}

TEST(Gpt2TokenizerDeathTest, ATokenBeyondTheVocabularyIsABug) {
  const Gpt2Tokenizer tokenizer(parse_tiny(kMerges));
  EXPECT_DEATH(std::ignore = tokenizer.decode(Tokens{262}), "vocabulary");
}

}  // namespace
}  // namespace ballast
