// safetensors files: read back, read by another implementation, and every lie in a header refused.
#include "services/checkpoint/safetensors.h"

#include <array>
#include <cstdio>
#include <cstring>

#include <gtest/gtest.h>

#include "tests/storage/files.h"

namespace ballast {
namespace {

class SafetensorsTest : public testing::Test {
 protected:
  // A file with this header and this many zero bytes of data.
  std::filesystem::path raw(const std::string& header, size_t data_bytes) {
    const uint64_t length = header.size();
    std::string bytes(reinterpret_cast<const char*>(&length), 8);
    replace_text(folder_ / "raw", bytes + header + std::string(data_bytes, '\0'));
    return folder_ / "raw";
  }
  std::string error_of(const std::filesystem::path& path) {
    const auto reader = SafetensorsReader::open(path);
    if (reader) return "";
    EXPECT_EQ(reader.error().code, ErrorCode::kCorrupt);
    EXPECT_NE(reader.error().message.find(path.string()), std::string::npos);
    return reader.error().message;
  }
  std::filesystem::path write_sample() {
    const std::vector<SafetensorsEntry> entries{{"weights", DType::kF32, {2, 3}},
                                                {"count", DType::kU64, {}},
                                                {"bytes", DType::kU8, {3}},
                                                {"none", DType::kF32, {0}}};
    auto writer = SafetensorsWriter::create(files_, folder_ / "s", entries,
                                            {{"format", "test"}, {"text", "a \"b\" \n c"}});
    EXPECT_TRUE(writer);
    EXPECT_TRUE(writer->append(std::span<const float>(weights_).first(2)));
    EXPECT_TRUE(writer->append(std::span<const float>(weights_).subspan(2)));
    const uint64_t count = 0x0102030405060708;
    EXPECT_TRUE(writer->append(std::as_bytes(std::span(&count, 1))));
    EXPECT_TRUE(writer->append(as_bytes("xyz")));
    const auto written = writer->finish(AtomicFile::IfExists::kFail);
    EXPECT_TRUE(written);
    const std::string bytes = read_text(folder_ / "s");
    EXPECT_EQ(written->bytes, bytes.size());
    EXPECT_EQ(written->checksum, xxh3_128(as_bytes(bytes)));
    return folder_ / "s";
  }

