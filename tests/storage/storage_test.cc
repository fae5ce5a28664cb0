// A file appears under its name whole or not at all, whatever call fails, whenever the process
// dies, and wherever the power is cut.
#include <csignal>
#include <cstring>
#include <functional>
#include <string>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "services/storage/atomic_file.h"
#include "services/storage/file_system.h"
#include "services/storage/mapped_file.h"
#include "tests/storage/faulty_file_system.h"
#include "tests/storage/files.h"

namespace ballast {
namespace {

constexpr std::string_view kOld = "the old content";
constexpr std::string_view kNew = "the new content, which is longer than the old content";

Result<void> write_new(FileSystem& files, const std::filesystem::path& path,
                       AtomicFile::IfExists if_exists) {
  auto file = AtomicFile::create(files, path);
  if (!file) return tl::unexpected<Error>(file.error());
  const Bytes content = as_bytes(kNew);
  if (auto done = file->append(content.first(20)); !done) return done;
  if (auto done = file->append(content.subspan(20)); !done) return done;
  if (auto done = file->overwrite(0, content.first(3)); !done) return done;
  return file->commit(if_exists);
}

TEST(AtomicFile, AppearsWholeAndKnowsItsChecksum) {
  const TemporaryFolder folder;
  RealFileSystem files;
  auto file = AtomicFile::create(files, folder / "a");
  ASSERT_TRUE(file);
  ASSERT_TRUE(file->append(as_bytes(kNew.substr(0, 7))));
  ASSERT_TRUE(file->append(as_bytes(kNew.substr(7))));
  EXPECT_EQ(file->bytes(), kNew.size());
  EXPECT_EQ(file->checksum(), xxh3_128(as_bytes(kNew)));
  EXPECT_FALSE(std::filesystem::exists(folder / "a"));
  ASSERT_TRUE(file->commit(AtomicFile::IfExists::kFail));
  EXPECT_EQ(read_text(folder / "a"), kNew);
  EXPECT_EQ(count_files(folder.path(), kTemporarySuffix), 0);
}

TEST(AtomicFile, GivenUpLeavesNothing) {
  const TemporaryFolder folder;
  RealFileSystem files;
  {
    auto file = AtomicFile::create(files, folder / "a");
    ASSERT_TRUE(file && file->append(as_bytes(kNew)));
    auto moved = std::move(*file);
    EXPECT_EQ(count_files(folder.path(), kTemporarySuffix), 1);
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

TEST(AtomicFile, ReplacesOnlyWhenAsked) {
  const TemporaryFolder folder;
  RealFileSystem files;
  write_text(folder / "a", kOld);
  auto refused = write_new(files, folder / "a", AtomicFile::IfExists::kFail);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kAlreadyExists);
  EXPECT_NE(refused.error().message.find(folder / "a"), std::string::npos);
  EXPECT_EQ(read_text(folder / "a"), kOld);
  ASSERT_TRUE(write_new(files, folder / "a", AtomicFile::IfExists::kReplace));
  EXPECT_EQ(read_text(folder / "a"), kNew);
  EXPECT_EQ(count_files(folder.path(), kTemporarySuffix), 0);
}

TEST(AtomicFile, EveryCallMayFail) {
  uint64_t calls = 0;
  {
    const TemporaryFolder folder;
    FaultyFileSystem files(folder / "attic");
    std::filesystem::create_directory(folder / "f");
    ASSERT_TRUE(write_new(files, folder / "f/a", AtomicFile::IfExists::kReplace));
    calls = files.calls();
  }
  ASSERT_EQ(calls, 7u);  // create, two appends, overwrite, sync, rename, sync of the folder
  for (const auto if_exists : {AtomicFile::IfExists::kReplace, AtomicFile::IfExists::kFail}) {
    const bool replace = if_exists == AtomicFile::IfExists::kReplace;
    for (const auto mode : {FaultMode::kOnce, FaultMode::kCrash, FaultMode::kCrashAfter}) {
      for (uint64_t call = 0; call < calls; ++call) {
        for (const bool power_cut : {false, true}) {
          SCOPED_TRACE(testing::Message() << "call " << call << " mode " << static_cast<int>(mode)
                                          << " power cut " << power_cut);
          const TemporaryFolder folder;
          const auto path = folder / "f/a";
          std::filesystem::create_directory(folder / "f");
          if (replace) write_text(path, kOld);
          FaultyFileSystem files(folder / "attic");
          files.fail_call(call, mode);
          EXPECT_FALSE(write_new(files, path, if_exists));
          if (power_cut) files.cut_power();
          if (std::filesystem::exists(path)) {
            const std::string content = read_text(path);
            EXPECT_TRUE(content == kNew || (replace && content == kOld)) << content;
          } else {
            EXPECT_FALSE(replace);
          }
          if (mode == FaultMode::kOnce && !power_cut) {
            EXPECT_EQ(count_files(folder / "f", kTemporarySuffix), 0);
          }
        }
      }
    }
  }
}

TEST(AtomicFile, CommittedSurvivesAPowerCut) {
  const TemporaryFolder folder;
  std::filesystem::create_directory(folder / "f");
  write_text(folder / "f/a", kOld);
  FaultyFileSystem files(folder / "attic");
  ASSERT_TRUE(write_new(files, folder / "f/a", AtomicFile::IfExists::kReplace));
  files.cut_power();
  EXPECT_EQ(read_text(folder / "f/a"), kNew);
}

// The test's own disk must be able to catch a writer that renames before it syncs.
TEST(FaultyFileSystem, TakesBackWhatWasNotSynced) {
  const TemporaryFolder folder;
  std::filesystem::create_directory(folder / "f");
  write_text(folder / "f/a", kOld);
  FaultyFileSystem files(folder / "attic");
  auto file = files.create(folder / "f/b");
  ASSERT_TRUE(file && (*file)->append(as_bytes(kNew)));
  ASSERT_TRUE(files.rename(folder / "f/b", folder / "f/a"));
  ASSERT_TRUE(files.sync_folder(folder / "f"));
  files.cut_power();
  EXPECT_EQ(read_text(folder / "f/a"), "");
}

TEST(FaultyFileSystem, TakesBackNamesOfAnUnsyncedFolder) {
  const TemporaryFolder folder;
  std::filesystem::create_directory(folder / "f");
  write_text(folder / "f/a", kOld);
  FaultyFileSystem files(folder / "attic");
  auto file = files.create(folder / "f/b");
  ASSERT_TRUE(file && (*file)->append(as_bytes(kNew)) && (*file)->sync());
  ASSERT_TRUE(files.rename(folder / "f/b", folder / "f/a"));
  files.cut_power();
  EXPECT_EQ(read_text(folder / "f/a"), kOld);
}

TEST(AtomicFile, FullDiskAtEveryByte) {
  for (uint64_t space = 0; space < kNew.size(); ++space) {
    const TemporaryFolder folder;
    std::filesystem::create_directory(folder / "f");
    write_text(folder / "f/a", kOld);
    FaultyFileSystem files(folder / "attic");
    files.limit_space(space);
    auto done = write_new(files, folder / "f/a", AtomicFile::IfExists::kReplace);
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().code, ErrorCode::kUnavailable);
    EXPECT_NE(done.error().message.find("No space left"), std::string::npos);
    EXPECT_EQ(read_text(folder / "f/a"), kOld);
    EXPECT_EQ(count_files(folder / "f", kTemporarySuffix), 0);
  }
}

// The kernel's own refusal in a real process: a limit on file sizes.
TEST(AtomicFile, FileSizeLimitOfTheProcess) {
  const TemporaryFolder folder;
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    ::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{30, 30};
    if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) ::_exit(3);
    RealFileSystem files;
    auto done = write_new(files, folder / "a", AtomicFile::IfExists::kReplace);
    ::_exit(done ? 1 : 0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

TEST(RealFileSystem, MakesFoldersWithTheirParents) {
  const TemporaryFolder folder;
  RealFileSystem files;
  EXPECT_TRUE(files.make_folders(folder / "x/y/z/"));
  EXPECT_TRUE(std::filesystem::is_directory(folder / "x/y/z"));
  EXPECT_TRUE(files.make_folders(folder / "x/y/z"));
  write_text(folder / "file", "");
  auto blocked = files.make_folders(folder / "file/sub");
  ASSERT_FALSE(blocked);
  EXPECT_NE(blocked.error().message.find("file"), std::string::npos);
}

TEST(RealFileSystem, NamesWhatFailed) {
  const TemporaryFolder folder;
  RealFileSystem files;
  write_text(folder / "taken", "");
  EXPECT_EQ(files.create(folder / "taken").error().code, ErrorCode::kAlreadyExists);
  EXPECT_EQ(files.create(folder / "no/such").error().code, ErrorCode::kNotFound);
  EXPECT_EQ(files.remove(folder / "none").error().code, ErrorCode::kNotFound);
  EXPECT_EQ(files.sync_folder(folder / "none").error().code, ErrorCode::kNotFound);
  EXPECT_EQ(files.rename(folder / "none", folder / "b").error().code, ErrorCode::kNotFound);
  EXPECT_EQ(files.rename_exclusive(folder / "none", folder / "b").error().code,
            ErrorCode::kNotFound);
  EXPECT_FALSE(files.remove_empty_folder(folder.path()));
}

TEST(MappedFile, ShowsTheBytes) {
  const TemporaryFolder folder;
  write_text(folder / "a", kOld);
  write_text(folder / "empty", "");
  auto file = MappedFile::open(folder / "a");
  ASSERT_TRUE(file);
  const MappedFile moved = std::move(*file);
  ASSERT_EQ(moved.bytes().size(), kOld.size());
  EXPECT_EQ(std::memcmp(moved.bytes().data(), kOld.data(), kOld.size()), 0);
  auto empty = MappedFile::open(folder / "empty");
  ASSERT_TRUE(empty);
  EXPECT_TRUE(empty->bytes().empty());
}

TEST(MappedFile, KeepsTheOldFileWhenTheNameIsReplaced) {
  const TemporaryFolder folder;
  RealFileSystem files;
  write_text(folder / "a", kOld);
  auto file = MappedFile::open(folder / "a");
  ASSERT_TRUE(file);
  ASSERT_TRUE(write_new(files, folder / "a", AtomicFile::IfExists::kReplace));
  ASSERT_EQ(file->bytes().size(), kOld.size());
  EXPECT_EQ(std::memcmp(file->bytes().data(), kOld.data(), kOld.size()), 0);
}

TEST(MappedFile, RefusesWhatIsNoRegularFile) {
  const TemporaryFolder folder;
  ASSERT_EQ(::mkfifo((folder / "fifo").c_str(), 0600), 0);
  EXPECT_EQ(MappedFile::open(folder / "none").error().code, ErrorCode::kNotFound);
  EXPECT_EQ(MappedFile::open(folder / "fifo").error().code, ErrorCode::kInvalid);
  EXPECT_EQ(MappedFile::open(folder.path()).error().code, ErrorCode::kInvalid);
}

}  // namespace
}  // namespace ballast
