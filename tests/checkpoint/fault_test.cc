// P4: a checkpoint exists only when it is complete. Whatever call fails while one is written or
// removed, wherever the process dies or the power is cut, and however full the disk is: the
// previous one can be restored, and the new one is either whole or not there.
#include <gtest/gtest.h>

#include "services/checkpoint/checkpoint.h"
#include "tests/checkpoint/sample.h"
#include "tests/storage/faulty_file_system.h"
#include "tests/storage/files.h"

namespace ballast {
namespace {

constexpr CheckpointId kFirst{10, 1, 0};
constexpr CheckpointId kSecond{20, 1, 0};

// With kOnce the process lives on and cleans up; with the others and after a power cut it cannot.
constexpr FaultMode kModes[] = {FaultMode::kOnce, FaultMode::kCrash, FaultMode::kCrashAfter};

class CheckpointFaultTest : public testing::Test {
 protected:
  CheckpointFaultTest() { EXPECT_TRUE(sample_.write(sound_, folder_ / "c", kFirst, 2)); }

  // Everything complete is whole, and what is restored is the newest complete one.
  void expect_restorable(bool second_may_exist) {
    const auto entries = list_checkpoints(folder_ / "c");
    ASSERT_TRUE(entries);
    CheckpointId newest{};
    for (const auto& entry : *entries) {
      if (!entry.complete) continue;
      EXPECT_TRUE(verify_checkpoint(entry.directory)) << entry.directory;
      newest = entry.id;
    }
    EXPECT_TRUE(newest == kFirst || (second_may_exist && newest == kSecond))
        << directory_name(newest);
    const auto restored = newest_whole_checkpoint(folder_ / "c");
    ASSERT_TRUE(restored);
    EXPECT_EQ(restored->id, newest);
    EXPECT_EQ(*read_parameters(restored->directory), sample_.arrays[0]);
  }

  int leftovers() {
    const auto directory = folder_ / "c" / directory_name(kSecond);
    return std::filesystem::exists(directory) ? count_files(directory, kTemporarySuffix) : 0;
  }

  TemporaryFolder folder_;
  FaultyFileSystem sound_;  // breaks nothing, and does not wait for the disk
  const Sample sample_;
};

TEST_F(CheckpointFaultTest, EveryCallWhileWriting) {
  FaultyFileSystem counting(folder_ / "attic");
  ASSERT_TRUE(sample_.write(counting, folder_ / "c", kSecond, 2));
  const uint64_t calls = counting.calls();
  ASSERT_GT(calls, 25u);
  for (const FaultMode mode : kModes) {
    for (uint64_t call = 0; call < calls; ++call) {
      for (const bool power_cut : {false, true}) {
        SCOPED_TRACE(testing::Message() << "call " << call << " mode " << static_cast<int>(mode)
                                        << " power cut " << power_cut);
        std::filesystem::remove_all(folder_ / "c" / directory_name(kSecond));
        FaultyFileSystem faulty(folder_ / "attic");
        faulty.fail_call(call, mode);
        ASSERT_FALSE(sample_.write(faulty, folder_ / "c", kSecond, 2));
        const bool cleans_up = mode == FaultMode::kOnce && !power_cut;
        EXPECT_TRUE(!cleans_up || leftovers() == 0);
        if (power_cut) faulty.cut_power();
        // Only the sync of the folder comes after the manifest has its name.
        expect_restorable(call + 2 >= calls);
      }
    }
  }
}

TEST_F(CheckpointFaultTest, PowerCutAfterSuccessLosesNothing) {
  FaultyFileSystem faulty(folder_ / "attic");
  const auto written = sample_.write(faulty, folder_ / "c", kSecond, 3);
  ASSERT_TRUE(written);
  faulty.cut_power();
  EXPECT_TRUE(verify_checkpoint(*written));
}

TEST_F(CheckpointFaultTest, AnotherAttemptSucceedsAfterAnyFailure) {
  FaultyFileSystem counting(folder_ / "attic");
  ASSERT_TRUE(sample_.write(counting, folder_ / "c", kSecond, 2));
  for (uint64_t call = 0; call < counting.calls(); ++call) {
    std::filesystem::remove_all(folder_ / "c" / directory_name(kSecond));
    FaultyFileSystem faulty(folder_ / "attic");
    faulty.fail_call(call, FaultMode::kCrash);
    ASSERT_FALSE(sample_.write(faulty, folder_ / "c", kSecond, 2));
    const CheckpointId next{kSecond.step, kSecond.term, kSecond.attempt + 1};
    const auto written = sample_.write(sound_, folder_ / "c", next, 2);
    ASSERT_TRUE(written) << written.error().message;
    EXPECT_TRUE(verify_checkpoint(*written));
    std::filesystem::remove_all(*written);
  }
}

TEST_F(CheckpointFaultTest, AFullDiskAnywhere) {
  uint64_t needed = 0;
  for (const auto& entry :
       std::filesystem::directory_iterator(folder_ / "c" / directory_name(kFirst))) {
    needed += entry.file_size();
  }
  for (uint64_t space = 0; space + 8 < needed; space += 37) {
    FaultyFileSystem faulty(folder_ / "attic");
    faulty.limit_space(space);
    const auto written = sample_.write(faulty, folder_ / "c", kSecond, 2);
    ASSERT_FALSE(written) << space;
    EXPECT_EQ(written.error().code, ErrorCode::kUnavailable);
    EXPECT_NE(written.error().message.find("No space left"), std::string::npos);
    EXPECT_EQ(leftovers(), 0);
    expect_restorable(false);
    ASSERT_TRUE(remove_checkpoint(sound_, folder_ / "c" / directory_name(kSecond)));
  }
}

TEST_F(CheckpointFaultTest, EveryCallWhileRemoving) {
  ASSERT_TRUE(sample_.write(sound_, folder_ / "c", kSecond, 2));
  const auto directory = folder_ / "c" / directory_name(kSecond);
  FaultyFileSystem counting(folder_ / "attic");
  ASSERT_TRUE(remove_checkpoint(counting, directory));
  ASSERT_EQ(counting.calls(), 5u);  // manifest, sync, two parts, the folder
  for (const FaultMode mode : kModes) {
    for (uint64_t call = 0; call < counting.calls(); ++call) {
      for (const bool power_cut : {false, true}) {
        SCOPED_TRACE(testing::Message() << "call " << call << " mode " << static_cast<int>(mode));
        std::filesystem::remove_all(directory);
        ASSERT_TRUE(sample_.write(sound_, folder_ / "c", kSecond, 2));
        FaultyFileSystem faulty(folder_ / "attic");
        faulty.fail_call(call, mode);
        EXPECT_FALSE(remove_checkpoint(faulty, directory));
        if (power_cut) faulty.cut_power();
        expect_restorable(true);
      }
    }
  }
}

// The order in which the writer works is what saves it: the test must see a writer that does not.
TEST_F(CheckpointFaultTest, AManifestBeforeItsPartsWouldBeSeen) {
  const auto directory = folder_ / "c" / directory_name(kSecond);
  ASSERT_TRUE(sample_.write(sound_, folder_ / "c", kSecond, 2));
  std::filesystem::resize_file(directory / part_file_name(1, 2), 100);
  EXPECT_FALSE(verify_checkpoint(directory));
  EXPECT_EQ(newest_whole_checkpoint(folder_ / "c")->id, kFirst);
}

}  // namespace
}  // namespace ballast