  TemporaryFolder folder_;
  RealFileSystem files_;
  std::array<float, 6> weights_{1, -2, 0.5f, 1e-45f, 3e38f, -0.0f};
};

TEST_F(SafetensorsTest, ReadsWhatItWrote) {
  const auto reader = SafetensorsReader::open(write_sample());
  ASSERT_TRUE(reader) << reader.error().message;
  ASSERT_EQ(reader->entries().size(), 4u);
  EXPECT_EQ(reader->entries()[0], (SafetensorsEntry{"bytes", DType::kU8, {3}}));
  EXPECT_EQ(reader->entries()[3], (SafetensorsEntry{"weights", DType::kF32, {2, 3}}));
  EXPECT_EQ(reader->metadata().at("text"), "a \"b\" \n c");
  const auto weights = reader->floats("weights");
  ASSERT_TRUE(weights);
  EXPECT_EQ(std::memcmp(weights->data(), weights_.data(), sizeof weights_), 0);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(weights->data()) % 64, 0u);
  EXPECT_TRUE(reader->floats("none")->empty());
  EXPECT_EQ(reader->data("count")->size(), 8u);
  EXPECT_EQ(reader->data("weight").error().code, ErrorCode::kNotFound);
  EXPECT_EQ(reader->data("weightss").error().code, ErrorCode::kNotFound);
  EXPECT_EQ(reader->floats("bytes").error().code, ErrorCode::kInvalid);
}

TEST_F(SafetensorsTest, EveryLengthIsRefused) {
  const std::string good = read_text(write_sample());
  for (size_t bytes = 0; bytes < good.size(); ++bytes) {
    replace_text(folder_ / "cut", good.substr(0, bytes));
    EXPECT_NE(error_of(folder_ / "cut"), "") << bytes;
  }
  write_text(folder_ / "long", good + "x");
  EXPECT_NE(error_of(folder_ / "long").find("too long"), std::string::npos);
}

TEST_F(SafetensorsTest, BelievesNothing) {
  struct Row {
    std::string header;
    size_t data_bytes;
    const char* says;  // "" where the file is good
  };
  const std::string f32 = R"("dtype":"F32","shape":[2])";
  for (const Row& row : std::vector<Row>{
           {"{}", 0, ""},
           {"{}   ", 0, ""},
           {R"({"a":{)" + f32 + R"(,"data_offsets":[0,8]}})", 8, ""},
           {R"({"b":{)" + f32 + R"(,"data_offsets":[8,16]},"a":{)" + f32 +
                R"(,"data_offsets":[0,8]}})",
            16, ""},
           {"", 0, "byte 8: the header is no object"},
           {"[]", 0, "byte 8: the header is no object"},
           {" {}", 0, "byte 8: the header is no object"},
           {"{", 0, "header: no JSON"},
           {R"({"a":1})", 0, "\"a\": not an object"},
           {R"({"a":{}})", 0, "\"a\": dtype, shape or data_offsets is missing"},
           {R"({"a":{)" + f32 + R"(,"data_offsets":[0,8],"more":1}})", 8, "unknown field \"more\""},
           {R"({"a":{"dtype":"F31","shape":[2],"data_offsets":[0,8]}})", 8, "dtype"},
           {R"({"a":{"dtype":7,"shape":[2],"data_offsets":[0,8]}})", 8, "dtype"},
           {R"({"a":{"dtype":"F32","shape":2,"data_offsets":[0,8]}})", 8, "shape is no list"},
           {R"({"a":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}})", 8, "no whole number"},
           {R"({"a":{"dtype":"F32","shape":[2.0],"data_offsets":[0,8]}})", 8, "no whole number"},
           {R"({"a":{"dtype":"F32","shape":[[2]],"data_offsets":[0,8]}})", 8, "nested deeper"},
           {R"({"a":{)" + f32 + R"(,"data_offsets":[0]}})", 8, "no pair"},
           {R"({"a":{)" + f32 + R"(,"data_offsets":[8,0]}})", 8, "no pair"},
           {R"({"a":{)" + f32 + R"(,"data_offsets":[0,7]}})", 7, "span 7 bytes"},
           {R"({"a":{)" + f32 + R"(,"data_offsets":[0,8]}})", 7, "truncated"},
           {R"({"a":{)" + f32 + R"(,"data_offsets":[0,8]}})", 9, "too long"},
           {R"({"a":{)" + f32 + R"(,"data_offsets":[1,9]}})", 9, "begins at data byte 1"},
           {R"({"a":{)" + f32 + R"(,"data_offsets":[0,8]},"b":{)" + f32 +
                R"(,"data_offsets":[4,12]}})",
            12, "\"b\": begins at data byte 4"},
           {R"({"a":{)" + f32 + R"(,"data_offsets":[0,8]},"b":{)" + f32 +
                R"(,"data_offsets":[0,8]}})",
            8, "\"b\": begins at data byte 0"},
           {R"({"a":{)" + f32 + R"(,"data_offsets":[0,8]},"a":{)" + f32 +
                R"(,"data_offsets":[8,16]}})",
            16, "\"a\" is there twice"},
           {R"({"a":{"dtype":"F32","shape":[4611686018427387904],"data_offsets":[0,0]}})", 0,
            "more than 64 bits"},
           {R"({"a":{"dtype":"U8","shape":[18446744073709551615],)"
            R"("data_offsets":[0,18446744073709551615]}})",
            0, "truncated"},
           {R"({"a":{"dtype":"U8","shape":[18446744073709551616],"data_offsets":[0,0]}})", 0,
            "no whole number"},
           {R"({"__metadata__":{"a":1}})", 0, "\"__metadata__\": \"a\" is no string"},
           {R"({"__metadata__":[]})", 0, "\"__metadata__\": not an object"},
       }) {
    const std::string error = error_of(raw(row.header, row.data_bytes));
    EXPECT_EQ(error.empty(), *row.says == '\0') << row.header << ": " << error;
    EXPECT_NE(error.find(row.says), std::string::npos) << row.header << ": " << error;
  }
}

TEST_F(SafetensorsTest, HeaderLengthHasALimit) {
  for (const uint64_t length : {kMaxSafetensorsHeaderBytes + 1, UINT64_MAX, UINT64_MAX - 7}) {
    write_text(folder_ / "raw", std::string(reinterpret_cast<const char*>(&length), 8) + "{}");
    EXPECT_NE(error_of(folder_ / "raw").find("the limit is 100000000"), std::string::npos);
  }
  const uint64_t length = 3;
  write_text(folder_ / "raw", std::string(reinterpret_cast<const char*>(&length), 8) + "{}");
  EXPECT_NE(error_of(folder_ / "raw").find("truncated"), std::string::npos);
}

TEST_F(SafetensorsTest, UnalignedFloatsAreRefused) {
  std::string header = R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})";
  header.resize(64, ' ');
  const auto aligned = SafetensorsReader::open(raw(header, 4));
  ASSERT_TRUE(aligned);
  EXPECT_TRUE(aligned->floats("a"));
  const auto shifted = SafetensorsReader::open(raw(header + " ", 4));
  ASSERT_TRUE(shifted);
  EXPECT_TRUE(shifted->data("a"));
  EXPECT_EQ(shifted->floats("a").error().code, ErrorCode::kInvalid);
}

