// Laws of the tokenizers that hold for any text, any cut and any vocabulary.
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <unicode/regex.h>
#include <unicode/unistr.h>

#include "services/data/byte_pairs.h"
#include "services/data/characters_tokenizer.h"
#include "services/data/gpt2_tokenizer.h"
#include "services/data/pretokenizer.h"
#include "services/data/utf8.h"
#include "tests/tokenizers/tiny_vocabulary.h"

namespace ballast {
namespace {

using Tokens = std::vector<Token>;

// Characters of every class that the pattern tells apart, and of every length.
uint32_t draw_character() {
  static const std::vector<uint32_t> telling = {
      ' ',   ' ',    '\n',  '\t', '\'',  '\'',   's',    't',     'r',     'e',    'v',
      'l',   'a',    '1',   '9',  '.',   0x85,   0xA0,   0x2003,  0x3000,  0x200B, 0xE9,
      0x3A9, 0x4E2D, 0x301, 0xB2, 0x663, 0x2163, 0x20AC, 0x1F44D, 0x1F3FD, 0xFFFD, 0};
  if (*rc::gen::inRange(0, 5) > 0) return *rc::gen::elementOf(telling);
  const auto value = *rc::gen::inRange<uint32_t>(0, kFirstStrayByte - 0x800);
  return value < 0xD800 ? value : value + 0x800;
}

std::string draw_utf8() {
  std::string text;
  const auto count = *rc::gen::inRange(0, 40);
  for (int i = 0; i < count; ++i) append_character(draw_character(), text);
  return text;
}

std::string draw_bytes() {
  std::string text = draw_utf8();
  const auto stray = *rc::gen::container<std::string>(rc::gen::arbitrary<char>());
  return *rc::gen::arbitrary<bool>() ? text + stray + draw_utf8() : text;
}

std::vector<std::string> words(std::string_view text) {
  std::vector<std::string> found;
  while (!text.empty()) {
    const size_t bytes = first_word(text, true);
    RC_ASSERT(bytes > 0u && bytes <= text.size());
    found.emplace_back(text.substr(0, bytes));
    text.remove_prefix(bytes);
  }
  return found;
}

std::vector<std::string> words_by_pattern(const std::string& text) {
  UErrorCode status = U_ZERO_ERROR;
  const icu::UnicodeString input = icu::UnicodeString::fromUTF8(text);
  icu::RegexMatcher matcher(
      R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\p{White_Space}\p{L}\p{N}]+)"
      R"(|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+)",
      input, 0, status);
  std::vector<std::string> found;
  while (matcher.find()) matcher.group(status).toUTF8String(found.emplace_back());
  RC_ASSERT(U_SUCCESS(status));
  return found;
}

RC_GTEST_PROP(PretokenizerProperty, CutsAsThePatternDoes, ()) {
  const std::string text = draw_utf8();
  RC_ASSERT(words(text) == words_by_pattern(text));
}

RC_GTEST_PROP(PretokenizerProperty, NeverTellsAWordThatMoreTextChanges, ()) {
  const std::string text = draw_bytes();
  RC_PRE(!text.empty());
  const size_t whole = first_word(text, true);
  for (size_t end = 1; end <= text.size(); ++end) {
    const size_t bytes = first_word(std::string_view(text).substr(0, end), false);
    RC_ASSERT(bytes == 0u || bytes == whole);
  }
}

// Merges of few tokens, so that many of a word's neighbours join; results may repeat.
RC_GTEST_PROP(BytePairsProperty, TheHeapDoesWhatTheScanDoes, ()) {
  const auto small = [] { return *rc::gen::inRange<Token>(0, 12); };
  const auto count = *rc::gen::inRange<size_t>(0, 40);
  MergeTable table(count);
  uint32_t rank = 0;
  for (size_t i = 0; i < count; ++i) {
    if (table.insert(small(), small(), {rank, small()})) ++rank;
  }
  Tokens word = *rc::gen::container<Tokens>(rc::gen::inRange<Token>(0, 12));
  Tokens by_heap = word;
  HeapMerger heap;
  by_heap.resize(heap.merge(table, by_heap));
  word.resize(merge_by_scan(table, word));
  RC_ASSERT(by_heap == word);
}

