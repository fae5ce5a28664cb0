// Text is tokenized once, by one process, and nothing half-made is ever found under an entry's
// name.
#include "services/data/token_cache.h"

#include <algorithm>
#include <csignal>
#include <functional>
#include <string>
#include <thread>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/storage/faulty_file_system.h"
#include "tests/storage/files.h"

namespace ballast {
namespace {

// Takes whole pairs of bytes only, so that text is left over between chunks; calls out before each.
class PairTokenizer : public Tokenizer {
 public:
  std::function<void()> before_encode = [] {};

  std::string_view name() const override { return "pairs"; }
  uint32_t vocabulary_size() const override { return 65536; }
  uint64_t fingerprint() const override { return 42; }
  Token document_separator() const override { return 0; }
  Result<size_t> encode(std::string_view text, bool last,
                        std::vector<Token>& tokens) const override {
    before_encode();
    size_t at = 0;
    for (; at + 2 <= text.size(); at += 2)
      tokens.push_back(byte(text, at) * 256 + byte(text, at + 1));
    if (last && at < text.size()) tokens.push_back(byte(text, at++));
    return at;
  }
  std::string decode(std::span<const Token>) const override { return ""; }

 private:
  static Token byte(std::string_view text, size_t at) {
    return static_cast<unsigned char>(text[at]);
  }
};

class TokenCacheTest : public testing::Test {
 protected:
  TokenCacheTest() {
    std::filesystem::create_directory(folder_ / "text");
    write_text(folder_ / "text/a", "first");
    write_text(folder_ / "text/b", "second");
    options_.folder = folder_ / "cache/of/tokens";
  }

  Corpus corpus() {
    auto corpus = expand_corpus(std::vector<std::string>{(folder_ / "text").string()});
    EXPECT_TRUE(corpus);
    return *corpus;
  }
  Result<CachedTokens> open(FileSystem& files) {
    return open_cached_tokens(files, corpus(), *byte_, options_);
  }
  Result<CachedTokens> open() { return open(files_); }
  std::string text_of(const TokenFile& file) {
    std::vector<Token> tokens(file.info().tokens);
    file.read(0, tokens);
    return byte_->decode(tokens);
  }

