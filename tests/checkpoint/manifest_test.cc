// The manifest: what goes in comes out, any changed bit is found, and each wrong field is named.
#include "services/checkpoint/manifest.h"

#include <functional>

#include <gtest/gtest.h>

#include "services/checkpoint/manifest_json.h"
#include "tests/checkpoint/sample.h"
#include "tests/storage/files.h"

namespace ballast {
namespace {

Manifest sample_manifest() {
  const Sample sample;  // 4 segments
  Manifest manifest = sample.manifest({500, 2, 1});
  manifest.tokenizer_files = {{"vocab.json", 12, std::string(32, 'b')}};
  manifest.parts = {{"server-0-of-2.safetensors", 1000, std::string(32, 'a'), {0, 1, 3}},
                    {"server-1-of-2.safetensors", 500, std::string(32, '0'), {2}}};
  return manifest;
}

TEST(DirectoryName, ThereAndBack) {
  for (const CheckpointId& id :
       std::vector<CheckpointId>{{0, 0, 0}, {500, 2, 1}, {UINT64_MAX, UINT64_MAX, UINT32_MAX}}) {
    const auto parsed = parse_directory_name(directory_name(id));
    ASSERT_TRUE(parsed);
    EXPECT_EQ(*parsed, id);
  }
  EXPECT_EQ(directory_name({500, 2, 1}), "step-500-term-2-attempt-1");
}

TEST(DirectoryName, NothingElse) {
  for (const auto* name :
       {"", "step-", "step-1", "step-1-term-2", "step-1-term-2-attempt-",
        "step--1-term-2-attempt-3", "step-01-term-2-attempt-3", "step-1-term-2-attempt-3x",
        "xstep-1-term-2-attempt-3", "step-1-term-2-attempt-4294967296",
        "step-18446744073709551616-term-2-attempt-3", "step-+1-term-2-attempt-3",
        "step- 1-term-2-attempt-3", "step-1-term-2-attempt-3.partial"}) {
    EXPECT_FALSE(parse_directory_name(name)) << name;
  }
}

TEST(Manifest, ThereAndBack) {
  const TemporaryFolder folder;
  RealFileSystem files;
  Manifest manifest = sample_manifest();
  manifest.seed = UINT64_MAX;
  manifest.job_name = "name with \"quotes\", \n and \xc3\xa4";
  ASSERT_TRUE(write_manifest(files, folder.path(), manifest));
  const auto read = read_manifest(folder.path());
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(*read, manifest);
}

TEST(Manifest, IsReadable) {
  const auto text = encode_manifest(sample_manifest());
  ASSERT_TRUE(text);
  const auto lines = text->substr(text->find("\"step\""));
  EXPECT_EQ(lines.substr(0, lines.find("\"seed\"")),
            "\"step\": 500,\n\"term\": 2,\n\"attempt\": 1,\n\"origin\": 1,\n");
  EXPECT_NE(text->find(R"("segments":[[0,2],[3,4]]})"), std::string::npos) << *text;
}

TEST(Manifest, IsWrittenOnce) {
  const TemporaryFolder folder;
  RealFileSystem files;
  ASSERT_TRUE(write_manifest(files, folder.path(), sample_manifest()));
  Manifest other = sample_manifest();
  other.seed++;
  EXPECT_EQ(write_manifest(files, folder.path(), other).error().code, ErrorCode::kAlreadyExists);
  EXPECT_EQ(*read_manifest(folder.path()), sample_manifest());
  EXPECT_EQ(count_files(folder.path(), kTemporarySuffix), 0);
}

TEST(Manifest, EveryBitAndEveryLengthIsChecked) {
  const std::string good = *encode_manifest(sample_manifest());
  ASSERT_TRUE(decode_manifest(good));
  for (size_t bit = 0; bit < good.size() * 8; ++bit) {
    std::string bad = good;
    bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << (bit % 8)));
    ASSERT_FALSE(decode_manifest(bad)) << bit;
  }
  for (size_t bytes = 0; bytes < good.size(); ++bytes) {
    ASSERT_FALSE(decode_manifest(good.substr(0, bytes))) << bytes;
  }
  EXPECT_FALSE(decode_manifest(good + " "));
}

