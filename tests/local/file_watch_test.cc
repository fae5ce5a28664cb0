// Edits of a file are seen, however the editor writes it.
#include "operator/local/file_watch.h"

#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "tests/local/temporary_folder.h"

namespace ballast::local {
namespace {

namespace fs = std::filesystem;

class FileWatchTest : public ::testing::Test {
 protected:
  void SetUp() override { write(file_, "one"); }
  static void write(const fs::path& path, const std::string& text) { std::ofstream(path) << text; }

  TemporaryFolder temporary_;
  const fs::path file_ = temporary_.path() / "job.yaml";
};

TEST_F(FileWatchTest, SeesTheFileWrittenInPlace) {
  auto watch = FileWatch::open(file_, 1000);
  ASSERT_TRUE(watch.has_value());
  EXPECT_FALSE(watch->take());
  write(file_, "two");
  EXPECT_EQ(watch->take()->value(), "two");
  EXPECT_FALSE(watch->take());
}

TEST_F(FileWatchTest, SeesTheFileReplaced) {
  auto watch = FileWatch::open(file_, 1000);
  for (const char* text : {"two", "three"}) {
    write(temporary_.path() / "swap", text);
    fs::rename(temporary_.path() / "swap", file_);
    EXPECT_EQ(watch->take()->value(), text);
  }
}

TEST_F(FileWatchTest, OtherFilesAndTheSameContentAreNoNews) {
  auto watch = FileWatch::open(file_, 1000);
  write(temporary_.path() / "other.yaml", "two");
  EXPECT_FALSE(watch->take());
  write(file_, "one");
  EXPECT_FALSE(watch->take());
}

TEST_F(FileWatchTest, AFileThatCannotBeReadIsToldOnce) {
  auto watch = FileWatch::open(file_, 4);
  write(file_, "too much");
  EXPECT_FALSE(watch->take()->has_value());
  write(file_, "still too much");
  EXPECT_FALSE(watch->take());
  write(file_, "two");
  EXPECT_EQ(watch->take()->value(), "two");
}

TEST_F(FileWatchTest, AMissingFileIsAnError) {
  EXPECT_EQ(FileWatch::open(temporary_.path() / "none", 4).error().code, ErrorCode::kNotFound);
}

}  // namespace
}  // namespace ballast::local
