#include "services/data/gpt2_vocabulary.h"

#include <span>
#include <unordered_map>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "common/checksum.h"
#include "common/file.h"
#include "services/data/byte_level.h"

namespace ballast {
namespace {

using std::filesystem::path;

// For messages: quoted, printable, and short whatever the file holds.
std::string shown(std::string_view text) {
  constexpr size_t kShownBytes = 60;
  std::string text_shown = nlohmann::json(std::string(text.substr(0, kShownBytes)))
                               .dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
  if (text.size() > kShownBytes) text_shown += "...";
  return text_shown;
}

struct Tokens {
  std::unordered_map<std::string, Token> by_bytes;
  std::vector<std::string> bytes;  // by token; empty where none came yet

  const Token* find(const std::string& of) const {
    const auto found = by_bytes.find(of);
    return found == by_bytes.end() ? nullptr : &found->second;
  }
};

// Events of the JSON parser; false ends the parsing with `problem` set.
class VocabularyReader : public nlohmann::json_sax<nlohmann::json> {
 public:
  Tokens tokens;
  std::string problem;

  bool null() override { return wrong("null"); }
  bool boolean(bool) override { return wrong("a boolean"); }
  bool number_integer(number_integer_t value) override { return wrong(std::to_string(value)); }
  bool number_float(number_float_t, const string_t& text) override { return wrong(text); }
  bool string(string_t&) override { return wrong("a string"); }
  bool binary(binary_t&) override { return wrong("binary data"); }
  bool start_array(size_t) override { return wrong("an array"); }
  bool end_array() override { return true; }
  bool end_object() override { return true; }

  bool start_object(size_t) override {
    if (inside_) return wrong("an object");
    inside_ = true;
    return true;
  }

  bool key(string_t& name) override {
    name_ = name;
    return true;
  }

  bool number_unsigned(number_unsigned_t value) override {
    if (!inside_ || value >= kMaxVocabularySize) return wrong(std::to_string(value));
    auto bytes = name_to_bytes(name_);
    if (!bytes || bytes->empty()) {
      return refuse(fmt::format("entry {}: not a name in the byte-level alphabet", shown(name_)));
    }
    const auto token = static_cast<Token>(value);
    if (token >= tokens.bytes.size()) tokens.bytes.resize(token + 1);
    if (!tokens.bytes[token].empty()) {
      return refuse(fmt::format("entries {} and {} have the same number {}",
                                shown(bytes_to_name(tokens.bytes[token])), shown(name_), token));
    }
    if (!tokens.by_bytes.emplace(*bytes, token).second) {
      return refuse(fmt::format("entry {} is there twice", shown(name_)));
    }
    tokens.bytes[token] = std::move(*bytes);
    return true;
  }

  bool parse_error(size_t position, const std::string&,
                   const nlohmann::detail::exception&) override {
    return refuse(fmt::format("not JSON at byte {}", position));
  }

 private:
  bool refuse(std::string sentence) {
    problem = std::move(sentence);
    return false;
  }
  bool wrong(std::string_view found) {
    if (!inside_) return refuse(fmt::format("expected an object, found {}", found));
    return refuse(fmt::format("entry {} is {}: expected an integer from 0 to {}", shown(name_),
                              found, kMaxVocabularySize - 1));
  }

  bool inside_ = false;
  std::string name_;
};

// What is wrong with the tokens as a whole; empty where nothing is.
std::string check_tokens(const Tokens& tokens) {
  for (size_t token = 0; token < tokens.bytes.size(); ++token) {
    if (tokens.bytes[token].empty()) {
      return fmt::format("no entry has the number {}, though the highest is {}", token,
                         tokens.bytes.size() - 1);
    }
  }
  for (int byte = 0; byte < 256; ++byte) {
    const std::string bytes(1, static_cast<char>(byte));
    if (!tokens.find(bytes)) {
      return fmt::format("no entry {} for the byte 0x{:02x}", shown(bytes_to_name(bytes)), byte);
    }
  }
  if (!tokens.find(std::string(kEndOfText))) {
    return fmt::format("no entry \"{}\", which separates documents", kEndOfText);
  }
  return "";
}

struct MergeLine {
  size_t line;
  Token left, right, result;
};

Result<MergeLine> parse_merge(const Tokens& tokens, std::string_view text, size_t line) {
  const auto refuse = [&](std::string_view problem) {
    return fail(ErrorCode::kInvalid, fmt::format("line {}: {}: {}", line, shown(text), problem));
  };
  const size_t blank = text.find(' ');
  if (blank == std::string_view::npos || text.find(' ', blank + 1) != std::string_view::npos) {
    return refuse("expected two names with a blank between them");
  }
  const auto left = name_to_bytes(text.substr(0, blank));
  const auto right = name_to_bytes(text.substr(blank + 1));
  const Token* left_token = left ? tokens.find(*left) : nullptr;
  const Token* right_token = right ? tokens.find(*right) : nullptr;
  if (!left_token) return refuse("the first name is no token of the vocabulary");
  if (!right_token) return refuse("the second name is no token of the vocabulary");
  const Token* result = tokens.find(*left + *right);
  if (!result) return refuse("the two names joined are no token of the vocabulary");
  if (tokens.bytes[*result] == kEndOfText) {
    return refuse("makes the end of a document out of text");
  }
  return MergeLine{line, *left_token, *right_token, *result};
}

// By rank. The first line may tell the version.
Result<std::vector<MergeLine>> parse_merges(const Tokens& tokens, std::string_view text) {
  std::vector<MergeLine> merges;
  for (size_t number = 1; !text.empty(); ++number) {
    const size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty() || (number == 1 && line.starts_with("#version"))) continue;
    const auto merge = parse_merge(tokens, line, number);
    if (!merge) return tl::unexpected<Error>(merge.error());
    if (merges.size() == kMaxVocabularySize) {
      return fail(ErrorCode::kInvalid,
                  fmt::format("line {}: more than {} merges", number, kMaxVocabularySize));
    }
    merges.push_back(*merge);
  }
  return merges;
}

// The first of two names that the folder has, as (path, content).
Result<std::pair<std::string, std::string>> read_either(const path& folder, const char* name,
                                                        const char* other_name) {
  for (const char* either : {name, other_name}) {
    const path file = folder / either;
    auto content = read_file(file, kMaxVocabularyFileBytes);
    if (content) return std::pair(file.string(), std::move(*content));
    if (content.error().code != ErrorCode::kNotFound) {
      return tl::unexpected<Error>(std::move(content.error()));
    }
  }
  return fail(ErrorCode::kNotFound,
              fmt::format("folder {} has neither {} nor {}", folder.string(), name, other_name));
}

}  // namespace

