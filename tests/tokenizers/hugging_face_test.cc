// The files that transformers gets: every token has a name, and each name its token. That the peer
// reads them alike is shown in tests/oracle_torch.
#include "services/data/hugging_face_tokenizer.h"

#include <set>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "services/data/characters_tokenizer.h"
#include "services/data/gpt2_tokenizer.h"
#include "tests/tokenizers/tiny_vocabulary.h"

namespace ballast {
namespace {

nlohmann::json file_of(const std::vector<TokenizerFile>& files, const std::string& name) {
  for (const TokenizerFile& file : files) {
    if (file.name == name) return nlohmann::json::parse(file.content);
  }
  ADD_FAILURE() << "no " << name;
  return {};
}

TEST(HuggingFace, ABytesNameIsItsLetter) {
  const auto tokenizer = make_tokenizer("byte");
  const auto vocabulary =
      file_of(hugging_face_tokenizer(**tokenizer, 64), "tokenizer.json").at("model").at("vocab");
  ASSERT_EQ(vocabulary.size(), 256u);
  for (const auto& [name, token] : vocabulary.items()) {
    EXPECT_EQ(name_to_bytes(name), std::string(1, static_cast<char>(token.get<int>())));
  }
}

TEST(HuggingFace, ACharactersNameIsTheCharacter) {
  const CharactersTokenizer tokenizer({0, 'a', 0x20ac, 0x1f600, 0x110000 + 0xff});
  const auto files = hugging_face_tokenizer(tokenizer, 64);
  const auto model = file_of(files, "tokenizer.json").at("model");
  const nlohmann::json expected = {{std::string(1, '\0'), 0},
                                   {"a", 1},
                                   {"\xe2\x82\xac", 2},
                                   {"\xf0\x9f\x98\x80", 3},
                                   {"<0xff>", 4}};
  EXPECT_EQ(model.at("vocab"), expected);
  EXPECT_EQ(file_of(files, "tokenizer_config.json").at("model_max_length"), 64);
}

TEST(HuggingFace, Gpt2HasItsVocabularyAndItsEndOfText) {
  const Gpt2Tokenizer tokenizer(parse_tiny({{"a", "b"}}));
  const auto files = hugging_face_tokenizer(tokenizer, 64);
  std::set<std::string> names;
  for (const TokenizerFile& file : files) names.insert(file.name);
  EXPECT_EQ(names, (std::set<std::string>{"merges.txt", "tokenizer_config.json", "vocab.json"}));
  const auto config = file_of(files, "tokenizer_config.json");
  EXPECT_EQ(config.at("eos_token"), "<|endoftext|>");
  EXPECT_EQ(config.at("tokenizer_class"), "GPT2Tokenizer");
}

}  // namespace
}  // namespace ballast
