// One server's file: its entries, and that a file which is damaged or not of this checkpoint is
// refused.
#include "services/checkpoint/part.h"

#include <gtest/gtest.h>

#include "tests/checkpoint/sample.h"
#include "tests/storage/files.h"

namespace ballast {
namespace {

class PartTest : public testing::Test {
 protected:
  PartInfo write(const PartHeader& header, const std::string& file = "p.safetensors") {
    auto part = write_part(files_, folder_ / "d", file, header, sample_.states,
                           std::vector{sample_.segment(1), sample_.segment(3)});
    EXPECT_TRUE(part) << part.error().message;
    return *part;
  }
  std::string error_of(const Manifest& manifest, const PartInfo& part, bool verify = true) {
    const auto reader = open_part(folder_ / "d", manifest, part, verify);
    if (reader) return "";
    EXPECT_EQ(reader.error().code, ErrorCode::kCorrupt);
    EXPECT_NE(reader.error().message.find(folder_ / "d" / part.file), std::string::npos);
    return reader.error().message;
  }

  TemporaryFolder folder_;
  RealFileSystem files_;
  Sample sample_;
  CheckpointId id_{7, 2, 0};
};

TEST_F(PartTest, HoldsItsSegments) {
  const PartInfo part = write(sample_.header(id_));
  EXPECT_EQ(part.file, "p.safetensors");
  EXPECT_EQ(part.segments, (std::vector<SegmentId>{1, 3}));
  const std::string bytes = read_text(folder_ / "d/p.safetensors");
  EXPECT_EQ(part.bytes, bytes.size());
  EXPECT_EQ(part.checksum, to_hex(xxh3_128(as_bytes(bytes))));
  const auto reader = open_part(folder_ / "d", sample_.manifest(id_), part, true);
  ASSERT_TRUE(reader) << reader.error().message;
  EXPECT_EQ(reader->entries().size(), 6u);
  const auto moments = reader->floats("second_moment/3");
  ASSERT_TRUE(moments);
  ASSERT_EQ(moments->size(), sample_.segments.size(3));
  EXPECT_EQ((*moments)[0], sample_value(2, sample_.segments.begin(3)));
}

TEST_F(PartTest, IsNeverReplaced) {
  write(sample_.header(id_));
  const auto again = write_part(files_, folder_ / "d", "p.safetensors", sample_.header(id_),
                                sample_.states, std::vector{sample_.segment(0)});
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, ErrorCode::kAlreadyExists);
}

TEST_F(PartTest, AServerWithoutSegmentsWritesAnEmptyPart) {
  const auto part = write_part(files_, folder_ / "d", "p", sample_.header(id_), sample_.states, {});
  ASSERT_TRUE(part);
  EXPECT_EQ(error_of(sample_.manifest(id_), *part), "");
}

TEST_F(PartTest, RefusesWhatTheManifestDoesNotSay) {
  const PartInfo part = write(sample_.header(id_));
  const Manifest manifest = sample_.manifest(id_);
  ASSERT_EQ(error_of(manifest, part), "");

  PartInfo other = part;
  other.file = "none";
  EXPECT_NE(error_of(manifest, other).find("missing, but the manifest names it"),
            std::string::npos);
  other = part;
  other.bytes++;
  EXPECT_NE(error_of(manifest, other, false).find("the manifest says"), std::string::npos);
  other = part;
  other.checksum = std::string(32, '0');
  EXPECT_NE(error_of(manifest, other).find("damaged: checksum"), std::string::npos);
  EXPECT_EQ(error_of(manifest, other, false), "");
  other = part;
  other.segments = {1};
  EXPECT_NE(error_of(manifest, other).find("entries are not"), std::string::npos);
  Manifest fewer = manifest;
  fewer.states.pop_back();
  EXPECT_NE(error_of(fewer, part).find("entries are not"), std::string::npos);

  Manifest strange = manifest;
  strange.job_uid = "uid-2";
  EXPECT_NE(error_of(strange, part).find("another checkpoint: job_uid is uid-1, expected uid-2"),
            std::string::npos);
  strange = manifest;
  strange.id.step++;
  EXPECT_NE(error_of(strange, part).find("step is 7, expected 8"), std::string::npos);
  strange = manifest;
  strange.origin++;
  EXPECT_NE(error_of(strange, part).find("origin is 1, expected 2"), std::string::npos);
}

TEST_F(PartTest, EveryLengthAndEveryBitIsChecked) {
  const PartInfo part = write(sample_.header(id_));
  const Manifest manifest = sample_.manifest(id_);
  const auto path = folder_ / "d/p.safetensors";
  const std::string good = read_text(path);
  for (size_t bytes = 0; bytes < good.size(); ++bytes) {
    replace_text(path, good.substr(0, bytes));
    ASSERT_NE(error_of(manifest, part, false), "") << bytes;
  }
  for (size_t byte = 0; byte < good.size(); ++byte) {
    std::string bad = good;
    bad[byte] = static_cast<char>(bad[byte] ^ (1 << (byte % 8)));
    replace_text(path, bad);
    ASSERT_NE(error_of(manifest, part), "") << byte;
  }
}

TEST_F(PartTest, AppendingTheWrongThingIsABug) {
  const std::vector<SegmentId> held{0, 1};
  auto writer =
      PartWriter::create(files_, folder_ / "d", "p", sample_.header(id_), held, sample_.states);
  ASSERT_TRUE(writer);
  const auto segment = sample_.segment(0);
  EXPECT_DEATH(std::ignore = writer->append(std::span(segment.arrays).first(2)), "CHECK failed");
  EXPECT_DEATH(std::ignore = writer->finish(), "CHECK failed");
}

TEST_F(PartTest, RefusesSegmentsThatDoNotAscendOrExist) {
  for (const auto& held : std::vector<std::vector<SegmentId>>{{1, 0}, {1, 1}, {0, 4}}) {
    const auto writer =
        PartWriter::create(files_, folder_ / "d", "p", sample_.header(id_), held, sample_.states);
    ASSERT_FALSE(writer);
    EXPECT_EQ(writer.error().code, ErrorCode::kInvalid);
    EXPECT_NE(writer.error().message.find("segment"), std::string::npos);
  }
  EXPECT_FALSE(std::filesystem::exists(folder_ / "d"));
}

TEST(Part, FileName) { EXPECT_EQ(part_file_name(0, 2), "server-0-of-2.safetensors"); }

}  // namespace
}  // namespace ballast
