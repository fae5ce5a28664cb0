#include "services/data/hugging_face_tokenizer.h"

#include <span>
#include <string>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "services/data/byte_level.h"
#include "services/data/utf8.h"

namespace ballast {
namespace {

using nlohmann::json;

std::string text_of(const Tokenizer& tokenizer, Token token) {
  return tokenizer.decode(std::span(&token, 1));
}

// The name of a token in a vocabulary of JSON texts.
std::string token_name(const Tokenizer& tokenizer, Token token) {
  std::string text = text_of(tokenizer, token);
  if (tokenizer.name() != "characters") return bytes_to_name(text);
  const Character character = first_character(text, true);
  if (character.value < kFirstStrayByte) return text;
  return fmt::format("<0x{:02x}>", character.value - kFirstStrayByte);
}

json vocabulary_of(const Tokenizer& tokenizer) {
  json vocabulary = json::object();
  for (Token token = 0; token < tokenizer.vocabulary_size(); ++token) {
    vocabulary[token_name(tokenizer, token)] = token;
  }
  return vocabulary;
}

// A byte is a token: a byte-pair encoding that joins nothing.
json byte_tokenizer(const Tokenizer& tokenizer) {
  return {{"version", "1.0"},
          {"truncation", nullptr},
          {"padding", nullptr},
          {"added_tokens", json::array()},
          {"normalizer", nullptr},
          {"pre_tokenizer",
           {{"type", "ByteLevel"},
            {"add_prefix_space", false},
            {"trim_offsets", true},
            {"use_regex", false}}},
          {"post_processor", nullptr},
          {"decoder",
           {{"type", "ByteLevel"},
            {"add_prefix_space", false},
            {"trim_offsets", true},
            {"use_regex", false}}},
          {"model",
           {{"type", "BPE"},
            {"dropout", nullptr},
            {"unk_token", nullptr},
            {"continuing_subword_prefix", nullptr},
            {"end_of_word_suffix", nullptr},
            {"fuse_unk", false},
            {"byte_fallback", false},
            {"vocab", vocabulary_of(tokenizer)},
            {"merges", json::array()}}}};
}

// A character is a word. The document separator stands for characters that the text of the training
// did not have: Ballast refuses those, transformers knows no refusal.
json characters_tokenizer(const Tokenizer& tokenizer) {
  return {{"version", "1.0"},
          {"truncation", nullptr},
          {"padding", nullptr},
          {"added_tokens", json::array()},
          {"normalizer", nullptr},
          {"pre_tokenizer",
           {{"type", "Split"},
            {"pattern", {{"Regex", "[\\s\\S]"}}},
            {"behavior", "Isolated"},
            {"invert", false}}},
          {"post_processor", nullptr},
          {"decoder", {{"type", "Fuse"}}},
          {"model",
           {{"type", "WordLevel"},
            {"vocab", vocabulary_of(tokenizer)},
            {"unk_token", token_name(tokenizer, tokenizer.document_separator())}}}};
}

TokenizerFile json_file(std::string name, const json& content) {
  return {std::move(name), content.dump(2) + "\n"};
}

}  // namespace

std::vector<TokenizerFile> hugging_face_tokenizer(const Tokenizer& tokenizer, uint32_t context) {
  const std::string separator = token_name(tokenizer, tokenizer.document_separator());
  json config = {{"model_max_length", context}, {"clean_up_tokenization_spaces", false}};
  if (tokenizer.name() == "gpt2") {
    std::vector<TokenizerFile> files = tokenizer.files();
    config["tokenizer_class"] = "GPT2Tokenizer";
    config["add_prefix_space"] = false;
    for (const char* role : {"bos_token", "eos_token", "unk_token"}) {
      config[role] = text_of(tokenizer, tokenizer.document_separator());
    }
    files.push_back(json_file("tokenizer_config.json", config));
    return files;
  }
  config["tokenizer_class"] = "PreTrainedTokenizerFast";
  const bool bytes = tokenizer.name() == "byte";
  return {json_file("tokenizer.json",
                    bytes ? byte_tokenizer(tokenizer) : characters_tokenizer(tokenizer)),
          json_file("tokenizer_config.json", config)};
}

}  // namespace ballast
