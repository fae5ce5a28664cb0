#include "services/data/token_file.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <fstream>
#include <utility>

#include <fmt/format.h>

#include "common/check.h"

namespace ballast {
namespace {

static_assert(std::endian::native == std::endian::little, "token files are little-endian");

constexpr std::array<char, 8> kMagic = {'\x89', 'B', 'T', 'O', 'K', '\r', '\n', '\x1a'};
constexpr uint64_t kMaxTokens = uint64_t{1} << 48;
constexpr uint64_t kHeaderChecksumAt = kTokenFileHeaderBytes - sizeof(uint64_t);

using HeaderBytes = std::array<std::byte, kTokenFileHeaderBytes>;

// Field by field at fixed places, see docs/formats.md.
struct Fields {
  static constexpr size_t kVersion = 8, kTokenBytes = 12, kTokens = 16, kVocabulary = 24,
                          kBlockBytes = 28, kFingerprint = 32, kDocuments = 40, kTextBytes = 48,
                          kContent = 56;
};

template <typename T>
T get(const std::byte* at) {
  T value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

template <typename T>
void put(HeaderBytes& header, size_t at, const T& value) {
  std::memcpy(header.data() + at, &value, sizeof value);
}

uint32_t token_bytes_for(uint32_t vocabulary_size) {
  if (vocabulary_size <= 1u << 8) return 1;
  return vocabulary_size <= 1u << 16 ? 2 : 4;
}

uint64_t block_count(const TokenFileInfo& info) {
  return (info.tokens * info.token_bytes + kTokenBlockBytes - 1) / kTokenBlockBytes;
}

// Where the blocks' checksums begin: after the tokens, at a multiple of 8.
uint64_t table_begin(const TokenFileInfo& info) {
  return (kTokenFileHeaderBytes + info.tokens * info.token_bytes + 7) / 8 * 8;
}

uint64_t file_bytes(const TokenFileInfo& info) {
  return table_begin(info) + block_count(info) * sizeof(uint64_t);
}

HeaderBytes encode_header(const TokenFileInfo& info) {
  HeaderBytes header{};
  put(header, 0, kMagic);
  put(header, Fields::kVersion, kTokenFileVersion);
  put(header, Fields::kTokenBytes, info.token_bytes);
  put(header, Fields::kTokens, info.tokens);
  put(header, Fields::kVocabulary, info.vocabulary_size);
  put(header, Fields::kBlockBytes, kTokenBlockBytes);
  put(header, Fields::kFingerprint, info.tokenizer_fingerprint);
  put(header, Fields::kDocuments, info.documents);
  put(header, Fields::kTextBytes, info.text_bytes);
  put(header, Fields::kContent, info.content);
  put(header, kHeaderChecksumAt, xxh3_64(Bytes(header).first(kHeaderChecksumAt)));
  return header;
}

class Opening {
 public:
  Opening(const std::filesystem::path& path, Bytes file) : path_(path), file_(file) {}

  Result<TokenFileInfo> header() const {
    if (file_.size() < kMagic.size() || std::memcmp(file_.data(), kMagic.data(), 8) != 0) {
      return corrupt(0, "not a token file: it does not begin as one");
    }
    if (file_.size() < kTokenFileHeaderBytes) {
      return corrupt(file_.size(),
                     fmt::format("truncated: the file ends within its header of {} bytes",
                                 kTokenFileHeaderBytes));
    }
    const auto version = get<uint32_t>(file_.data() + Fields::kVersion);
    if (version != kTokenFileVersion) {
      return corrupt(Fields::kVersion, fmt::format("format version {}, this program reads {}",
                                                   version, kTokenFileVersion));
    }
    const auto stored = get<uint64_t>(file_.data() + kHeaderChecksumAt);
    const auto computed = xxh3_64(file_.first(kHeaderChecksumAt));
    if (stored != computed) {
      return corrupt(
          kHeaderChecksumAt,
          fmt::format("damaged header: checksum {:016x}, stored {:016x}", computed, stored));
    }
    return fields();
  }

  Result<void> size(const TokenFileInfo& info) const {
    const uint64_t expected = file_bytes(info);
    if (file_.size() < expected) {
      return corrupt(file_.size(), fmt::format("truncated: {} bytes where {} tokens need {}",
                                               file_.size(), info.tokens, expected));
    }
    if (file_.size() > expected) {
      return corrupt(expected, fmt::format("too long: {} bytes where {} tokens need {}",
                                           file_.size(), info.tokens, expected));
    }
    return {};
  }

  // Padding and the blocks' checksums.
  Result<void> table(const TokenFileInfo& info) const {
    for (uint64_t at = kTokenFileHeaderBytes + info.tokens * info.token_bytes;
         at < table_begin(info); ++at) {
      if (file_[at] != std::byte{0}) return corrupt(at, "damaged: padding that is not zero");
    }
    if (xxh3_128(file_.subspan(table_begin(info))) != info.content) {
      return corrupt(table_begin(info), "damaged: the table of checksums has another checksum");
    }
    return {};
  }

  Result<void> blocks(const TokenFileInfo& info) const {
    const Bytes tokens = file_.subspan(kTokenFileHeaderBytes, info.tokens * info.token_bytes);
    for (uint64_t block = 0; block < block_count(info); ++block) {
      const uint64_t begin = block * kTokenBlockBytes;
      const Bytes bytes =
          tokens.subspan(begin, std::min<uint64_t>(kTokenBlockBytes, tokens.size() - begin));
      const auto stored = get<uint64_t>(file_.data() + table_begin(info) + block * 8);
      if (xxh3_64(bytes) != stored) {
        return corrupt(
            kTokenFileHeaderBytes + begin,
            fmt::format("damaged: the {} bytes from here have another checksum", bytes.size()));
      }
      if (auto done = vocabulary(info, begin, bytes); !done) return done;
    }
    return {};
  }

 private:
  Result<TokenFileInfo> fields() const {
    TokenFileInfo info;
    const std::byte* at = file_.data();
    info.token_bytes = get<uint32_t>(at + Fields::kTokenBytes);
    info.tokens = get<uint64_t>(at + Fields::kTokens);
    info.vocabulary_size = get<uint32_t>(at + Fields::kVocabulary);
    info.tokenizer_fingerprint = get<uint64_t>(at + Fields::kFingerprint);
    info.documents = get<uint64_t>(at + Fields::kDocuments);
    info.text_bytes = get<uint64_t>(at + Fields::kTextBytes);
    info.content = get<Checksum128>(at + Fields::kContent);
    if (info.vocabulary_size == 0) return corrupt(Fields::kVocabulary, "a vocabulary of 0 tokens");
    if (info.token_bytes != token_bytes_for(info.vocabulary_size)) {
      return corrupt(
          Fields::kTokenBytes,
          fmt::format("{} bytes a token where a vocabulary of {} needs {}", info.token_bytes,
                      info.vocabulary_size, token_bytes_for(info.vocabulary_size)));
    }
    if (info.tokens > kMaxTokens) {
      return corrupt(Fields::kTokens,
                     fmt::format("{} tokens, more than the limit of {}", info.tokens, kMaxTokens));
    }
    const auto block_bytes = get<uint32_t>(at + Fields::kBlockBytes);
    if (block_bytes != kTokenBlockBytes) {
      return corrupt(Fields::kBlockBytes,
                     fmt::format("blocks of {} bytes, expected {}", block_bytes, kTokenBlockBytes));
    }
    return info;
  }

  Result<void> vocabulary(const TokenFileInfo& info, uint64_t begin, Bytes bytes) const {
    if (info.vocabulary_size == uint64_t{1} << (8 * info.token_bytes)) return {};  // all values are
    for (uint64_t at = 0; at < bytes.size(); at += info.token_bytes) {
      Token token = 0;
      std::memcpy(&token, bytes.data() + at, info.token_bytes);
      if (token >= info.vocabulary_size) {
        return corrupt(kTokenFileHeaderBytes + begin + at,
                       fmt::format("token {} in a vocabulary of {}", token, info.vocabulary_size));
      }
    }
    return {};
  }

  tl::unexpected<Error> corrupt(uint64_t byte, std::string_view what) const {
    return fail(ErrorCode::kCorrupt,
                fmt::format("token file {}, byte {}: {}", path_.string(), byte, what));
  }

  const std::filesystem::path& path_;
  Bytes file_;
};

}  // namespace

Result<TokenFile> TokenFile::open(const std::filesystem::path& path, Verify verify) {
  auto file = MappedFile::open(path);
  if (!file) return tl::unexpected<Error>(std::move(file.error()));
  const Opening opening(path, file->bytes());
  const auto info = opening.header();
  if (!info) return tl::unexpected<Error>(info.error());
  auto done = opening.size(*info);
  if (done) done = opening.table(*info);
  if (done && verify == Verify::kFull) done = opening.blocks(*info);
  if (!done) return tl::unexpected<Error>(std::move(done.error()));
  const Bytes tokens =
      file->bytes().subspan(kTokenFileHeaderBytes, info->tokens * info->token_bytes);
  return TokenFile(std::move(*file), *info, tokens);
}

void TokenFile::read(uint64_t begin, std::span<Token> out) const {
  CHECK(begin <= info_.tokens && out.size() <= info_.tokens - begin);
  const std::byte* from = tokens_.data() + begin * info_.token_bytes;
  switch (info_.token_bytes) {
    case 1:
      for (size_t i = 0; i < out.size(); ++i) out[i] = std::to_integer<Token>(from[i]);
      break;
    case 2:
      for (size_t i = 0; i < out.size(); ++i) out[i] = get<uint16_t>(from + 2 * i);
      break;
    default:
      if (!out.empty()) std::memcpy(out.data(), from, out.size_bytes());
  }
}

bool looks_like_token_file(const std::filesystem::path& path) {
  std::array<char, 8> begin{};
  std::ifstream file(path, std::ios::binary);
  return file.read(begin.data(), begin.size()) && begin == kMagic;
}

Result<TokenFileWriter> TokenFileWriter::create(FileSystem& files,
                                                const std::filesystem::path& path,
                                                uint32_t vocabulary_size,
                                                uint64_t tokenizer_fingerprint) {
  CHECK(vocabulary_size > 0);
  auto file = AtomicFile::create(files, path);
  if (!file) return tl::unexpected<Error>(std::move(file.error()));
  // A place for the header, whose counts are known last.
  if (auto done = file->append(HeaderBytes{}); !done) {
    return tl::unexpected<Error>(std::move(done.error()));
  }
  TokenFileInfo info;
  info.token_bytes = token_bytes_for(vocabulary_size);
  info.vocabulary_size = vocabulary_size;
  info.tokenizer_fingerprint = tokenizer_fingerprint;
  return TokenFileWriter(std::move(*file), info);
}

Result<void> TokenFileWriter::append(std::span<const Token> tokens) {
  block_.reserve(kTokenBlockBytes);
  for (const Token token : tokens) {
    if (token >= info_.vocabulary_size) {
      return fail(ErrorCode::kInvalid,
                  fmt::format("token {} in a vocabulary of {}", token, info_.vocabulary_size));
    }
    const auto* bytes = reinterpret_cast<const std::byte*>(&token);
    block_.insert(block_.end(), bytes, bytes + info_.token_bytes);
    if (block_.size() == kTokenBlockBytes) {
      if (auto done = flush_block(); !done) return done;
    }
  }
  info_.tokens += tokens.size();
  return {};
}

Result<void> TokenFileWriter::flush_block() {
  block_checksums_.push_back(xxh3_64(block_));
  auto done = file_.append(block_);
  block_.clear();
  return done;
}

Result<TokenFileInfo> TokenFileWriter::finish(uint64_t documents, uint64_t text_bytes) {
  info_.documents = documents;
  info_.text_bytes = text_bytes;
  Result<void> done;
  if (!block_.empty()) done = flush_block();
  const Bytes table = std::as_bytes(std::span(block_checksums_));
  info_.content = xxh3_128(table);
  const std::array<std::byte, 8> zeros{};
  if (done) done = file_.append(Bytes(zeros).first(table_begin(info_) - file_.bytes()));
  if (done) done = file_.append(table);
  if (done) done = file_.overwrite(0, encode_header(info_));
  if (done) done = file_.commit(AtomicFile::IfExists::kReplace);
  if (!done) return tl::unexpected<Error>(std::move(done.error()));
  return info_;
}

}  // namespace ballast
