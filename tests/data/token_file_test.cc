// Token files: what is written is read, and whatever is wrong with a file is found and named by its
// byte.
#include "services/data/token_file.h"

#include <algorithm>
#include <numeric>

#include <gtest/gtest.h>

#include "tests/storage/faulty_file_system.h"
#include "tests/storage/files.h"

namespace ballast {
namespace {

constexpr uint64_t kFingerprint = 0x1122334455667788;

Result<TokenFileInfo> write_tokens(FileSystem& files, const std::filesystem::path& path,
                                   uint32_t vocabulary, std::span<const Token> tokens) {
  auto writer = TokenFileWriter::create(files, path, vocabulary, kFingerprint);
  if (!writer) return tl::unexpected<Error>(writer.error());
  // In uneven pieces, so that blocks and pieces do not end together.
  for (size_t at = 0, piece = 1; at < tokens.size(); at += piece, piece = piece * 3 + 1) {
    auto done = writer->append(tokens.subspan(at, std::min(piece, tokens.size() - at)));
    if (!done) return tl::unexpected<Error>(done.error());
  }
  return writer->finish(3, 1000);
}

std::vector<Token> some_tokens(size_t count, uint32_t vocabulary) {
  std::vector<Token> tokens(count);
  uint64_t state = 1;
  for (auto& token : tokens) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    token = static_cast<Token>((state >> 32) % vocabulary);
  }
  if (count > 1) tokens.back() = vocabulary - 1;
  return tokens;
}

class TokenFileTest : public testing::Test {
 protected:
  std::filesystem::path write(uint32_t vocabulary, size_t count) {
    auto path = folder_ / "a.tokens";
    EXPECT_TRUE(write_tokens(files_, path, vocabulary, some_tokens(count, vocabulary)));
    return path;
  }
  // The message of opening these bytes as a file; empty when it opens.
  std::string open_bytes(const std::string& bytes,
                         TokenFile::Verify verify = TokenFile::Verify::kFull) {
    replace_text(folder_ / "b.tokens", bytes);
    const auto file = TokenFile::open(folder_ / "b.tokens", verify);
    if (file) return "";
    EXPECT_EQ(file.error().code, ErrorCode::kCorrupt);
    EXPECT_NE(file.error().message.find("b.tokens, byte "), std::string::npos)
        << file.error().message;
    return file.error().message;
  }

  TemporaryFolder folder_;
  RealFileSystem files_;
};

TEST_F(TokenFileTest, EveryWidthAndBlockBoundary) {
  struct Row {
    uint32_t vocabulary;
    uint32_t token_bytes;
    size_t count;
  };
  for (const Row& row : std::vector<Row>{{1, 1, 5},
                                         {256, 1, 0},
                                         {256, 1, 1},
                                         {256, 1, kTokenBlockBytes - 1},
                                         {256, 1, kTokenBlockBytes},
                                         {256, 1, kTokenBlockBytes + 1},
                                         {257, 2, 1001},
                                         {65536, 2, kTokenBlockBytes / 2 * 3},
                                         {65537, 4, 7},
                                         {UINT32_MAX, 4, kTokenBlockBytes / 4 + 1}}) {
    SCOPED_TRACE(testing::Message() << row.vocabulary << " " << row.count);
    const auto tokens = some_tokens(row.count, row.vocabulary);
    const auto written = write_tokens(files_, folder_ / "a", row.vocabulary, tokens);
    ASSERT_TRUE(written);
    const auto file = TokenFile::open(folder_ / "a");
    ASSERT_TRUE(file) << file.error().message;
    EXPECT_EQ(file->info(), *written);
    EXPECT_EQ(file->info().token_bytes, row.token_bytes);
    EXPECT_EQ(file->info().vocabulary_size, row.vocabulary);
    EXPECT_EQ(file->info().tokens, row.count);
    EXPECT_EQ(file->info().tokenizer_fingerprint, kFingerprint);
    EXPECT_EQ(file->info().documents, 3u);
    EXPECT_EQ(file->info().text_bytes, 1000u);
    EXPECT_EQ(file->token_bytes().size(), row.count * row.token_bytes);
    std::vector<Token> read(row.count);
    file->read(0, read);
    EXPECT_EQ(read, tokens);
    if (row.count > 4) {
      std::vector<Token> middle(row.count - 4);
      file->read(3, middle);
      EXPECT_TRUE(std::equal(middle.begin(), middle.end(), tokens.begin() + 3));
    }
  }
}

TEST_F(TokenFileTest, TheTokensAloneMakeTheContent) {
  const auto tokens = some_tokens(5000, 256);
  const auto one = write_tokens(files_, folder_ / "a", 256, tokens);
  auto writer = TokenFileWriter::create(files_, folder_ / "b", 256, 1);
  ASSERT_TRUE(writer && writer->append(tokens));
  const auto other = writer->finish(99, 7);
  ASSERT_TRUE(one && other);
  EXPECT_EQ(one->content, other->content);
  auto changed = tokens;
  changed[2500] ^= 1;
  EXPECT_NE(write_tokens(files_, folder_ / "c", 256, changed)->content, one->content);
}

TEST_F(TokenFileTest, RefusesATokenOutsideTheVocabulary) {
  auto writer = TokenFileWriter::create(files_, folder_ / "a", 100, 1);
  ASSERT_TRUE(writer);
  EXPECT_TRUE(writer->append(std::vector<Token>{99}));
  const auto done = writer->append(std::vector<Token>{100});
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().message, "token 100 in a vocabulary of 100");
}

