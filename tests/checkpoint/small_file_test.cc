// The vocabulary beside a checkpoint: written whole, held against the manifest, never believed.
#include "services/checkpoint/small_file.h"

#include <gmock/gmock.h>

#include "services/checkpoint/checkpoint.h"
#include "tests/checkpoint/sample.h"
#include "tests/storage/files.h"

namespace ballast {
namespace {

using ::testing::HasSubstr;

class SmallFile : public testing::Test {
 protected:
  // A checkpoint with a vocabulary.
  std::filesystem::path write() {
    std::filesystem::path directory = folder_.path() / directory_name(id_);
    Manifest manifest = sample_.manifest(id_);
    auto part = write_part(files_, directory, part_file_name(0, 1), sample_.header(id_),
                           sample_.states, sample_.deal(1)[0]);
    EXPECT_TRUE(part);
    manifest.parts = {*part};
    auto file = write_small_file(files_, directory, "characters.json", "[0,65,66]");
    EXPECT_TRUE(file);
    manifest.tokenizer_files = {*file};
    EXPECT_TRUE(write_manifest(files_, directory, manifest));
    return directory;
  }
  TemporaryFolder folder_;
  RealFileSystem files_;
  Sample sample_;
  CheckpointId id_{.step = 7, .term = 1, .attempt = 0};
};

TEST_F(SmallFile, IsPartOfTheCheckpoint) {
  const auto directory = write();
  const auto checkpoint = Checkpoint::open(directory);
  ASSERT_TRUE(checkpoint) << checkpoint.error().message;
  ASSERT_EQ(checkpoint->manifest().tokenizer_files.size(), 1u);
  EXPECT_EQ(checkpoint->manifest().tokenizer_files[0].bytes, 9u);
  EXPECT_TRUE(write_small_file(files_, directory, "characters.json", "[0,65,66]"));
  EXPECT_TRUE(remove_checkpoint(files_, directory));
  EXPECT_FALSE(std::filesystem::exists(directory));
}

TEST_F(SmallFile, AnyDamageMakesTheCheckpointCorrupt) {
  const auto directory = write();
  for (const char* content : {"", "[0,65,67]", "[0,65,66] ", "[0,65,66"}) {
    replace_text(directory / "characters.json", content);
    const auto opened = Checkpoint::open(directory);
    ASSERT_FALSE(opened) << content;
    EXPECT_EQ(opened.error().code, ErrorCode::kCorrupt);
    EXPECT_THAT(opened.error().message, HasSubstr("characters.json"));
  }
  std::filesystem::remove(directory / "characters.json");
  EXPECT_THAT(Checkpoint::open(directory).error().message,
              HasSubstr("missing, but the manifest names it"));
}

}  // namespace
}  // namespace ballast
