// The cache may forget a word; it never gives the tokens of another.
#include "services/data/word_cache.h"

#include <gtest/gtest.h>

namespace ballast {
namespace {

using Tokens = std::vector<Token>;

TEST(WordCache, FindsWhatWasInsertedLast) {
  WordCache cache;
  Tokens tokens{9};
  EXPECT_FALSE(cache.find("word", tokens));
  cache.insert("word", Tokens{1, 2});
  EXPECT_TRUE(cache.find("word", tokens));
  EXPECT_EQ(tokens, (Tokens{9, 1, 2}));
  EXPECT_FALSE(cache.find("words", tokens));
  cache.insert("word", Tokens{3});
  EXPECT_TRUE(cache.find("word", tokens));
  EXPECT_EQ(tokens, (Tokens{9, 1, 2, 3}));
}

TEST(WordCache, KeepsOnlyWhatFits) {
  WordCache cache;
  const Tokens most(WordCache::kMaxTokens, 7);
  const std::string longest(WordCache::kMaxWordBytes, 'x');
  cache.insert(longest, most);
  cache.insert(longest + "x", Tokens{1});
  cache.insert("many", Tokens(WordCache::kMaxTokens + 1, 7));
  Tokens tokens;
  EXPECT_TRUE(cache.find(longest, tokens));
  EXPECT_EQ(tokens, most);
  EXPECT_FALSE(cache.find(longest + "x", tokens));
  EXPECT_FALSE(cache.find("many", tokens));
}

TEST(WordCache, MoreWordsThanPlaces) {
  WordCache cache;
  const size_t words = 3 * WordCache::kWords;
  for (size_t i = 0; i < words; ++i) cache.insert(std::to_string(i), Tokens{static_cast<Token>(i)});
  size_t found = 0;
  for (size_t i = 0; i < words; ++i) {
    Tokens tokens;
    if (!cache.find(std::to_string(i), tokens)) continue;
    ++found;
    ASSERT_EQ(tokens, (Tokens{static_cast<Token>(i)}));
  }
  EXPECT_GT(found, WordCache::kWords / 2);
  EXPECT_LE(found, WordCache::kWords);
}

}  // namespace
}  // namespace ballast
