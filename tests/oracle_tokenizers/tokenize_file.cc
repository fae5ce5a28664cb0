// tokenize_file FOLDER TEXT TOKENS ROUNDS: the GPT-2 tokens of a text file, as 4-byte little-endian
// numbers, with the vocabulary of a folder. Prints the best speed of that many rounds. The text
// goes in as chunks of odd sizes, as no peer does it: the tokens must not show where it was cut.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "common/file.h"
#include "services/data/gpt2_tokenizer.h"

namespace ballast {
namespace {

constexpr uint64_t kMaxTextBytes = uint64_t{1} << 30;

std::vector<Token> encode_chunks(const Tokenizer& tokenizer, std::string_view text) {
  std::vector<Token> tokens;
  size_t begin = 0;
  size_t end = 0;
  for (size_t chunk_bytes = 100'003; begin < text.size();
       chunk_bytes = chunk_bytes % 90'001 + 9'973) {
    end = std::min(text.size(), end + chunk_bytes);
    begin += *tokenizer.encode(text.substr(begin, end - begin), end == text.size(), tokens);
  }
  return tokens;
}

// As pieces that begin and end between tokens, as several threads encode them.
std::vector<Token> encode_pieces(const Tokenizer& tokenizer, std::string_view text) {
  std::vector<Token> tokens;
  size_t bytes = 0;
  while (!text.empty()) {
    bytes = std::min(text.size(), bytes + 20'011);
    const bool last = bytes == text.size();
    const size_t cut = last ? bytes : tokenizer.last_cut(text.substr(0, bytes));
    if (cut == 0) continue;
    const auto piece = *tokenizer.encode_all(text.substr(0, cut));
    tokens.insert(tokens.end(), piece.begin(), piece.end());
    text.remove_prefix(cut);
    bytes = 0;
  }
  return tokens;
}

template <typename T>
T value_or_exit(Result<T> result) {
  if (result) return std::move(*result);
  std::fprintf(stderr, "tokenize_file: %s\n", result.error().message.c_str());
  std::exit(1);
}

int run(const std::vector<std::string>& arguments) {
  if (arguments.size() != 4) {
    std::fprintf(stderr, "usage: tokenize_file FOLDER TEXT TOKENS ROUNDS\n");
    return 2;
  }
  const auto text = value_or_exit(read_file(arguments[1], kMaxTextBytes));
  const int rounds = std::atoi(arguments[3].c_str());
  double best_seconds = 1e9;
  std::vector<Token> tokens;
  for (int round = 0; round < rounds; ++round) {
    // A new one each time, so that no round profits from the words of the one before.
    const Gpt2Tokenizer tokenizer(value_or_exit(Gpt2Vocabulary::load(arguments[0])));
    const auto start = std::chrono::steady_clock::now();
    tokens = encode_chunks(tokenizer, text);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    best_seconds = std::min(best_seconds, took.count());
    if (tokenizer.decode(tokens) != text) {
      std::fprintf(stderr, "tokenize_file: the tokens decoded are not the text\n");
      return 1;
    }
    if (encode_pieces(tokenizer, text) != tokens) {
      std::fprintf(stderr, "tokenize_file: pieces have other tokens than the whole\n");
      return 1;
    }
  }
  std::string bytes;
  for (const Token token : tokens) {
    for (int shift = 0; shift < 32; shift += 8) bytes.push_back(static_cast<char>(token >> shift));
  }
  const auto written = write_file_atomically(arguments[2], bytes);
  if (!written) {
    std::fprintf(stderr, "tokenize_file: %s\n", written.error().message.c_str());
    return 1;
  }
  std::printf("%.2f\n", static_cast<double>(text.size()) / best_seconds / 1e6);
  return 0;
}

}  // namespace
}  // namespace ballast

int main(int count, char** arguments) {
  return ballast::run(std::vector<std::string>(arguments + 1, arguments + count));
}
