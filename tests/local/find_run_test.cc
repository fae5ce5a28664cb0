// Runs are found by the name of their job, or by their folder.
#include "operator/local/find_run.h"

#include <cstdlib>
#include <fstream>
#include <optional>

#include <gmock/gmock.h>

#include "operator/local/run_folder.h"
#include "operator/local/store_file.h"
#include "tests/local/temporary_folder.h"

namespace ballast::local {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class FindRunTest : public ::testing::Test {
 protected:
  void SetUp() override { ::setenv("XDG_RUNTIME_DIR", temporary_.path().c_str(), 1); }
  void TearDown() override { ::unsetenv("XDG_RUNTIME_DIR"); }

  // A run that goes on as long as the store lives.
  StoreFile start(const std::string& job, uint64_t term, const fs::path& wanted = {}) {
    auto folder = RunFolder::create(wanted, 4);
    std::ofstream(folder->path() / "job.json") << "{\"name\": \"" << job << "\"}";
    auto store = StoreFile::open(folder->path());
    api::TrainingJobStatus status;
    status.term = term;
    EXPECT_TRUE(store->compare_and_swap(0, status));
    folder_ = folder->path();
    return std::move(*store);
  }

  TemporaryFolder temporary_;
  fs::path folder_;  // of the last run that was started
};

TEST_F(FindRunTest, FindsTheOneThatGoesOn) {
  { const StoreFile ended = start("tiny", 1); }
  const StoreFile running = start("tiny", 2);
  const StoreFile other = start("other", 3);
  const auto run = find_run("tiny");
  ASSERT_TRUE(run.has_value());
  EXPECT_TRUE(run->running);
  EXPECT_EQ(run->status.term, 2u);
}

TEST_F(FindRunTest, AnEndedOneIsFoundWithItsStatus) {
  { const StoreFile ended = start("tiny", 4); }
  EXPECT_FALSE(find_run("tiny")->running);
  EXPECT_EQ(find_run("tiny")->status.term, 4u);
}

TEST_F(FindRunTest, AFolderElsewhereIsFoundByNameAndPath) {
  const StoreFile running = start("tiny", 5, temporary_.path() / "elsewhere");
  EXPECT_EQ(find_run("tiny")->folder, fs::canonical(folder_));
  EXPECT_EQ(find_run(folder_.string())->status.term, 5u);
}

TEST_F(FindRunTest, SaysWhenItIsNotClearWhichOneIsMeant) {
  EXPECT_EQ(find_run("tiny").error().code, ErrorCode::kNotFound);
  EXPECT_EQ(find_run(temporary_.path().string()).error().code, ErrorCode::kNotFound);
  const StoreFile first = start("tiny", 1);
  const StoreFile second = start("tiny", 2);
  EXPECT_EQ(find_run("tiny").error().code, ErrorCode::kConflict);
  EXPECT_THAT(find_run("tiny").error().message, HasSubstr(folder_.string()));
}

}  // namespace
}  // namespace ballast::local