std::unique_ptr<Tokenizer> draw_gpt2() {
  MergeNames merges;
  std::vector<std::string> parts = {"a", "b", "s", "'", " ", "1", "\n", "\xC3", "\xA9", "l"};
  const auto count = *rc::gen::inRange(0, 30);
  for (int i = 0; i < count; ++i) {
    const auto left = *rc::gen::elementOf(parts);
    const auto right = *rc::gen::elementOf(parts);
    const std::pair merge(left, right);
    if (left.size() + right.size() > 12) continue;  // lengths double with each merge
    if (std::find(merges.begin(), merges.end(), merge) != merges.end()) continue;
    merges.push_back(merge);
    parts.push_back(left + right);
  }
  return std::make_unique<Gpt2Tokenizer>(parse_tiny(merges));
}

std::unique_ptr<Tokenizer> characters_for(const std::string& text) {
  CharacterSet set;
  RC_ASSERT(*set.add(text, true) == text.size());
  return std::make_unique<CharactersTokenizer>(set.sorted());
}

Tokens encode_cut(const Tokenizer& tokenizer, std::string_view text) {
  Tokens tokens;
  size_t begin = 0;
  size_t end = 0;
  while (begin < text.size()) {
    end = std::min(text.size(), end + *rc::gen::inRange<size_t>(1, 9));
    begin += *tokenizer.encode(text.substr(begin, end - begin), end == text.size(), tokens);
  }
  return tokens;
}

RC_GTEST_PROP(TokenizerProperty, CutsDoNotShowAndTextComesBack, ()) {
  const std::string text = draw_bytes();
  const auto tokenizer = *rc::gen::arbitrary<bool>() ? draw_gpt2() : characters_for(text);
  const Tokens tokens = *tokenizer->encode_all(text);
  for (const Token token : tokens) RC_ASSERT(token < tokenizer->vocabulary_size());
  RC_ASSERT(tokenizer->decode(tokens) == text);
  RC_ASSERT(encode_cut(*tokenizer, text) == tokens);
}

// Both parts have the tokens that they have in the whole, whatever follows.
RC_GTEST_PROP(TokenizerProperty, ATokenIsNeverSplitWhereTheTokenizerCuts, ()) {
  std::string text = draw_bytes();
  if (*rc::gen::arbitrary<bool>()) text += "x\ny" + draw_bytes();
  const std::string whole = text + draw_bytes();
  const auto tokenizer = *rc::gen::arbitrary<bool>() ? draw_gpt2() : characters_for(whole);
  const size_t cut = tokenizer->last_cut(text);
  RC_ASSERT(cut <= text.size());
  RC_CLASSIFY(cut > 0u);
  if (tokenizer->name() == "characters" && text.size() > 1) {
    RC_ASSERT(cut > 0u || (static_cast<unsigned char>(text.back()) & 0xC0) == 0x80);
  }
  Tokens tokens = *tokenizer->encode_all(std::string_view(whole).substr(0, cut));
  const Tokens rest = *tokenizer->encode_all(std::string_view(whole).substr(cut));
  tokens.insert(tokens.end(), rest.begin(), rest.end());
  RC_ASSERT(tokens == *tokenizer->encode_all(whole));
}

RC_GTEST_PROP(TokenizerProperty, TheCacheDoesNotShow, ()) {
  const auto warm = draw_gpt2();
  const auto files = warm->files();
  for (int i = 0; i < 5; ++i) {
    const Gpt2Tokenizer cold(Gpt2Vocabulary::parse(files[0].content, files[1].content).value());
    const std::string text = draw_bytes();
    RC_ASSERT(*warm->encode_all(text) == *cold.encode_all(text));
  }
}

RC_GTEST_PROP(VocabularyProperty, AnyTextIsAnErrorAndNeverACrash, ()) {
  auto texts = tiny_vocabulary({{"a", "b"}, {"ab", "c"}});
  std::string& damaged = *rc::gen::arbitrary<bool>() ? texts.vocabulary : texts.merges;
  const auto at = *rc::gen::inRange<size_t>(0, damaged.size());
  const auto noise = *rc::gen::arbitrary<std::string>();
  damaged.replace(at, *rc::gen::inRange<size_t>(0, 5), noise);
  const auto parsed = Gpt2Vocabulary::parse(texts.vocabulary, texts.merges);
  if (!parsed) RC_ASSERT(!parsed.error().message.empty());
}

}  // namespace
}  // namespace ballast
