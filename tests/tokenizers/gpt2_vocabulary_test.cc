// Vocabulary files: what is taken, and for each way to be wrong the sentence that names the place.
#include "services/data/gpt2_vocabulary.h"

#include <functional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/storage/files.h"
#include "tests/tokenizers/tiny_vocabulary.h"

namespace ballast {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

const MergeNames kMerges = {{"h", "e"}, {"l", "l"}, {"he", "ll"}, {"hell", "o"}, {" ", "hello"}};

std::string problem(const std::string& vocabulary, const std::string& merges) {
  const auto parsed = Gpt2Vocabulary::parse(vocabulary, merges);
  if (parsed) return "";
  EXPECT_EQ(parsed.error().code, ErrorCode::kInvalid);
  return parsed.error().message;
}

std::string vocabulary_problem(const std::function<void(nlohmann::json&)>& change) {
  auto tokens = tiny_tokens(kMerges);
  change(tokens);
  return problem(tokens.dump(), "");
}

std::string merges_problem(const std::string& merges) {
  return problem(tiny_vocabulary(kMerges).vocabulary, merges);
}

TEST(Gpt2Vocabulary, KnowsTokensAndMerges) {
  const auto vocabulary = parse_tiny(kMerges);
  EXPECT_EQ(vocabulary.size(), 256u + kMerges.size() + 1);
  EXPECT_EQ(vocabulary.byte_token(' '), Token{' '});
  EXPECT_EQ(vocabulary.bytes(' '), " ");
  EXPECT_EQ(vocabulary.bytes(255), "\xFF");
  EXPECT_EQ(vocabulary.bytes(259), "hello");
  EXPECT_EQ(vocabulary.bytes(260), " hello");
  EXPECT_EQ(vocabulary.end_of_text(), 261u);
  EXPECT_EQ(vocabulary.bytes(261), kEndOfText);
  EXPECT_EQ(vocabulary.merges().find('h', 'e').rank, 0u);
  EXPECT_EQ(vocabulary.merges().find(258, 'o').result, 259u);
  EXPECT_EQ(vocabulary.merges().find('e', 'h').rank, Merge::kNone);
}

TEST(Gpt2Vocabulary, TheLettersOfBytes) {
  EXPECT_EQ(bytes_to_name("a b\n"), "aĠbĊ");
  EXPECT_EQ(bytes_to_name(std::string("\0\x7F\x80\xA0\xA1\xAD\xFF", 7)), "ĀġĢł¡Ńÿ");
  EXPECT_EQ(name_to_bytes("Ġé"), " \xE9");
  for (const char* bad : {" ", "\n", "\xC2\xA0", "\u0144", "中", "\xFF", "\xC4"}) {
    EXPECT_EQ(name_to_bytes(bad), std::nullopt) << bad;
  }
}

TEST(Gpt2Vocabulary, FilesOfEitherName) {
  const auto texts = tiny_vocabulary(kMerges);
  for (const auto& [vocabulary, merges] :
       {std::pair("vocab.json", "merges.txt"), std::pair("encoder.json", "vocab.bpe"),
        std::pair("vocab.json", "vocab.bpe")}) {
    const TemporaryFolder folder;
    write_text(folder / vocabulary, texts.vocabulary);
    write_text(folder / merges, texts.merges);
    const auto loaded = Gpt2Vocabulary::load(folder.path());
    ASSERT_TRUE(loaded) << loaded.error().message;
    EXPECT_EQ(loaded->fingerprint(), parse_tiny(kMerges).fingerprint());
  }
}

TEST(Gpt2Vocabulary, MissingFilesAreNamed) {
  const TemporaryFolder folder;
  auto loaded = Gpt2Vocabulary::load(folder.path());
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().code, ErrorCode::kNotFound);
  EXPECT_THAT(loaded.error().message, HasSubstr("neither vocab.json nor encoder.json"));
  write_text(folder / "vocab.json", "{}");
  loaded = Gpt2Vocabulary::load(folder.path());
  EXPECT_THAT(loaded.error().message, HasSubstr("neither merges.txt nor vocab.bpe"));
  write_text(folder / "merges.txt", "");
  loaded = Gpt2Vocabulary::load(folder.path());
  EXPECT_THAT(loaded.error().message, StartsWith((folder / "vocab.json").string() + ": "));
}

TEST(Gpt2Vocabulary, WritesItsFilesAnew) {
  const auto vocabulary = parse_tiny(kMerges);
  const auto again = Gpt2Vocabulary::parse(vocabulary.vocabulary_text(), vocabulary.merges_text());
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(again->fingerprint(), vocabulary.fingerprint());
  EXPECT_EQ(again->vocabulary_text(), vocabulary.vocabulary_text());
  EXPECT_EQ(vocabulary.merges_text(), tiny_vocabulary(kMerges).merges);
}