Result<Gpt2Vocabulary> Gpt2Vocabulary::parse(std::string_view vocabulary, std::string_view merges,
                                             std::string_view vocabulary_name,
                                             std::string_view merges_name) {
  const auto refuse = [](std::string_view name, std::string_view problem) {
    return fail(ErrorCode::kInvalid, fmt::format("{}: {}", name, problem));
  };
  for (const auto& [text, name] : {std::pair(vocabulary, vocabulary_name), {merges, merges_name}}) {
    if (text.size() <= kMaxVocabularyFileBytes) continue;
    return refuse(
        name, fmt::format("{} bytes; at most {} are read", text.size(), kMaxVocabularyFileBytes));
  }
  VocabularyReader reader;
  if (!nlohmann::json::sax_parse(vocabulary, &reader)) {
    return refuse(vocabulary_name, reader.problem);
  }
  const Tokens& tokens = reader.tokens;
  if (auto problem = check_tokens(tokens); !problem.empty()) {
    return refuse(vocabulary_name, problem);
  }
  const auto lines = parse_merges(tokens, merges);
  if (!lines) return refuse(merges_name, lines.error().message);

  Gpt2Vocabulary made(lines->size());
  for (const MergeLine& line : *lines) {
    const auto rank = static_cast<uint32_t>(made.merges_.size());
    if (!made.table_.insert(line.left, line.right, {rank, line.result})) {
      return refuse(merges_name, fmt::format("line {}: the merge is there twice", line.line));
    }
    made.merges_.push_back({line.left, line.right});
  }
  made.begins_.push_back(0);
  for (const std::string& bytes : tokens.bytes) {
    made.bytes_ += bytes;
    made.begins_.push_back(static_cast<uint32_t>(made.bytes_.size()));
  }
  for (size_t byte = 0; byte < 256; ++byte) {
    made.byte_tokens_[byte] = *tokens.find(std::string(1, static_cast<char>(byte)));
  }
  made.end_of_text_ = *tokens.find(std::string(kEndOfText));
  made.fingerprint_ = made.compute_fingerprint();
  return made;
}

Result<Gpt2Vocabulary> Gpt2Vocabulary::load(const path& folder) {
  const auto vocabulary = read_either(folder, "vocab.json", "encoder.json");
  if (!vocabulary) return tl::unexpected<Error>(vocabulary.error());
  const auto merges = read_either(folder, "merges.txt", "vocab.bpe");
  if (!merges) return tl::unexpected<Error>(merges.error());
  return parse(vocabulary->second, merges->second, vocabulary->first, merges->first);
}

uint64_t Gpt2Vocabulary::compute_fingerprint() const {
  Xxh3 hash;
  hash.update(std::as_bytes(std::span(begins_)));
  hash.update(as_bytes(bytes_));
  hash.update(std::as_bytes(std::span(merges_)));
  return hash.digest_64();
}

std::string Gpt2Vocabulary::vocabulary_text() const {
  std::string text;
  for (Token token = 0; token < size(); ++token) {
    text += fmt::format("{}{}: {}", token == 0 ? "{" : ", ",
                        nlohmann::json(bytes_to_name(bytes(token))).dump(), token);
  }
  return text + "}\n";
}

std::string Gpt2Vocabulary::merges_text() const {
  std::string text = "#version: 0.2\n";
  for (const Pair& pair : merges_) {
    text += bytes_to_name(bytes(pair.left)) + " " + bytes_to_name(bytes(pair.right)) + "\n";
  }
  return text;
}

}  // namespace ballast