  TemporaryFolder folder_;
  RealFileSystem files_;
  std::unique_ptr<Tokenizer> byte_ = *make_tokenizer("byte");
  TokenCacheOptions options_;
};

const std::string kBoth("first\0second", 12);

TEST_F(TokenCacheTest, MakesAnEntryOnce) {
  const auto made = open();
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_TRUE(made->tokenized);
  EXPECT_EQ(text_of(made->file), kBoth);
  EXPECT_EQ(made->file.info().documents, 2u);
  EXPECT_EQ(made->file.info().text_bytes, 11u);
  EXPECT_EQ(made->path, options_.folder / (token_cache_key(corpus(), *byte_) + ".tokens"));
  const auto found = open();
  ASSERT_TRUE(found);
  EXPECT_FALSE(found->tokenized);
  EXPECT_EQ(found->damaged, "");
  EXPECT_EQ(text_of(found->file), kBoth);
}

TEST_F(TokenCacheTest, TheKeyFollowsFilesAndTokenizer) {
  const PairTokenizer pairs;
  const Corpus before = corpus();
  const std::string key = token_cache_key(before, *byte_);
  EXPECT_EQ(key.size(), 32u);
  EXPECT_EQ(key, token_cache_key(corpus(), *byte_));
  EXPECT_NE(key, token_cache_key(before, pairs));
  Corpus other = before;
  other.files[0].bytes++;
  EXPECT_NE(key, token_cache_key(other, *byte_));
  other = before;
  other.files[0].modified_ns++;
  EXPECT_NE(key, token_cache_key(other, *byte_));
  other = before;
  other.files[1].path += "x";
  EXPECT_NE(key, token_cache_key(other, *byte_));
  other = before;
  other.files.pop_back();
  EXPECT_NE(key, token_cache_key(other, *byte_));
}

TEST_F(TokenCacheTest, ChangedTextIsTokenizedAgain) {
  ASSERT_TRUE(open());
  write_text(folder_ / "text/a", "changed");
  const auto again = open();
  ASSERT_TRUE(again);
  EXPECT_TRUE(again->tokenized);
  EXPECT_EQ(text_of(again->file), std::string("changed\0second", 14));
}

TEST_F(TokenCacheTest, TextBeyondAChunkAndTextLeftOver) {
  std::string text(5'000'001, 'x');
  for (size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>(i * 7 + i / 256);
  write_text(folder_ / "text/a", text);
  const auto bytes = open();
  ASSERT_TRUE(bytes);
  EXPECT_EQ(text_of(bytes->file), text + std::string("\0second", 7));
  const PairTokenizer pairs;
  const auto file = open_cached_tokens(files_, corpus(), pairs, options_);
  ASSERT_TRUE(file);
  std::vector<Token> expected = *pairs.encode_all(text);
  expected.push_back(0);
  const auto second = *pairs.encode_all("second");
  expected.insert(expected.end(), second.begin(), second.end());
  std::vector<Token> tokens(file->file.info().tokens);
  file->file.read(0, tokens);
  EXPECT_EQ(tokens, expected);
}

TEST_F(TokenCacheTest, ADamagedEntryIsMadeAgainAndSaysSo) {
  const auto path = open()->path;
  std::string bytes = read_text(path);
  bytes[130] ^= 1;
  for (const std::string& bad : {bytes, std::string(), bytes.substr(0, 140)}) {
    write_text(path, bad);
    const auto again = open();
    ASSERT_TRUE(again);
    EXPECT_TRUE(again->tokenized);
    EXPECT_NE(again->damaged.find(path.string()), std::string::npos) << again->damaged;
    EXPECT_EQ(text_of(again->file), kBoth);
  }
}

TEST_F(TokenCacheTest, TextThatChangesMeanwhileIsAnError) {
  PairTokenizer pairs;
  pairs.before_encode = [&] { write_text(folder_ / "text/b", "another length"); };
  const auto changed = open_cached_tokens(files_, corpus(), pairs, options_);
  ASSERT_FALSE(changed);
  EXPECT_EQ(changed.error().code, ErrorCode::kConflict);
  EXPECT_NE(changed.error().message.find("text/b changed"), std::string::npos);
  pairs.before_encode = [&] { write_text(folder_ / "text/a", "grows while it is being read"); };
  EXPECT_FALSE(open_cached_tokens(files_, corpus(), pairs, options_));
  const Corpus listed = corpus();
  std::filesystem::remove(folder_ / "text/b");
  const auto gone = open_cached_tokens(files_, listed, *byte_, options_);
  ASSERT_FALSE(gone);
  EXPECT_EQ(gone.error().code, ErrorCode::kNotFound);
  EXPECT_EQ(count_files(options_.folder, ".tokens"), 0);
  EXPECT_EQ(count_files(options_.folder, kTemporarySuffix), 0);
}

TEST_F(TokenCacheTest, EveryCallMayFail) {
  FaultyFileSystem counting(folder_ / "attic");
  ASSERT_TRUE(open(counting));
  const uint64_t calls = counting.calls();
  ASSERT_GE(calls, 8u);
  for (const auto mode : {FaultMode::kOnce, FaultMode::kCrash, FaultMode::kCrashAfter}) {
    for (uint64_t call = 0; call < calls; ++call) {
      for (const bool power_cut : {false, true}) {
        SCOPED_TRACE(testing::Message() << "call " << call << " mode " << static_cast<int>(mode));
        std::filesystem::remove_all(folder_ / "cache");
        FaultyFileSystem faulty(folder_ / "attic");
        faulty.fail_call(call, mode);
        EXPECT_FALSE(open(faulty));
        if (power_cut) faulty.cut_power();
        const auto after = open();
        ASSERT_TRUE(after) << after.error().message;
        EXPECT_EQ(text_of(after->file), kBoth);
        EXPECT_EQ(after->damaged, "");  // nothing half-made had the name
        EXPECT_TRUE(!after->tokenized || count_files(options_.folder, kTemporarySuffix) == 0);
      }
    }
  }
}

TEST_F(TokenCacheTest, AFullDiskIsNamed) {
  for (const uint64_t space : {0u, 1u, 128u, 140u, 150u}) {
    FaultyFileSystem faulty(folder_ / "attic");
    faulty.limit_space(space);
    const auto full = open(faulty);
    ASSERT_FALSE(full);
    EXPECT_NE(full.error().message.find("No space left"), std::string::npos);
    EXPECT_NE(full.error().message.find(options_.folder.string()), std::string::npos);
    EXPECT_EQ(count_files(options_.folder, ".tokens"), 0);
    EXPECT_EQ(count_files(options_.folder, kTemporarySuffix), 0);
  }
}

TEST_F(TokenCacheTest, AnUnwritableFolderIsNamed) {
  write_text(folder_ / "file", "");
  options_.folder = folder_ / "file/cache";
  const auto refused = open();
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("file"), std::string::npos);
  options_.folder = "/proc/ballast";  // not even root may
  const auto denied = open();
  ASSERT_FALSE(denied);
  EXPECT_NE(denied.error().message.find("/proc/ballast"), std::string::npos);
}

TEST_F(TokenCacheTest, WaitingForTheLockEnds) {
  const Corpus text = corpus();
  std::filesystem::create_directories(options_.folder);
  const auto lock = options_.folder / (token_cache_key(text, *byte_) + ".lock");
  const int fd = ::open(lock.c_str(), O_RDWR | O_CREAT, 0600);
  ASSERT_EQ(::flock(fd, LOCK_EX), 0);
  options_.wait_ms = 30;
  const auto late = open();
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, ErrorCode::kTimeout);
  EXPECT_NE(late.error().message.find(lock.string()), std::string::npos);

