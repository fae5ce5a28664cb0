// The tokenizer that a corpus brings itself: its characters, where they are kept, what is unknown.
#include "services/data/characters_tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "services/data/dataset.h"
#include "services/data/utf8.h"
#include "tests/storage/files.h"

namespace ballast {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;
using Tokens = std::vector<Token>;

std::vector<uint32_t> characters_of(std::string_view text) {
  CharacterSet set;
  EXPECT_EQ(*set.add(text, true), text.size());
  return set.sorted();
}

TEST(Characters, TheSetIsSortedAndHasTheSeparator) {
  EXPECT_THAT(characters_of("ba€a"), ElementsAre(0, 'a', 'b', 0x20AC));
  EXPECT_THAT(characters_of(""), ElementsAre(0));
  EXPECT_THAT(characters_of("\xFF\xC3"),
              ElementsAre(0, kFirstStrayByte + 0xC3, kFirstStrayByte + 0xFF));
}

TEST(Characters, TheSetWaitsForWholeCharacters) {
  CharacterSet set;
  EXPECT_EQ(*set.add("a\xE2\x82", false), 1u);
  EXPECT_EQ(*set.add("\xE2\x82\xAC", false), 3u);
  EXPECT_THAT(set.sorted(), ElementsAre(0, 'a', 0x20AC));
}

TEST(Characters, TooManyAreRefused) {
  std::string text;
  for (uint32_t value = 1; value <= kMaxCharacters; ++value)
    append_character(value + 0x10000, text);
  CharacterSet set;
  ASSERT_TRUE(set.add(text.substr(4), true));
  const auto one_more = set.add(text, true);
  ASSERT_FALSE(one_more);
  EXPECT_EQ(one_more.error().message,
            "more than 65536 different characters: take the tokenizer byte or gpt2");
}

TEST(Characters, EncodesAndDecodes) {
  const CharactersTokenizer tokenizer(characters_of("hé\xFF!"));
  EXPECT_EQ(tokenizer.vocabulary_size(), 5u);
  EXPECT_EQ(tokenizer.document_separator(), 0u);
  EXPECT_EQ(*tokenizer.encode_all("!é\xFF"), (Tokens{1, 3, 4}));
  EXPECT_EQ(tokenizer.decode(Tokens{1, 3, 4}), "!é\xFF");
  Tokens tokens;
  EXPECT_EQ(*tokenizer.encode("h\xC3", false, tokens), 1u);
}

TEST(Characters, AnUnknownCharacterIsNamed) {
  const CharactersTokenizer tokenizer(characters_of("ab"));
  const auto known = tokenizer.encode_all("abé");
  ASSERT_FALSE(known);
  EXPECT_EQ(known.error().code, ErrorCode::kInvalid);
  EXPECT_EQ(known.error().message,
            "U+00E9 at byte 2 of the text is none of the 3 characters that the tokenizer knows");
  EXPECT_THAT(tokenizer.encode_all("\xFF").error().message, StartsWith("the byte 0xff at byte 0"));
}

TEST(Characters, FilesMakeAnEqualOne) {
  const CharactersTokenizer tokenizer(characters_of("hé\xFF!"));
  const auto files = tokenizer.files();
  ASSERT_EQ(files.size(), 1u);
  EXPECT_EQ(files[0].name, "characters.json");
  EXPECT_EQ(files[0].content, "[0,33,104,233,1114367]\n");
  const auto again = CharactersTokenizer::parse(files[0].content);
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ((*again)->fingerprint(), tokenizer.fingerprint());
  EXPECT_NE(CharactersTokenizer(characters_of("x")).fingerprint(), tokenizer.fingerprint());
}

TEST(Characters, BadFilesAreRefused) {
  const auto problem = [](const std::string& text) {
    const auto parsed = CharactersTokenizer::parse(text);
    return parsed ? "" : parsed.error().message;
  };
  EXPECT_EQ(problem("[0]"), "");
  for (const char* text : {"", "{}", "[0", "[0] 1", "7"}) {
    EXPECT_EQ(problem(text), "characters.json: expected a JSON array of numbers") << text;
  }
  EXPECT_EQ(problem("[]"), "characters.json: entry 0 is not 0 (U+0000)");
  EXPECT_EQ(problem("[1]"), "characters.json: entry 0 is not 0 (U+0000)");
  EXPECT_EQ(problem("[0, 5, 5]"), "characters.json: entry 2: 5 does not rise from 5");
  EXPECT_EQ(problem("[0, 55296]"), "characters.json: entry 1: 55296 is no character");
  EXPECT_EQ(problem("[0, 1114368]"), "characters.json: entry 1: 1114368 is no character");
  for (const char* value : {"-1", "1.5", "\"a\"", "null", "[]"}) {
    EXPECT_EQ(problem(std::string("[0, ") + value + "]"),
              "characters.json: entry 1 is no number of a character");
  }
  EXPECT_THAT(problem(std::string(2 << 20, ' ')), StartsWith("characters.json: more than"));
  std::string many = "[0";
  for (size_t i = 1; i <= kMaxCharacters; ++i) many += "," + std::to_string(i);
  EXPECT_THAT(problem(many + "]"), HasSubstr("65537 entries"));
}

class CharactersDataTest : public testing::Test {
 protected:
  CharactersDataTest() {
    config_ = {{(folder_ / "text").string()}, "characters", 0, 4};
    cache_.folder = folder_ / "cache";
    write_text(folder_ / "text", "to be or not to be é");
  }
  Result<Dataset> open() { return Dataset::open(files_, config_, cache_); }
  std::string text_of(const Dataset& data) {
    Tokens tokens(data.total_tokens());
    data.fetch(0, tokens);
    return data.tokenizer().decode(tokens);
  }

