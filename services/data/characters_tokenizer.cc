#include "services/data/characters_tokenizer.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "common/check.h"
#include "common/checksum.h"
#include "common/file.h"
#include "services/data/utf8.h"

namespace ballast {
namespace {

constexpr uint64_t kMaxFileBytes = uint64_t{1} << 20;  // the largest set has 9 bytes an entry
constexpr Token kNoToken = UINT32_MAX;

bool is_character(uint64_t value) {
  return value < kCharacterEnd && (value < 0xD800 || value > 0xDFFF);
}

// What is wrong with a vocabulary; empty where nothing is.
std::string check_characters(std::span<const uint64_t> values) {
  if (values.empty() || values[0] != 0) return "entry 0 is not 0 (U+0000)";
  if (values.size() > kMaxCharacters) {
    return fmt::format("{} entries; at most {} are possible", values.size(), kMaxCharacters);
  }
  for (size_t i = 1; i < values.size(); ++i) {
    if (!is_character(values[i])) return fmt::format("entry {}: {} is no character", i, values[i]);
    if (values[i] <= values[i - 1]) {
      return fmt::format("entry {}: {} does not rise from {}", i, values[i], values[i - 1]);
    }
  }
  return "";
}

}  // namespace

CharacterSet::CharacterSet() : seen_(kCharacterEnd) {
  seen_[0] = true;
  count_ = 1;
}

Result<size_t> CharacterSet::add(std::string_view text, bool last) {
  size_t taken = 0;
  while (taken < text.size()) {
    const Character character = first_character(text.substr(taken), last);
    if (character.bytes == 0) break;
    taken += character.bytes;
    if (seen_[character.value]) continue;
    if (count_ == kMaxCharacters) {
      return fail(ErrorCode::kInvalid,
                  fmt::format("more than {} different characters: take the tokenizer byte or gpt2",
                              kMaxCharacters));
    }
    seen_[character.value] = true;
    ++count_;
  }
  return taken;
}

std::vector<uint32_t> CharacterSet::sorted() const {
  std::vector<uint32_t> characters;
  for (uint32_t value = 0; value < kCharacterEnd; ++value) {
    if (seen_[value]) characters.push_back(value);
  }
  return characters;
}

Result<std::unique_ptr<CharactersTokenizer>> CharactersTokenizer::parse(std::string_view text,
                                                                        std::string_view name) {
  const auto refuse = [&](std::string_view problem) {
    return fail(ErrorCode::kInvalid, fmt::format("{}: {}", name, problem));
  };
  if (text.size() > kMaxFileBytes) return refuse(fmt::format("more than {} bytes", kMaxFileBytes));
  const auto json = nlohmann::json::parse(text, nullptr, false);
  if (!json.is_array()) return refuse("expected a JSON array of numbers");
  std::vector<uint64_t> values;
  for (const auto& value : json) {
    if (!value.is_number_unsigned()) {
      return refuse(fmt::format("entry {} is no number of a character", values.size()));
    }
    values.push_back(value.get<uint64_t>());
  }
  if (const auto problem = check_characters(values); !problem.empty()) return refuse(problem);
  return std::make_unique<CharactersTokenizer>(std::vector<uint32_t>(values.begin(), values.end()));
}

Result<std::unique_ptr<CharactersTokenizer>> CharactersTokenizer::load(
    const std::filesystem::path& folder) {
  const auto file = folder / kCharactersFile;
  const auto text = read_file(file, kMaxFileBytes);
  if (!text) return tl::unexpected<Error>(text.error());
  return parse(*text, file.string());
}

CharactersTokenizer::CharactersTokenizer(std::vector<uint32_t> characters)
    : characters_(std::move(characters)) {
  CHECK(check_characters(std::vector<uint64_t>(characters_.begin(), characters_.end())).empty());
  tokens_.assign(characters_.back() + 1, kNoToken);
  for (Token token = 0; token < characters_.size(); ++token) tokens_[characters_[token]] = token;
  Xxh3 hash;
  hash.update(as_bytes("ballast tokenizer characters 1"));
  hash.update(std::as_bytes(std::span(characters_)));
  fingerprint_ = hash.digest_64();
}

Result<size_t> CharactersTokenizer::encode(std::string_view text, bool last,
                                           std::vector<Token>& tokens) const {
  size_t taken = 0;
  while (taken < text.size()) {
    const Character character = first_character(text.substr(taken), last);
    if (character.bytes == 0) break;
    const Token token = character.value < tokens_.size() ? tokens_[character.value] : kNoToken;
    if (token == kNoToken) {
      return fail(ErrorCode::kInvalid,
                  fmt::format("{} at byte {} of the text is none of the {} characters that the "
                              "tokenizer knows",
                              character_name(character.value), taken, characters_.size()));
    }
    tokens.push_back(token);
    taken += character.bytes;
  }
  return taken;
}

std::string CharactersTokenizer::decode(std::span<const Token> tokens) const {
  std::string text;
  for (const Token token : tokens) {
    CHECK(token < characters_.size());
    append_character(characters_[token], text);
  }
  return text;
}

std::vector<TokenizerFile> CharactersTokenizer::files() const {
  return {{kCharactersFile, nlohmann::json(characters_).dump() + "\n"}};
}

}  // namespace ballast