TEST_F(TokenFileTest, NamesWhatIsWrong) {
  const std::string good = read_text(write(256, kTokenBlockBytes + 100));
  ASSERT_EQ(open_bytes(good), "");
  struct Row {
    size_t byte;
    const char* says;
  };
  for (const Row& row : std::vector<Row>{
           {0, "byte 0: not a token file"},
           {8, "byte 8: format version"},
           {16, "byte 120: damaged header"},
           {100, "byte 120: damaged header"},
           {127, "byte 120: damaged header"},
           {128, "byte 128: damaged: the 1048576 bytes from here"},
           {128 + kTokenBlockBytes - 1, "byte 128: damaged"},
           {128 + kTokenBlockBytes, "byte 1048704: damaged: the 100 bytes from here"},
           {128 + kTokenBlockBytes + 101, "byte 1048805: damaged: padding"},
           {good.size() - 1, "damaged: the table of checksums"},
       }) {
    std::string bad = good;
    bad[row.byte] = static_cast<char>(bad[row.byte] ^ 4);
    EXPECT_NE(open_bytes(bad).find(row.says), std::string::npos)
        << row.byte << ": " << open_bytes(bad);
  }
  EXPECT_NE(open_bytes(good + "x").find("too long"), std::string::npos);
  EXPECT_NE(open_bytes(good.substr(0, good.size() - 1)).find("truncated"), std::string::npos);
  EXPECT_NE(open_bytes("").find("byte 0: not a token file"), std::string::npos);
  EXPECT_NE(open_bytes("once upon a time").find("byte 0: not a token file"), std::string::npos);
}

TEST_F(TokenFileTest, HeaderAloneTrustsTheBlocks) {
  std::string bytes = read_text(write(256, 1000));
  bytes[500] ^= 1;
  EXPECT_EQ(open_bytes(bytes, TokenFile::Verify::kHeader), "");
  EXPECT_NE(open_bytes(bytes), "");
  bytes[20] ^= 1;
  EXPECT_NE(open_bytes(bytes, TokenFile::Verify::kHeader), "");
}

// A header that is whole but says impossible things, as another program might write it.
TEST_F(TokenFileTest, BelievesNoField) {
  const std::string good = read_text(write(300, 1000));
  struct Row {
    size_t byte;
    std::string value;
    const char* says;
  };
  const std::string huge(8, '\xff');
  for (const Row& row : std::vector<Row>{
           {12, std::string("\3\0\0\0", 4), "3 bytes a token"},
           {12, std::string("\0\0\0\0", 4), "0 bytes a token"},
           {16, huge, "more than the limit"},
           {16, std::string("\0\0\0\0\0\0\1\0", 8), "truncated"},
           {16, std::string("\1\0\0\0\0\0\0\0", 8), "too long"},
           {24, std::string("\0\0\0\0", 4), "a vocabulary of 0"},
           {24, std::string("\1\1\0\0", 4), "token "},  // 257: tokens of 300 are in there
           {28, std::string("\0\0\0\0", 4), "blocks of 0 bytes"},
       }) {
    std::string bad = good;
    bad.replace(row.byte, row.value.size(), row.value);
    const uint64_t checksum = xxh3_64(as_bytes(std::string_view(bad).substr(0, 120)));
    bad.replace(120, 8, reinterpret_cast<const char*>(&checksum), 8);
    EXPECT_NE(open_bytes(bad).find(row.says), std::string::npos)
        << row.says << ": " << open_bytes(bad);
  }
}

TEST_F(TokenFileTest, EveryLengthIsRefused) {
  const std::string good = read_text(write(256, 300));
  for (size_t bytes = 0; bytes < good.size(); ++bytes) {
    EXPECT_NE(open_bytes(good.substr(0, bytes)), "") << bytes;
  }
}

TEST_F(TokenFileTest, EveryBitIsChecked) {
  const std::string good = read_text(write(256, 300));
  for (size_t bit = 0; bit < good.size() * 8; ++bit) {
    std::string bad = good;
    bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_NE(open_bytes(bad), "") << bit;
  }
}

TEST_F(TokenFileTest, AFailureLeavesWhatWasThere) {
  const auto tokens = some_tokens(kTokenBlockBytes + 5, 256);
  uint64_t calls = 0;
  for (uint64_t call = 0; call <= calls; ++call) {
    std::filesystem::create_directories(folder_ / "f");
    write_text(folder_ / "f/a", "old");
    FaultyFileSystem faulty(folder_ / "attic");
    if (call > 0) faulty.fail_call(call - 1, FaultMode::kOnce);
    const auto written = write_tokens(faulty, folder_ / "f/a", 256, tokens);
    if (call == 0) {
      ASSERT_TRUE(written);
      calls = faulty.calls();
      continue;
    }
    EXPECT_FALSE(written);
    EXPECT_EQ(count_files(folder_ / "f", kTemporarySuffix), 0);
    // Only the last call, the sync of the folder, comes after the name.
    EXPECT_EQ(read_text(folder_ / "f/a") == "old", call < calls) << call;
  }
  EXPECT_GT(calls, 6u);
}

TEST_F(TokenFileTest, LooksLike) {
  EXPECT_TRUE(looks_like_token_file(write(256, 1)));
  write_text(folder_ / "short", "\x89");
  EXPECT_FALSE(looks_like_token_file(folder_ / "short"));
  EXPECT_FALSE(looks_like_token_file(folder_ / "none"));
  EXPECT_FALSE(looks_like_token_file(folder_.path()));
}

TEST_F(TokenFileTest, ReadingBeyondTheEndIsABug) {
  const auto file = TokenFile::open(write(256, 10));
  ASSERT_TRUE(file);
  std::vector<Token> window(5);
  EXPECT_DEATH(file->read(6, window), "CHECK failed");
  EXPECT_DEATH(file->read(UINT64_MAX, window), "CHECK failed");
}

}  // namespace
}  // namespace ballast
