// The byte tokenizer: every byte is a token and comes back as itself.
#include "services/data/tokenizer.h"

#include <gtest/gtest.h>

namespace ballast {
namespace {

TEST(Tokenizer, ByteTokensAreTheBytes) {
  const auto tokenizer = make_tokenizer("byte");
  ASSERT_TRUE(tokenizer);
  EXPECT_EQ((*tokenizer)->name(), "byte");
  EXPECT_EQ((*tokenizer)->vocabulary_size(), 256u);
  EXPECT_EQ((*tokenizer)->document_separator(), 0u);
  std::string all;
  for (int i = 0; i < 256; ++i) all.push_back(static_cast<char>(i));
  const auto tokens = *(*tokenizer)->encode_all(all);
  ASSERT_EQ(tokens.size(), 256u);
  for (Token i = 0; i < 256; ++i) EXPECT_EQ(tokens[i], i);
  EXPECT_EQ((*tokenizer)->decode(tokens), all);
  EXPECT_TRUE((*tokenizer)->encode_all("")->empty());
}

TEST(Tokenizer, ChunksAreAppended) {
  const auto tokenizer = make_tokenizer("byte");
  std::vector<Token> tokens{7};
  EXPECT_EQ(*(*tokenizer)->encode("ab", false, tokens), 2u);
  EXPECT_EQ(*(*tokenizer)->encode("c", true, tokens), 1u);
  EXPECT_EQ(tokens, (std::vector<Token>{7, 'a', 'b', 'c'}));
}

// Checkpoints and caches carry it: a change makes every cache entry and checkpoint of before
// useless.
TEST(Tokenizer, FingerprintStays) {
  EXPECT_EQ((*make_tokenizer("byte"))->fingerprint(), (*make_tokenizer("byte"))->fingerprint());
  EXPECT_EQ((*make_tokenizer("byte"))->fingerprint(), 0x11388ddf7dceefcau);
}

TEST(Tokenizer, UnknownNameListsTheKnown) {
  const auto unknown = make_tokenizer("bite");
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().code, ErrorCode::kInvalid);
  EXPECT_EQ(unknown.error().message,
            "tokenizer \"bite\" is not known; there are: byte, characters, gpt2");
}

}  // namespace
}  // namespace ballast
