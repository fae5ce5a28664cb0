// A token file from anybody, with checksums that are right, so that what lies behind them is
// reached: refused by the byte, or every token is one of the vocabulary.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "services/data/token_file.h"
#include "tests/fuzz/input_file.h"

namespace ballast {
namespace {

template <typename T>
T get(const std::vector<std::byte>& file, size_t at) {
  T value;
  std::memcpy(&value, file.data() + at, sizeof value);
  return value;
}

// docs/formats.md: the blocks' checksums at the end, their checksum at byte 56, the header's at
// 120.
void repair(std::vector<std::byte>& file) {
  constexpr size_t kTokens = 16;
  constexpr size_t kTokenBytes = 12;
  constexpr size_t kContent = 56;
  constexpr size_t kHeaderChecksum = kTokenFileHeaderBytes - sizeof(uint64_t);
  if (file.size() < kTokenFileHeaderBytes) return;
  const size_t room = file.size() - kTokenFileHeaderBytes;
  const auto tokens = get<uint64_t>(file, kTokens);
  const auto width = get<uint32_t>(file, kTokenBytes);
  if (tokens <= room && width <= 4 && tokens * width <= room) {
    const size_t bytes = tokens * width;
    const size_t blocks = (bytes + kTokenBlockBytes - 1) / kTokenBlockBytes;
    const size_t table = (kTokenFileHeaderBytes + bytes + 7) / 8 * 8;
    if (table + blocks * 8 <= file.size()) {
      for (size_t block = 0; block < blocks; ++block) {
        const size_t begin = block * kTokenBlockBytes;
        const uint64_t checksum = xxh3_64(Bytes(file).subspan(
            kTokenFileHeaderBytes + begin, std::min<size_t>(kTokenBlockBytes, bytes - begin)));
        std::memcpy(file.data() + table + block * 8, &checksum, sizeof checksum);
      }
      const Checksum128 content = xxh3_128(Bytes(file).subspan(table));
      std::memcpy(file.data() + kContent, content.data(), content.size());
    }
  }
  const uint64_t checksum = xxh3_64(Bytes(file).first(kHeaderChecksum));
  std::memcpy(file.data() + kHeaderChecksum, &checksum, sizeof checksum);
}

}  // namespace
}  // namespace ballast

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ballast;
  const auto input = std::as_bytes(std::span(data, size));
  std::vector<std::byte> bytes(input.begin(), input.end());
  repair(bytes);
  const InputFile file(bytes);
  const auto opened = TokenFile::open(file.path());
  if (!opened) {
    CHECK(opened.error().code == ErrorCode::kCorrupt);
    return 0;
  }
  std::vector<Token> tokens(opened->info().tokens);
  opened->read(0, tokens);
  for (const Token token : tokens) CHECK(token < opened->info().vocabulary_size);
  return 0;
}
