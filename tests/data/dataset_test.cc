// A job's data: the split, the windows, the fingerprint, and what is said when there is too little
// text.
#include "services/data/dataset.h"

#include <thread>

#include <gtest/gtest.h>

#include "tests/storage/files.h"

namespace ballast {
namespace {

class DatasetTest : public testing::Test {
 protected:
  DatasetTest() {
    config_ = {{(folder_ / "text").string()}, "byte", 10, 8};
    cache_.folder = folder_ / "cache";
    for (int i = 0; i < 1000; ++i) text_.push_back(static_cast<char>(i % 251));
    write_text(folder_ / "text", text_);
  }

  Result<Dataset> open() { return Dataset::open(files_, config_, cache_); }
  std::string error() {
    const auto dataset = open();
    return dataset ? "" : dataset.error().message;
  }

  TemporaryFolder folder_;
  RealFileSystem files_;
  DatasetConfig config_;
  TokenCacheOptions cache_;
  std::string text_;
};

TEST_F(DatasetTest, SplitAndWindows) {
  const auto data = open();
  ASSERT_TRUE(data) << data.error().message;
  EXPECT_EQ(data->total_tokens(), 1000u);
  EXPECT_EQ(data->train_tokens(), 900u);
  EXPECT_EQ(data->validation_tokens(), 100u);
  EXPECT_EQ(data->bytes_per_token(), 1.0);
  EXPECT_EQ(data->tokenizer().name(), "byte");
  EXPECT_TRUE(data->tokenized());
  EXPECT_FALSE(open()->tokenized());
  std::vector<Token> window(9);
  for (const uint64_t position : {0u, 1u, 500u, 991u}) {
    data->fetch(position, window);
    EXPECT_EQ(data->tokenizer().decode(window), text_.substr(position, 9)) << position;
  }
}

TEST_F(DatasetTest, TheSplitRoundsTheTailDown) {
  struct Row {
    size_t bytes;
    uint32_t percent;
    uint64_t train;
  };
  for (const Row& row : std::vector<Row>{
           {1000, 0, 1000}, {1000, 50, 500}, {999, 50, 500}, {199, 7, 186}, {905, 1, 896}}) {
    write_text(folder_ / "text", text_.substr(0, row.bytes));
    config_.validation_percent = row.percent;
    const auto data = open();
    ASSERT_TRUE(data) << data.error().message;
    EXPECT_EQ(data->train_tokens(), row.train) << row.bytes << " " << row.percent;
  }
}

TEST_F(DatasetTest, TheFingerprintFollowsTheTokensAndTheSplit) {
  const std::string fingerprint = open()->fingerprint();
  EXPECT_EQ(fingerprint.size(), 32u);
  // Where the text lies and when it was written does not matter.
  std::filesystem::create_directory(folder_ / "elsewhere");
  write_text(folder_ / "elsewhere/text", text_);
  config_.train = {(folder_ / "elsewhere/*").string()};
  EXPECT_EQ(open()->fingerprint(), fingerprint);
  config_.context = 16;
  EXPECT_EQ(open()->fingerprint(), fingerprint);
  config_.validation_percent = 20;
  EXPECT_NE(open()->fingerprint(), fingerprint);
  config_.validation_percent = 10;
  text_[77] = '!';
  write_text(folder_ / "elsewhere/text", text_);
  EXPECT_NE(open()->fingerprint(), fingerprint);
}

TEST_F(DatasetTest, TooLittleTextComesWithTheCounts) {
  write_text(folder_ / "text", "12345678");
  config_.validation_percent = 0;
  EXPECT_EQ(error(),
            "the text is shorter than one context: 8 tokens in all, 8 for training and 0 (0 %) for "
            "validation; a context of 8 needs 9 in each part that is used");
  write_text(folder_ / "text", "123456789");
  EXPECT_EQ(error(), "");
  config_.validation_percent = 10;
  write_text(folder_ / "text", text_.substr(0, 89));
  EXPECT_NE(error().find("the validation part is shorter than one context: 89 tokens"),
            std::string::npos);
  write_text(folder_ / "text", text_.substr(0, 90));
  EXPECT_EQ(error(), "");
}

TEST_F(DatasetTest, BadConfigurationIsRefused) {
  config_.tokenizer = "gtp2";
  EXPECT_NE(error().find("gtp2"), std::string::npos);
  config_.tokenizer = "byte";
  config_.context = 0;
  EXPECT_NE(error().find("context of 0"), std::string::npos);
  config_.context = 8;
  config_.validation_percent = 51;
  EXPECT_NE(error().find("51 is more than 50"), std::string::npos);
  config_.validation_percent = 10;
  config_.context = UINT32_MAX;
  EXPECT_NE(error().find("needs 4294967296"), std::string::npos);
  config_.train = {(folder_ / "none*").string()};
  EXPECT_NE(error().find("none*"), std::string::npos);
}

TEST_F(DatasetTest, ATokenFileIsTakenAsItIs) {
  const auto first = open();
  ASSERT_TRUE(first);
  const auto path = folder_ / "mine.tokens";
  std::filesystem::copy_file(first->token_path(), path);
  config_.train = {path.string()};
  const auto direct = open();
  ASSERT_TRUE(direct) << direct.error().message;
  EXPECT_FALSE(direct->tokenized());
  EXPECT_EQ(direct->fingerprint(), first->fingerprint());
  EXPECT_EQ(direct->token_path(), std::filesystem::canonical(path));

  config_.train.push_back((folder_ / "text").string());
  EXPECT_NE(error().find("mine.tokens is a token file; it must be the only file"),
            std::string::npos);
  config_.train.pop_back();
  std::string bytes = read_text(path);
  bytes[200] ^= 1;
  write_text(path, bytes);
  EXPECT_NE(error().find("mine.tokens, byte 128: damaged"), std::string::npos) << error();
  auto writer = TokenFileWriter::create(files_, path, 256, 1);
  ASSERT_TRUE(writer && writer->append(std::vector<Token>(100)) && writer->finish(1, 100));
  EXPECT_NE(error().find("made by another tokenizer than \"byte\""), std::string::npos);
}

TEST_F(DatasetTest, ManyThreadsFetch) {
  const auto data = open();
  ASSERT_TRUE(data);
  std::vector<std::jthread> threads;
  std::vector<int> wrong(4);
  for (size_t thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&, thread] {
      std::vector<Token> window(9);
      for (uint64_t position = 0; position + 9 <= 1000; ++position) {
        data->fetch(position, window);
        if (data->tokenizer().decode(window) != text_.substr(position, 9)) ++wrong[thread];
      }
    });
  }
  threads.clear();
  EXPECT_EQ(wrong, std::vector<int>(4));
}

}  // namespace
}  // namespace ballast