TEST_F(SafetensorsTest, WriterRefusesBadNames) {
  const auto create = [&](std::vector<SafetensorsEntry> entries, SafetensorsMetadata metadata) {
    auto writer = SafetensorsWriter::create(files_, folder_ / "w", entries, metadata);
    return writer ? "" : writer.error().message;
  };
  const SafetensorsEntry a{"a", DType::kU8, {1}};
  EXPECT_NE(create({a, a}, {}).find("\"a\": the name is taken"), std::string::npos);
  EXPECT_NE(create({{"__metadata__", DType::kU8, {1}}}, {}).find("taken"), std::string::npos);
  EXPECT_NE(create({{"\xff", DType::kU8, {1}}}, {}).find("no UTF-8"), std::string::npos);
  EXPECT_NE(create({a}, {{"k", "\xff"}}).find("no UTF-8"), std::string::npos);
  EXPECT_NE(create({{"b", DType::kF64, {UINT64_MAX}}}, {}).find("too large"), std::string::npos);
  EXPECT_FALSE(std::filesystem::exists(folder_ / "w"));
}

TEST_F(SafetensorsTest, WritingTooMuchOrTooLittleIsABug) {
  const std::vector<SafetensorsEntry> entries{{"a", DType::kU8, {2}}};
  auto writer = SafetensorsWriter::create(files_, folder_ / "w", entries, {});
  ASSERT_TRUE(writer);
  EXPECT_DEATH(std::ignore = writer->append(as_bytes("abc")), "CHECK failed");
  EXPECT_DEATH(std::ignore = writer->finish(AtomicFile::IfExists::kFail), "CHECK failed");
}

#ifdef BALLAST_PYTHON
std::string run_reference(const std::string& verb, const std::filesystem::path& path) {
  const std::string command = std::string(BALLAST_PYTHON) + " " + BALLAST_SAFETENSORS_SCRIPT + " " +
                              verb + " " + path.string();
  std::FILE* pipe = ::popen(command.c_str(), "r");
  EXPECT_NE(pipe, nullptr);
  std::string output;
  std::array<char, 4096> buffer{};
  while (const size_t got = std::fread(buffer.data(), 1, buffer.size(), pipe)) {
    output.append(buffer.data(), got);
  }
  EXPECT_EQ(::pclose(pipe), 0);
  return output;
}

TEST_F(SafetensorsTest, AnotherImplementationReadsOurs) {
  EXPECT_EQ(run_reference("read", write_sample()),
            "format=test\ntext=a \"b\" \n c\n"
            "bytes U8 [3] 78797a\n"
            "count U64 [] 0807060504030201\n"
            "none F32 [0] \n"
            "weights F32 [2, 3] 0000803f000000c00000003f01000000e6b1617f00000080\n");
}

TEST_F(SafetensorsTest, WeReadAnothersFile) {
  run_reference("write", folder_ / "theirs");
  const auto reader = SafetensorsReader::open(folder_ / "theirs");
  ASSERT_TRUE(reader) << reader.error().message;
  EXPECT_EQ(reader->metadata(), (SafetensorsMetadata{{"made", "elsewhere"}}));
  ASSERT_EQ(reader->entries().size(), 4u);
  const auto z = reader->floats("z");
  ASSERT_TRUE(z);
  EXPECT_EQ(std::vector<float>(z->begin(), z->end()), (std::vector<float>{1.5f, -2.25f, 1e-45f}));
  EXPECT_EQ((*reader->data("one"))[0], std::byte{7});
  EXPECT_EQ(to_hex(*reader->data("a")), "ffffffffffffffff0000000000010000");
}
#endif

}  // namespace
}  // namespace ballast