// The text with its checksum made right again, as a faulty program might write it.
std::string with_checksum(std::string text) {
  const size_t at = text.find(": \"") + 3;
  text.replace(at, 32, 32, '0');
  return text.replace(at, 32, to_hex(xxh3_128(as_bytes(text))));
}

TEST(Manifest, NamesTheFieldThatIsWrong) {
  const std::string good = *encode_manifest(sample_manifest());
  struct Row {
    const char* from;
    const char* to;
    const char* says;
  };
  for (const Row& row : std::vector<Row>{
           {"\"step\": 500", "\"step\": 500", ""},
           {"ballast.checkpoint", "ballast.checkpaint", "format: not ballast.checkpoint"},
           {"\"format_version\": 1", "\"format_version\": 2",
            "format_version: 2, this program reads 1"},
           {"\"step\": 500", "\"step\": -5", "step: not a whole number in range"},
           {"\"step\": 500", "\"step\": \"5\"", "step: not a whole number in range"},
           {"\"step\": 500,\n", "", "step: missing"},
           {"\"step\": 500", "\"step\": 500,\n\"more\": 1", "has fields that are not known"},
           {"\"step\": 500", "\"step\": 500,\n\"step\": 500", "\"step\" is there twice"},
           {"\"attempt\": 1", "\"attempt\": 4294967296", "attempt: not a whole number in range"},
           {"\"seed\": 1337", "\"seed\": 1337.5", "seed: not a whole number in range"},
           {"\"job_uid\": \"uid-1\"", "\"job_uid\": 7", "job_uid: not a string"},
           {"\"states\": [", "\"states\": [7,", "states: holds something that is no string"},
           {"\"offset\":80", "\"offset\":81", "tensors[1].offset: not where the tensor lies"},
           {"\"group\":\"no_decay\"", "\"group\":\"nodecay\"", "tensors[1].group: neither"},
           {"\"shape\":[5]", "\"shape\":[-5]", "tensors[1].shape: holds something"},
           {"\"shape\":[5]", "\"shape\":[50]", "layout_elements: not what the tensors make"},
           {"\"shape\":[5]", "\"shape\":[6]", "layout_hash: not that of the tensors"},
           {"\"name\":\"ln.bias\"", "\"name\":\"wte\"", "tensors: "},
           {"\"bytes\":12", "\"bytes\":-1", "tokenizer_files[0].bytes: not a whole number"},
           {"\"bytes\":12", "\"size\":12", "tokenizer_files[0].bytes: missing"},
           {"\"bytes\":1000", "\"bytes\":null", "parts[0].bytes: not a whole number"},
           {"[[0,2],[3,4]]", "[[0,2],[3]]", "parts[0].segments: holds something that is no range"},
           {"[[0,2],[3,4]]", "[[0,2],[4,4]]", "parts[0].segments: holds something"},
           {"[[0,2],[3,4]]", "[[0,16777217]]", "parts[0].segments: holds something"},
           {"[[0,2],[3,4]]", "[[0,16777216],[0,16777216]]", "parts[0].segments: holds something"},
       }) {
    std::string text = good;
    const size_t at = text.find(row.from);
    ASSERT_NE(at, std::string::npos) << row.from;
    text.replace(at, std::string(row.from).size(), row.to);
    const auto decoded = decode_manifest(with_checksum(text));
    const std::string error = decoded ? "" : decoded.error().message;
    EXPECT_EQ(error.empty(), *row.says == '\0') << error;
    EXPECT_NE(error.find(row.says), std::string::npos) << error << " expected: " << row.says;
  }
  EXPECT_FALSE(decode_manifest("{\n\"checksum\": \""));
  EXPECT_FALSE(
      decode_manifest(with_checksum("{\n\"checksum\": \"" + std::string(32, '0') + "\"}")));
}

