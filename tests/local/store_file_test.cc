// The store: one writer, versions one by one, and a damaged file is refused by name.
#include "operator/local/store_file.h"

#include <fstream>

#include <gmock/gmock.h>

#include "tests/local/temporary_folder.h"

namespace ballast::local {
namespace {

using ::testing::HasSubstr;

api::TrainingJobStatus some_status() {
  api::TrainingJobStatus status;
  status.term = 3;
  status.coordinator = "ps-1";
  status.coordinator_incarnation = 0xfedcba9876543210U;
  status.start = api::StartMode::kContinue;
  status.members = {{"ps-1", 0xfedcba9876543210U, "unix:/x", ""}};
  status.members_number = 2;
  status.origin = 1;
  status.restarts["worker-0"] = {1, 2, 1, 3, 400};
  status.conditions = {{api::ConditionType::kRunning, false, "Waiting", "waits for \xff", 5}};
  status.progress = {7, 2.5, "/c", 3, 9};
  return status;
}

TEST(StoreFile, KeepsWhatWasSwappedIn) {
  TemporaryFolder folder;
  {
    auto store = StoreFile::open(folder.path());
    ASSERT_TRUE(store) << store.error().message;
    EXPECT_EQ(store->status(), api::TrainingJobStatus{});
    ASSERT_TRUE(store->compare_and_swap(0, some_status()));
    EXPECT_EQ(store->status().version, 1U);
  }
  auto store = StoreFile::open(folder.path());
  ASSERT_TRUE(store) << store.error().message;
  api::TrainingJobStatus expected = some_status();
  expected.version = 1;
  expected.conditions[0].message = "waits for \xef\xbf\xbd";  // what is no text is replaced
  EXPECT_EQ(store->status(), expected);
}

TEST(StoreFile, RefusesAnotherVersion) {
  TemporaryFolder folder;
  auto store = StoreFile::open(folder.path());
  ASSERT_TRUE(store);
  ASSERT_TRUE(store->compare_and_swap(0, some_status()));
  auto late = store->compare_and_swap(0, api::TrainingJobStatus{});
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, ErrorCode::kConflict);
  EXPECT_EQ(store->status().term, 3U);
}

TEST(StoreFile, HasOneWriter) {
  TemporaryFolder folder;
  auto first = StoreFile::open(folder.path());
  ASSERT_TRUE(first);
  auto second = StoreFile::open(folder.path());
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::kConflict);
  EXPECT_THAT(second.error().message, HasSubstr("another process runs in"));
}

TEST(StoreFile, NamesADamagedFile) {
  TemporaryFolder folder;
  for (const char* text : {"", "{", "{}", "[]", R"({"version": "x"})"}) {
    std::ofstream(folder.path() / "status.json") << text;
    auto store = StoreFile::open(folder.path());
    ASSERT_FALSE(store) << text;
    EXPECT_EQ(store.error().code, ErrorCode::kCorrupt);
    EXPECT_THAT(store.error().message, HasSubstr("status.json"));
  }
}

}  // namespace
}  // namespace ballast::local
