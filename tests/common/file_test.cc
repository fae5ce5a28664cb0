#include "common/file.h"

#include <sys/resource.h>
#include <sys/stat.h>
#include <algorithm>
#include <csignal>
#include <fstream>

#include <gtest/gtest.h>

#include "tests/common/temporary_folder.h"

namespace ballast {
namespace {

class File : public testing::Test {
 protected:
  std::filesystem::path path(const char* name) const { return folder_.path() / name; }
  long entries() const {
    return std::distance(std::filesystem::directory_iterator(folder_.path()),
                         std::filesystem::directory_iterator());
  }

  TemporaryFolder folder_;
};

// Each write beyond `bytes` of a file fails with EFBIG for the length of a scope: a full disk that
// needs no mount.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) : signal_(std::signal(SIGXFSZ, SIG_IGN)) {
    getrlimit(RLIMIT_FSIZE, &before_);
    rlimit limit = before_;
    limit.rlim_cur = bytes;
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, signal_);
  }

 private:
  rlimit before_{};
  void (*signal_)(int);
};

TEST_F(File, ReadsBackWhatWasWritten) {
  const std::string content("a\0b\n", 4);
  ASSERT_TRUE(write_file_atomically(path("f"), content));
  EXPECT_EQ(read_file(path("f"), 4), content);
  ASSERT_TRUE(write_file_atomically(path("f"), ""));
  EXPECT_EQ(read_file(path("f"), 0), "");
  EXPECT_EQ(entries(), 1);
}

TEST_F(File, ModeIsWhatWasAskedForWhateverTheUmask) {
  const mode_t before = ::umask(0077);
  ASSERT_TRUE(write_file_atomically(path("open"), "x", 0644));
  ::umask(0);
  ASSERT_TRUE(write_file_atomically(path("secret"), "x", 0600));
  ::umask(before);
  struct stat info {};
  ASSERT_EQ(::stat(path("open").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777u, 0644u);
  ASSERT_EQ(::stat(path("secret").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777u, 0600u);
}

TEST_F(File, AFailedWriteLeavesTheOldContentAndNothingElse) {
  ASSERT_TRUE(write_file_atomically(path("f"), "old"));
  {
    const FileSizeLimit full_disk(100);
    const auto done = write_file_atomically(path("f"), std::string(1000, 'n'));
    ASSERT_FALSE(done);
    EXPECT_NE(done.error().message.find("f"), std::string::npos);
  }
  EXPECT_EQ(read_file(path("f"), 100), "old");
  EXPECT_EQ(entries(), 1);
}

TEST_F(File, AFailedRenameLeavesNothing) {
  std::filesystem::create_directory(path("taken"));
  std::ofstream(path("taken") / "inside") << "x";
  EXPECT_FALSE(write_file_atomically(path("taken"), "x"));
  EXPECT_EQ(entries(), 1);
}

TEST_F(File, MissingFolderIsNotFound) {
  const auto done = write_file_atomically(path("no") / "f", "x");
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, ErrorCode::kNotFound);
}

TEST_F(File, MissingFileIsNotFoundAndNamed) {
  const auto content = read_file(path("missing"), 100);
  ASSERT_FALSE(content);
  EXPECT_EQ(content.error().code, ErrorCode::kNotFound);
  EXPECT_NE(content.error().message.find(path("missing").string()), std::string::npos);
}

TEST_F(File, LimitIsInclusive) {
  ASSERT_TRUE(write_file_atomically(path("f"), std::string(50000, 'x')));
  EXPECT_TRUE(read_file(path("f"), 50000));
  const auto content = read_file(path("f"), 49999);
  ASSERT_FALSE(content);
  EXPECT_EQ(content.error().code, ErrorCode::kInvalid);
  EXPECT_NE(content.error().message.find("49999"), std::string::npos);
}

TEST_F(File, OnlyRegularFilesAreRead) {
  ASSERT_EQ(::mkfifo(path("fifo").c_str(), 0600), 0);
  EXPECT_FALSE(read_file(path("fifo"), 100));  // and does not wait for a writer
  EXPECT_FALSE(read_file(folder_.path(), 100));
  EXPECT_FALSE(read_file("/dev/zero", 100));
}

TEST_F(File, FilesOfTheKernelHaveNoSizeAndAreRead) {
  const auto content = read_file("/proc/self/status", 1 << 20);
  ASSERT_TRUE(content);
  EXPECT_NE(content->find("VmRSS"), std::string::npos);
}

}  // namespace
}  // namespace ballast
