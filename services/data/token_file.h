// A token stream on disk: a header, the tokens (1, 2 or 4 bytes each, little-endian), and a
// checksum for each block of them, so that damage is found and named by its byte. Byte by byte in
// docs/formats.md. A TokenFile is mapped and immutable; any thread.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "common/checksum.h"
#include "common/error.h"
#include "services/data/tokenizer.h"
#include "services/storage/atomic_file.h"
#include "services/storage/mapped_file.h"

namespace ballast {

inline constexpr uint32_t kTokenFileVersion = 1;
inline constexpr uint64_t kTokenFileHeaderBytes = 128;
inline constexpr uint32_t kTokenBlockBytes = 1u << 20;

struct TokenFileInfo {
  uint32_t token_bytes = 0;  // 1, 2 or 4: the fewest that hold the vocabulary
  uint32_t vocabulary_size = 0;
  uint64_t tokens = 0;
  uint64_t tokenizer_fingerprint = 0;
  uint64_t documents = 0;
  uint64_t text_bytes = 0;  // of all documents
  Checksum128 content{};    // over the blocks' checksums: names the token stream

  bool operator==(const TokenFileInfo&) const = default;
};

class TokenFile {
 public:
  // kFull reads the whole file once and compares every checksum; kHeader trusts the blocks.
  enum class Verify { kFull, kHeader };

  // kCorrupt names the file, the byte and what was found: no token file, another format version,
  // truncated, too long, damaged, or a token outside the vocabulary (found by kFull).
  static Result<TokenFile> open(const std::filesystem::path& path, Verify verify = Verify::kFull);

  const TokenFileInfo& info() const { return info_; }
  // The tokens as they lie in the file, info().tokens * info().token_bytes bytes.
  Bytes token_bytes() const { return tokens_; }
  // Widens tokens [begin, begin + out.size()), which must exist (CHECKed).
  void read(uint64_t begin, std::span<Token> out) const;

 private:
  TokenFile(MappedFile file, const TokenFileInfo& info, Bytes tokens)
      : file_(std::move(file)), info_(info), tokens_(tokens) {}

  MappedFile file_;
  TokenFileInfo info_;
  Bytes tokens_;  // a part of file_
};

// Whether a file begins as a token file does (false where it cannot be read).
bool looks_like_token_file(const std::filesystem::path& path);

// Writes a token file as tokens come; nothing is under the name before finish() has returned.
class TokenFileWriter {
 public:
  static Result<TokenFileWriter> create(FileSystem& files, const std::filesystem::path& path,
                                        uint32_t vocabulary_size, uint64_t tokenizer_fingerprint);

  // kInvalid for a token outside the vocabulary.
  Result<void> append(std::span<const Token> tokens);
  // Replaces a file of that name.
  Result<TokenFileInfo> finish(uint64_t documents, uint64_t text_bytes);

 private:
  TokenFileWriter(AtomicFile file, const TokenFileInfo& info)
      : file_(std::move(file)), info_(info) {}
  Result<void> flush_block();

  AtomicFile file_;
  TokenFileInfo info_;
  std::vector<std::byte> block_;  // at most kTokenBlockBytes
  std::vector<uint64_t> block_checksums_;
};

}  // namespace ballast