  TemporaryFolder folder_;
  RealFileSystem files_;
  DatasetConfig config_;
  TokenCacheOptions cache_;
};

TEST_F(CharactersDataTest, TheCorpusBringsItsVocabulary) {
  const auto data = open();
  ASSERT_TRUE(data) << data.error().message;
  EXPECT_EQ(text_of(*data), "to be or not to be é");
  EXPECT_EQ(data->tokenizer().vocabulary_size(), 9u);  // U+0000, blank, b e n o r t é
  const auto again = open();
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_FALSE(again->tokenized());
  EXPECT_EQ(again->fingerprint(), data->fingerprint());
}

TEST_F(CharactersDataTest, TextBeyondAChunkAndMoreFiles) {
  std::string text = "x";  // so that chunks end within characters
  while (text.size() < 3'000'000) text += "äöü中👍";
  write_text(folder_ / "text", text);
  write_text(folder_ / "text2", "ß");
  config_.train.push_back((folder_ / "text2").string());
  const auto data = open();
  ASSERT_TRUE(data) << data.error().message;
  EXPECT_EQ(data->tokenizer().vocabulary_size(), 8u);
  EXPECT_EQ(text_of(*data), text + std::string("\0", 1) + "ß");
}

TEST_F(CharactersDataTest, ATokenFileHasItsVocabularyBesideIt) {
  const auto made = open()->token_path();
  const auto copy = folder_ / "mine";
  std::filesystem::copy(made, copy);
  config_.train = {copy.string()};
  const auto without = open();
  ASSERT_FALSE(without);
  EXPECT_EQ(without.error().code, ErrorCode::kNotFound);
  EXPECT_THAT(without.error().message, HasSubstr("mine.tokenizer/characters.json"));
  std::filesystem::copy(tokenizer_folder(made), tokenizer_folder(copy));
  const auto data = open();
  ASSERT_TRUE(data) << data.error().message;
  EXPECT_EQ(text_of(*data), "to be or not to be é");
}

TEST_F(CharactersDataTest, ADamagedVocabularyIsMadeAgain) {
  const auto before = open()->fingerprint();
  for (const auto& entry : std::filesystem::recursive_directory_iterator(cache_.folder)) {
    if (entry.path().filename() == kCharactersFile) write_text(entry.path(), "[0,");
  }
  const auto again = open();
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(again->fingerprint(), before);
}

TEST_F(CharactersDataTest, AVocabularyFromElsewhereMustKnowTheText) {
  std::filesystem::create_directory(folder_ / "mine");
  write_text(folder_ / "mine/characters.json", "[0,32,98]");
  config_.vocabulary = (folder_ / "mine").string();
  const auto data = open();
  ASSERT_FALSE(data);
  EXPECT_THAT(data.error().message, HasSubstr("U+0074 at byte 0"));
  EXPECT_EQ(count_files(cache_.folder, ".tokens"), 0);
}

}  // namespace
}  // namespace ballast