  std::stop_source source;
  options_.wait_ms = 3'600'000;
  options_.stop = source.get_token();
  std::jthread stopper([&] { source.request_stop(); });
  EXPECT_EQ(open().error().code, ErrorCode::kUnavailable);
  ::close(fd);
}

TEST_F(TokenCacheTest, StopEndsTheTokenizing) {
  std::stop_source source;
  PairTokenizer pairs;
  pairs.before_encode = [&] { source.request_stop(); };
  options_.stop = source.get_token();
  const auto stopped = open_cached_tokens(files_, corpus(), pairs, options_);
  ASSERT_FALSE(stopped);
  EXPECT_EQ(stopped.error().code, ErrorCode::kUnavailable);
  EXPECT_EQ(count_files(options_.folder, ".tokens"), 0);
}

int wait_for(pid_t child) {
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  return status;
}

TEST_F(TokenCacheTest, OneOfManyProcessesTokenizes) {
  int done[2];
  ASSERT_EQ(::pipe(done), 0);
  std::vector<pid_t> children;
  for (int i = 0; i < 6; ++i) {
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      const auto opened = open();
      const char mark = !opened                          ? 'x'
                        : text_of(opened->file) != kBoth ? 'w'
                        : opened->tokenized              ? 't'
                                                         : 'f';
      std::ignore = ::write(done[1], &mark, 1);
      ::_exit(0);
    }
    children.push_back(child);
  }
  for (const pid_t child : children) wait_for(child);
  std::string marks(6, ' ');
  ASSERT_EQ(::read(done[0], marks.data(), 6), 6);
  std::sort(marks.begin(), marks.end());
  EXPECT_EQ(marks, "ffffft");
  ::close(done[0]);
  ::close(done[1]);
}

// The holder of the lock is killed in the middle: the next one starts over and cleans up.
TEST_F(TokenCacheTest, AKilledHolderIsReplaced) {
  int begun[2];
  ASSERT_EQ(::pipe(begun), 0);
  PairTokenizer pairs;
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    pairs.before_encode = [&] {
      std::ignore = ::write(begun[1], "b", 1);
      for (;;) ::pause();
    };
    std::ignore = open_cached_tokens(files_, corpus(), pairs, options_);
    ::_exit(0);
  }
  char mark = 0;
  ASSERT_EQ(::read(begun[0], &mark, 1), 1);
  EXPECT_EQ(count_files(options_.folder, kTemporarySuffix), 1);
  options_.wait_ms = 10;
  EXPECT_EQ(open_cached_tokens(files_, corpus(), pairs, options_).error().code,
            ErrorCode::kTimeout);
  ASSERT_EQ(::kill(child, SIGKILL), 0);
  wait_for(child);
  options_.wait_ms = 60'000;
  const auto opened = open_cached_tokens(files_, corpus(), pairs, options_);
  ASSERT_TRUE(opened) << opened.error().message;
  EXPECT_TRUE(opened->tokenized);
  EXPECT_EQ(count_files(options_.folder, kTemporarySuffix), 0);
  ::close(begun[0]);
  ::close(begun[1]);
}

}  // namespace
}  // namespace ballast
