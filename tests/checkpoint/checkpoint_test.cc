// Whole checkpoints: listed, restored on any number of servers, verified, hashed, removed.
#include "services/checkpoint/checkpoint.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <optional>

#include "tests/checkpoint/sample.h"
#include "tests/storage/files.h"

namespace ballast {
namespace {

class CheckpointTest : public testing::Test {
 protected:
  std::filesystem::path write(const CheckpointId& id, uint32_t servers = 2) {
    auto directory = sample_.write(files_, folder_ / "c", id, servers);
    EXPECT_TRUE(directory) << directory.error().message;
    return *directory;
  }
  void flip(const std::filesystem::path& path, size_t byte) {
    std::string bytes = read_text(path);
    bytes.at(byte) = static_cast<char>(bytes.at(byte) ^ 1);
    write_text(path, bytes);
  }

  TemporaryFolder folder_;
  RealFileSystem files_;
  Sample sample_;
};

TEST_F(CheckpointTest, AnyNumberOfServersWritesTheSame) {
  Sha256 expected;
  expected.update(std::as_bytes(std::span(sample_.arrays[0])));
  uint32_t attempt = 0;
  for (const uint32_t servers : {1u, 2u, 3u, 5u, 9u}) {  // of 4 segments: some servers have none
    const auto directory = write({10, 1, attempt++}, servers);
    EXPECT_TRUE(verify_checkpoint(directory));
    const auto parameters = read_parameters(directory);
    ASSERT_TRUE(parameters) << parameters.error().message;
    EXPECT_EQ(*parameters, sample_.arrays[0]);
    EXPECT_EQ(*parameters_sha256(directory), to_hex(expected.digest()));
    const auto checkpoint = Checkpoint::open(directory);
    ASSERT_TRUE(checkpoint);
    for (SegmentId id = 0; id < sample_.segments.count(); ++id) {
      const auto arrays = sample_.segment(id).arrays;
      EXPECT_TRUE(std::ranges::equal(*checkpoint->array(id, kParametersState), arrays[0]));
      EXPECT_TRUE(std::ranges::equal(*checkpoint->array(id, "first_moment"), arrays[1]));
      EXPECT_TRUE(std::ranges::equal(*checkpoint->array(id, "second_moment"), arrays[2]));
    }
    EXPECT_EQ(checkpoint->array(4, kParametersState).error().code, ErrorCode::kNotFound);
    EXPECT_EQ(checkpoint->array(0, "momentum").error().code, ErrorCode::kNotFound);
  }
}

TEST_F(CheckpointTest, TheHashDoesNotDependOnTheCut) {
  const Sample coarse(1u << 20, {});
  const auto other = coarse.write(files_, folder_ / "d", {10, 1, 0}, 1);
  ASSERT_TRUE(other);
  EXPECT_EQ(*parameters_sha256(*other), *parameters_sha256(write({10, 1, 0})));
}

TEST_F(CheckpointTest, OpensOnlyThePartsThatAreWanted) {
  const auto directory = write({10, 1, 0}, 2);  // server 0: segments 0 and 2, server 1: 1 and 3
  flip(directory / "server-1-of-2.safetensors", 1500);
  EXPECT_EQ(Checkpoint::open(directory).error().code, ErrorCode::kCorrupt);
  const auto part = Checkpoint::open(directory, true, std::vector<SegmentId>{2});
  ASSERT_TRUE(part) << part.error().message;
  EXPECT_TRUE(part->array(0, kParametersState));
  EXPECT_EQ(part->array(1, kParametersState).error().code, ErrorCode::kNotFound);
  EXPECT_FALSE(Checkpoint::open(directory, true, std::vector<SegmentId>{0, 1}));
  EXPECT_TRUE(Checkpoint::open(directory, true, std::vector<SegmentId>{}));
  EXPECT_EQ(Checkpoint::open(directory, true, std::vector<SegmentId>{4}).error().code,
            ErrorCode::kNotFound);
}

TEST_F(CheckpointTest, ListsInOrder) {
  EXPECT_TRUE(list_checkpoints(folder_ / "none")->empty());
  write({100, 1, 0});
  write({20, 1, 0});
  write({100, 1, 1});
  write({100, 2, 0});
  std::filesystem::create_directories(folder_ / "c/step-900-term-1-attempt-0");  // no manifest
  std::filesystem::create_directories(folder_ / "c/other");
  write_text(folder_ / "c/step-901-term-1-attempt-0", "a file");
  const auto found = list_checkpoints(folder_ / "c");
  ASSERT_TRUE(found);
  std::vector<std::string> names;
  for (const auto& entry : *found) {
    EXPECT_EQ(entry.directory, folder_ / "c" / directory_name(entry.id));
    names.push_back(directory_name(entry.id) + (entry.complete ? "" : " incomplete"));
  }
  EXPECT_EQ(names,
            (std::vector<std::string>{"step-20-term-1-attempt-0", "step-100-term-1-attempt-0",
                                      "step-100-term-1-attempt-1", "step-100-term-2-attempt-0",
                                      "step-900-term-1-attempt-0 incomplete"}));
  EXPECT_EQ(newest_whole_checkpoint(folder_ / "c")->id, (CheckpointId{100, 2, 0}));
}

// One that seems incomplete is deleted.
TEST_F(CheckpointTest, WhatCannotBeLookedAtIsAnErrorAndNotIncomplete) {
  write({1, 1, 0});
  const auto directory = folder_ / "c/step-2-term-1-attempt-0";
  std::filesystem::create_directories(directory);
  std::filesystem::create_symlink(kManifestName, directory / kManifestName);  // to itself
  const auto found = list_checkpoints(folder_ / "c");
  ASSERT_FALSE(found);
  EXPECT_NE(found.error().message.find(directory.string()), std::string::npos);
}

TEST_F(CheckpointTest, DamagedOnesArePassedOver) {
  EXPECT_EQ(newest_whole_checkpoint(folder_ / "c").error().code, ErrorCode::kNotFound);
  write({1, 1, 0});
  flip(write({2, 1, 0}) / "server-0-of-2.safetensors", 1500);
  flip(write({3, 1, 0}) / kManifestName, 300);
  std::filesystem::remove(write({4, 1, 0}) / "server-1-of-2.safetensors");
  std::vector<DamagedCheckpoint> passed_over;
  const auto newest = newest_whole_checkpoint(folder_ / "c", &passed_over);
  ASSERT_TRUE(newest);
  EXPECT_EQ(newest->id, (CheckpointId{1, 1, 0}));
  ASSERT_EQ(passed_over.size(), 3u);
  EXPECT_NE(passed_over[0].error.find("missing"), std::string::npos) << passed_over[0].error;
  EXPECT_NE(passed_over[1].error.find("damaged"), std::string::npos) << passed_over[1].error;
  EXPECT_NE(passed_over[2].error.find("damaged"), std::string::npos) << passed_over[2].error;
}

TEST_F(CheckpointTest, ReadingEndsWhereItIsToldToStopAndCallsNothingDamaged) {
  const auto directory = write({1, 1, 0});
  std::stop_source stop;
  EXPECT_TRUE(verify_checkpoint(directory, stop.get_token()));
  stop.request_stop();
  EXPECT_EQ(verify_checkpoint(directory, stop.get_token()).error().code, ErrorCode::kUnavailable);
  std::vector<DamagedCheckpoint> passed_over;
  const auto newest = newest_whole_checkpoint(folder_ / "c", &passed_over, stop.get_token());
  ASSERT_FALSE(newest);
  EXPECT_EQ(newest.error().code, ErrorCode::kUnavailable);
  EXPECT_TRUE(passed_over.empty());
}

// As long as it lives this process can open nothing.
class NoDescriptors {
 public:
  NoDescriptors() {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    const rlimit none{0, before_.rlim_max};
    ::setrlimit(RLIMIT_NOFILE, &none);
  }
  ~NoDescriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }
  NoDescriptors(const NoDescriptors&) = delete;
  NoDescriptors& operator=(const NoDescriptors&) = delete;

