// vocab.json and merges.txt from anybody: refused with a sentence, or a tokenizer that gives back
// every text and does not see where it was cut. Input: vocabulary, byte 0, merges, byte 0, text.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "common/check.h"
#include "services/data/gpt2_tokenizer.h"
#include "tests/tokenizers/tiny_vocabulary.h"

namespace ballast {
namespace {

std::string_view take_until_zero(std::string_view& rest) {
  const size_t end = rest.find('\0');
  const std::string_view taken = rest.substr(0, end);
  rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  return taken;
}

// A whole vocabulary is too long for a fuzzer to write, so that it may leave the bytes' entries
// out.
std::string with_bytes(std::string_view entries) {
  if (!entries.starts_with(',')) return std::string(entries);
  static const std::string bytes = tiny_tokens({}).dump();
  std::string whole = bytes;
  whole.pop_back();
  return whole + std::string(entries);
}

void check_tokenizer(const Tokenizer& tokenizer, std::string_view text) {
  const auto tokens = *tokenizer.encode_all(text);
  for (const Token token : tokens) CHECK(token < tokenizer.vocabulary_size());
  CHECK(tokenizer.decode(tokens) == text);
  std::vector<Token> cut;
  const size_t taken = *tokenizer.encode(text.substr(0, text.size() / 2), false, cut);
  std::ignore = tokenizer.encode(text.substr(taken), true, cut);
  CHECK(cut == tokens);
}

}  // namespace
}  // namespace ballast

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ballast;
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  const std::string vocabulary = with_bytes(take_until_zero(rest));
  const std::string merges(take_until_zero(rest));
  auto parsed = Gpt2Vocabulary::parse(vocabulary, merges);
  if (!parsed) {
    CHECK(parsed.error().code == ErrorCode::kInvalid && parsed.error().message.size() < 1000);
    return 0;
  }
  const auto again = Gpt2Vocabulary::parse(parsed->vocabulary_text(), parsed->merges_text());
  CHECK(again && again->fingerprint() == parsed->fingerprint());
  check_tokenizer(Gpt2Tokenizer(std::move(*parsed)), rest);
  return 0;
}
