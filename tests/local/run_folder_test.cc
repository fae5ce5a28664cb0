// Run folders: private, never shared, short enough for sockets.
#include "operator/local/run_folder.h"

#include <sys/stat.h>

#include <fstream>

#include <gmock/gmock.h>

#include "tests/local/temporary_folder.h"

namespace ballast::local {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

unsigned mode_of(const fs::path& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 ? info.st_mode & 0777U : 0;
}

class RunFolderTest : public ::testing::Test {
 protected:
  void SetUp() override { ::setenv("XDG_RUNTIME_DIR", temporary_.path().c_str(), 1); }
  void TearDown() override { ::unsetenv("XDG_RUNTIME_DIR"); }
  TemporaryFolder temporary_;
};

TEST_F(RunFolderTest, IsPrivateAndNeverShared) {
  auto first = RunFolder::create("", 4);
  auto second = RunFolder::create("", 4);
  ASSERT_TRUE(first && second) << first.error().message;
  EXPECT_NE(first->path(), second->path());
  EXPECT_EQ(first->path().parent_path(), temporary_.path() / "ballast");
  for (const fs::path& path :
       {first->path(), first->logs(), first->ready(), first->tls(), first->path().parent_path()}) {
    EXPECT_EQ(mode_of(path), 0700U) << path;
  }
  first->remove();
  EXPECT_FALSE(fs::exists(first->path()));
  EXPECT_TRUE(fs::exists(second->path()));
}

TEST_F(RunFolderTest, TakesAWantedFolderThatIsNewOrEmpty) {
  const fs::path wanted = temporary_.path() / "a" / "b";
  auto made = RunFolder::create(wanted, 4);
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_EQ(made->path(), wanted);
  auto again = RunFolder::create(wanted, 4);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, ErrorCode::kAlreadyExists);
  EXPECT_THAT(again.error().message, HasSubstr("is not empty"));
}

TEST_F(RunFolderTest, RefusesWhatCannotBeAFolder) {
  std::ofstream(temporary_.path() / "file") << "x";
  EXPECT_FALSE(RunFolder::create(temporary_.path() / "file", 4));
  EXPECT_FALSE(RunFolder::create(temporary_.path() / "file" / "below", 4));
  fs::create_symlink(temporary_.path(), temporary_.path() / "link");
  EXPECT_FALSE(RunFolder::create(temporary_.path() / "link", 4));
}

TEST_F(RunFolderTest, SaysWhenASocketPathWouldBeTooLong) {
  const fs::path wanted = temporary_.path() / std::string(100, 'x');
  auto folder = RunFolder::create(wanted, 4);
  ASSERT_FALSE(folder);
  EXPECT_THAT(folder.error().message, HasSubstr("at most 107"));
  EXPECT_FALSE(fs::exists(wanted));
}

}  // namespace
}  // namespace ballast::local
