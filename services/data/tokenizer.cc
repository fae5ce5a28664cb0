#include "services/data/tokenizer.h"

#include <utility>

#include <fmt/format.h>

#include "common/check.h"
#include "common/checksum.h"
#include "services/data/characters_tokenizer.h"
#include "services/data/gpt2_tokenizer.h"
#include "services/storage/atomic_file.h"

namespace ballast {
namespace {

class ByteTokenizer : public Tokenizer {
 public:
  std::string_view name() const override { return "byte"; }
  uint32_t vocabulary_size() const override { return 256; }
  uint64_t fingerprint() const override { return fingerprint_; }
  Token document_separator() const override { return 0; }

  Result<size_t> encode(std::string_view text, bool, std::vector<Token>& tokens) const override {
    tokens.reserve(tokens.size() + text.size());
    for (const char byte : text) tokens.push_back(static_cast<unsigned char>(byte));
    return text.size();
  }

  size_t last_cut(std::string_view text) const override { return text.size(); }

  std::string decode(std::span<const Token> tokens) const override {
    std::string text;
    text.reserve(tokens.size());
    for (const Token token : tokens) {
      CHECK(token < 256);
      text.push_back(static_cast<char>(token));
    }
    return text;
  }

 private:
  // The name and the version of what it does, as no file of vocabulary decides it.
  uint64_t fingerprint_ = xxh3_64(as_bytes("ballast tokenizer byte 1"));
};

}  // namespace

Result<std::vector<Token>> Tokenizer::encode_all(std::string_view text) const {
  std::vector<Token> tokens;
  const auto taken = encode(text, true, tokens);
  if (!taken) return tl::unexpected<Error>(taken.error());
  CHECK(*taken == text.size());
  return tokens;
}

Result<std::unique_ptr<Tokenizer>> make_tokenizer(std::string_view name,
                                                  const std::filesystem::path& folder) {
  if (name == "byte") return std::make_unique<ByteTokenizer>();
  if (name != "characters" && name != "gpt2") {
    return fail(
        ErrorCode::kInvalid,
        fmt::format("tokenizer \"{}\" is not known; there are: byte, characters, gpt2", name));
  }
  if (folder.empty()) {
    return fail(ErrorCode::kInvalid,
                fmt::format("tokenizer \"{}\" needs a folder with its vocabulary", name));
  }
  if (name == "characters") {
    return CharactersTokenizer::load(folder).map(
        [](auto made) -> std::unique_ptr<Tokenizer> { return made; });
  }
  return Gpt2Vocabulary::load(folder).map([](auto vocabulary) -> std::unique_ptr<Tokenizer> {
    return std::make_unique<Gpt2Tokenizer>(std::move(vocabulary));
  });
}

Result<void> save_tokenizer(FileSystem& files, const Tokenizer& tokenizer,
                            const std::filesystem::path& folder) {
  const auto contents = tokenizer.files();
  if (contents.empty()) return {};
  if (auto done = files.make_folders(folder); !done) return done;
  for (const auto& [name, content] : contents) {
    auto file = AtomicFile::create(files, folder / name);
    if (!file) return tl::unexpected<Error>(std::move(file.error()));
    if (auto done = file->append(as_bytes(content)); !done) return done;
    if (auto done = file->commit(AtomicFile::IfExists::kReplace); !done) return done;
  }
  return {};
}

}  // namespace ballast