TEST(Gpt2Vocabulary, TheFingerprintIsOfTheMeaning) {
  const auto texts = tiny_vocabulary(kMerges);
  const auto print = [](const std::string& vocabulary, const std::string& merges) {
    return Gpt2Vocabulary::parse(vocabulary, merges).value().fingerprint();
  };
  const uint64_t expected = print(texts.vocabulary, texts.merges);
  // Layout, line ends and the first line mean nothing.
  EXPECT_EQ(print(nlohmann::json::parse(texts.vocabulary).dump(2), texts.merges), expected);
  std::string merges = texts.merges.substr(texts.merges.find('\n') + 1);
  EXPECT_EQ(print(texts.vocabulary, merges), expected);
  EXPECT_EQ(print(texts.vocabulary, merges.substr(0, merges.size() - 1)), expected);
  for (size_t at = 0; (at = merges.find('\n', at)) != std::string::npos; at += 2) {
    merges.insert(at, "\r");
  }
  EXPECT_EQ(print(texts.vocabulary, merges), expected);
  // Numbers and the order of merges do.
  auto tokens = tiny_tokens(kMerges);
  std::swap(tokens["a"], tokens["b"]);
  EXPECT_NE(print(tokens.dump(), texts.merges), expected);
  MergeNames swapped = kMerges;
  std::swap(swapped[0], swapped[1]);
  EXPECT_NE(print(texts.vocabulary, tiny_vocabulary(swapped).merges), expected);
}

TEST(Gpt2Vocabulary, BadVocabulariesAreRefused) {
  EXPECT_EQ(problem("", ""), "vocab.json: not JSON at byte 1");
  EXPECT_EQ(problem("[]", ""), "vocab.json: expected an object, found an array");
  EXPECT_EQ(problem("7", ""), "vocab.json: expected an object, found 7");
  EXPECT_EQ(problem(R"({"a": {"b": 1}})", ""),
            "vocab.json: entry \"a\" is an object: expected an integer from 0 to 1048575");
  EXPECT_EQ(problem(R"({"a": [[[[)", ""),
            "vocab.json: entry \"a\" is an array: expected an integer from 0 to 1048575");
  for (const char* value :
       {"-1", "1.5", "1e3", "1048576", "99999999999999999999", "null", "true", "\"1\""}) {
    EXPECT_THAT(problem(std::string(R"({"a": )") + value + "}", ""),
                StartsWith("vocab.json: entry \"a\" is "))
        << value;
  }
  EXPECT_EQ(problem(R"({"a": 1, "b": 1})", ""),
            "vocab.json: entries \"a\" and \"b\" have the same number 1");
  EXPECT_EQ(problem(R"({"a": 1, "a": 2})", ""), "vocab.json: entry \"a\" is there twice");
  EXPECT_EQ(problem(R"({"": 1})", ""),
            "vocab.json: entry \"\": not a name in the byte-level alphabet");
  EXPECT_EQ(problem(R"({"a b": 1})", ""),
            "vocab.json: entry \"a b\": not a name in the byte-level alphabet");
  EXPECT_THAT(problem("{\"a\": 0} x", ""), StartsWith("vocab.json: not JSON at byte 1"));
  EXPECT_THAT(problem("{\"\xFF\": 0}", ""), StartsWith("vocab.json: not JSON at byte "));
  EXPECT_THAT(problem(std::string(kMaxVocabularyFileBytes + 1, ' '), ""),
              StartsWith("vocab.json: 67108865 bytes; at most 67108864"));
}

TEST(Gpt2Vocabulary, IncompleteVocabulariesAreRefused) {
  EXPECT_EQ(vocabulary_problem([](auto&) {}), "");
  EXPECT_EQ(vocabulary_problem([](auto& tokens) { tokens.erase("hell"); }),
            "vocab.json: no entry has the number 258, though the highest is 261");
  EXPECT_EQ(vocabulary_problem([](auto& tokens) {
              tokens["Q"] = 262;
              tokens["QQ"] = 81;
              tokens.erase("Q");
            }),
            "vocab.json: no entry \"Q\" for the byte 0x51");
  EXPECT_EQ(vocabulary_problem([](auto& tokens) { tokens.erase(std::string(kEndOfText)); }),
            "vocab.json: no entry \"<|endoftext|>\", which separates documents");
}

TEST(Gpt2Vocabulary, BadMergesAreRefused) {
  EXPECT_EQ(merges_problem("h e\n\n#version: 0.2\n"),
            "merges.txt: line 3: \"#version: 0.2\": the first name is no token of the vocabulary");
  EXPECT_EQ(merges_problem("h e\nh\n"),
            "merges.txt: line 2: \"h\": expected two names with a blank between them");
  EXPECT_EQ(merges_problem("h e \n"),
            "merges.txt: line 1: \"h e \": expected two names with a blank between them");
  EXPECT_EQ(merges_problem("h hullo\n"),
            "merges.txt: line 1: \"h hullo\": the second name is no token of the vocabulary");
  EXPECT_EQ(merges_problem("h o\n"),
            "merges.txt: line 1: \"h o\": the two names joined are no token of the vocabulary");
  EXPECT_EQ(merges_problem("h e\nl l\nh e\n"), "merges.txt: line 3: the merge is there twice");
  EXPECT_THAT(merges_problem("h \xFF\n"), HasSubstr("the second name is no token"));
  EXPECT_THAT(merges_problem(std::string(10'000, 'x')), testing::SizeIs(testing::Lt(200u)));
  // Text must not be able to end a document.
  const auto texts = tiny_vocabulary(
      {{"<|endoftext", "|"}, {"<", "|endoftext"}, {"|", "endoftext"}, {"endoftex", "t"}});
  EXPECT_EQ(problem(texts.vocabulary, "<|endoftext| >"),
            "merges.txt: line 1: \"<|endoftext| >\": makes the end of a document out of text");
}

}  // namespace
}  // namespace ballast