 private:
  rlimit before_{};
};

TEST_F(CheckpointTest, WhatCannotBeReadIsNotDamagedAndIsReadAgain) {
  const auto directory = write({1, 1, 0});
  std::optional<NoDescriptors> none(std::in_place);
  std::vector<int> attempts;
  const auto gives_up = verify_patiently(directory, [&](int attempt) {
    attempts.push_back(attempt);
    return attempt < 3;
  });
  ASSERT_FALSE(gives_up);
  EXPECT_EQ(gives_up.error().code, ErrorCode::kUnavailable);
  EXPECT_FALSE(is_damage(gives_up.error()));
  EXPECT_EQ(attempts, (std::vector{1, 2, 3}));
  EXPECT_TRUE(verify_patiently(directory, [&](int) {
    none.reset();
    return true;
  }));
  flip(directory / "server-0-of-2.safetensors", 1500);
  const auto damaged = verify_patiently(directory, [](int) {
    ADD_FAILURE() << "damage does not pass";
    return false;
  });
  ASSERT_FALSE(damaged);
  EXPECT_TRUE(is_damage(damaged.error()));
}

TEST_F(CheckpointTest, NobodyGoesOnFromAnOlderOneBecauseTheNewestCannotBeRead) {
  write({1, 1, 0});
  const auto manifest = write({2, 1, 0}) / kManifestName;
  const auto aside = folder_ / "aside";
  std::filesystem::rename(manifest, aside);
  std::filesystem::create_symlink("/proc/self/mem", manifest);  // its first byte: EIO
  std::vector<DamagedCheckpoint> passed_over;
  int attempts = 0;
  const auto found = newest_whole_checkpoint(folder_ / "c", &passed_over, {}, [&](int) {
    ++attempts;
    std::filesystem::rename(aside, manifest);
    return true;
  });
  ASSERT_TRUE(found) << found.error().message;
  EXPECT_EQ(found->id, (CheckpointId{2, 1, 0}));
  EXPECT_EQ(attempts, 1);
  EXPECT_TRUE(passed_over.empty());
}

TEST_F(CheckpointTest, PartsOfAnotherCheckpointAreRefused) {
  const auto first = write({1, 1, 0});
  const auto second = write({2, 1, 0});
  const auto options = std::filesystem::copy_options::overwrite_existing;
  std::filesystem::copy_file(first / "server-0-of-2.safetensors",
                             second / "server-0-of-2.safetensors", options);
  EXPECT_NE(verify_checkpoint(second).error().message.find("damaged"), std::string::npos);
  EXPECT_NE(Checkpoint::open(second, false).error().message.find("step is 1, expected 2"),
            std::string::npos);
}

TEST_F(CheckpointTest, Removes) {
  const auto directory = write({1, 1, 0});
  write_text(directory / "left.partial", "");
  ASSERT_TRUE(remove_checkpoint(files_, directory));
  EXPECT_FALSE(std::filesystem::exists(directory));
  EXPECT_EQ(remove_checkpoint(files_, directory).error().code, ErrorCode::kNotFound);
  const auto other = write({2, 1, 0});
  std::filesystem::create_directory(other / "folder");
  EXPECT_EQ(remove_checkpoint(files_, other).error().code, ErrorCode::kInvalid);
  EXPECT_TRUE(verify_checkpoint(other));
  EXPECT_EQ(remove_checkpoint(files_, folder_ / "c").error().code, ErrorCode::kInvalid);
  // Without a manifest too: what an abandoned attempt left.
  std::filesystem::remove(other / "folder");
  std::filesystem::remove(other / kManifestName);
  EXPECT_TRUE(remove_checkpoint(files_, other));
}

}  // namespace
}  // namespace ballast