TEST(Manifest, CheckNamesWhatIsWrong) {
  using Change = std::function<void(Manifest&)>;
  struct Row {
    const char* says;
    Change change;
  };
  for (const Row& row : std::vector<Row>{
           {"", [](Manifest&) {}},
           {"layout: ", [](Manifest& m) { m.layout.tensors.clear(); }},
           {"segment_elements: 0", [](Manifest& m) { m.segment_elements = 0; }},
           {"states: \"a b\" is no name", [](Manifest& m) { m.states = {"a b"}; }},
           {"states: \"parameters\" is there twice",
            [](Manifest& m) { m.states = {"parameters"}; }},
           {"states: \"m\" is there twice",
            [](Manifest& m) {
              m.states = {"m", "m"};
            }},
           {"states: too many", [](Manifest& m) { m.states.resize(17, "x"); }},
           {"parts: 0 of them", [](Manifest& m) { m.parts.clear(); }},
           {"is no file name", [](Manifest& m) { m.parts[0].file = "../x"; }},
           {"is no file name", [](Manifest& m) { m.parts[0].file = "a/x"; }},
           {"is no file name", [](Manifest& m) { m.parts[0].file = ".x"; }},
           {"is no file name", [](Manifest& m) { m.parts[0].file = ""; }},
           {"is no file name", [](Manifest& m) { m.parts[0].file = "manifest.json"; }},
           {"is no file name", [](Manifest& m) { m.parts[0].file = "a.partial"; }},
           {"is there twice", [](Manifest& m) { m.parts[0].file = m.parts[1].file; }},
           {"32 hexadecimal digits", [](Manifest& m) { m.parts[1].checksum = "abc"; }},
           {"32 hexadecimal digits",
            [](Manifest& m) { m.parts[1].checksum = std::string(32, 'A'); }},
           {"tokenizer_files: \"../v\" is no file name",
            [](Manifest& m) { m.tokenizer_files[0].file = "../v"; }},
           {"tokenizer_files: vocab.json: a checksum that is not 32",
            [](Manifest& m) { m.tokenizer_files[0].checksum = ""; }},
           {"tokenizer_files: \"vocab.json\" is there twice",
            [](Manifest& m) { m.tokenizer_files.push_back(m.tokenizer_files[0]); }},
           {"parts: \"vocab.json\" is there twice",
            [](Manifest& m) { m.parts[1].file = "vocab.json"; }},
           {"tokenizer_files: too many",
            [](Manifest& m) { m.tokenizer_files.resize(17, m.tokenizer_files[0]); }},
           {"segment 4 does not exist", [](Manifest& m) { m.parts[0].segments.push_back(4); }},
           {"segment 3 is there twice", [](Manifest& m) { m.parts[1].segments.push_back(3); }},
           {"1 of 4 segments are missing, 2 first", [](Manifest& m) { m.parts[1].segments = {}; }},
           {"segments do not ascend",
            [](Manifest& m) {
              m.parts[0].segments = {1, 0, 3};
            }},
       }) {
    Manifest manifest = sample_manifest();
    row.change(manifest);
    const auto checked = check_manifest(manifest);
    EXPECT_EQ(checked.has_value(), *row.says == '\0') << row.says;
    const std::string error = checked ? "" : checked.error().message;
    EXPECT_NE(error.find(row.says), std::string::npos) << error << " expected: " << row.says;
  }
}

TEST(Manifest, WritingRefusesWhatReadingWould) {
  const TemporaryFolder folder;
  RealFileSystem files;
  Manifest manifest = sample_manifest();
  manifest.parts.pop_back();
  EXPECT_EQ(write_manifest(files, folder.path(), manifest).error().code, ErrorCode::kInvalid);
  manifest = sample_manifest();
  manifest.job_name = "\xff";
  EXPECT_NE(write_manifest(files, folder.path(), manifest).error().message.find("UTF-8"),
            std::string::npos);
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
  EXPECT_EQ(read_manifest(folder.path()).error().code, ErrorCode::kNotFound);
}

}  // namespace
}  // namespace ballast
