// What a folder of checkpoints means to a job that goes on there, and which folders it may touch.
#include "services/checkpoint/history.h"

#include <gmock/gmock.h>

#include "tests/checkpoint/sample.h"
#include "tests/storage/files.h"

namespace ballast {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// As an operator writes it, with `layers` in spec.model.
std::string job(int layers, const std::string& activation = R"(,"activation":"geluTanh")") {
  return R"({"name":"a","model":{"family":"gpt","layers":)" + std::to_string(layers) +
         R"(,"heads":2,"embedding":16,"context":8)" + activation + R"(},"data":{"train":["/d"]}})";
}

class HistoryTest : public ::testing::Test {
 protected:
  std::string write(const CheckpointId& id, const std::string& config = job(2)) {
    sample_.job_config = config;
    const auto directory = sample_.write(files_, folder(), id, 2);
    EXPECT_TRUE(directory) << directory.error().message;
    return directory->string();
  }
  std::string begin(const CheckpointId& id) {
    fs::create_directories(folder() / directory_name(id));
    return (folder() / directory_name(id)).string();
  }
  void flip(const std::string& checkpoint) {
    const fs::path file = fs::path(checkpoint) / "server-0-of-2.safetensors";
    std::string bytes = read_text(file);
    bytes.at(1500) = static_cast<char>(bytes.at(1500) ^ 1);
    write_text(file, bytes);
  }
  fs::path folder() const { return folder_ / "c"; }

  TemporaryFolder folder_;
  RealFileSystem files_;
  Sample sample_;
};

TEST_F(HistoryTest, AFolderThatDoesNotExistHasNone) {
  const auto history = read_history(folder(), job(2));
  ASSERT_TRUE(history) << history.error().message;
  EXPECT_THAT(history->complete, IsEmpty());
  EXPECT_EQ(history->newest, "");
  EXPECT_EQ(history->highest_term, 0u);
}

TEST_F(HistoryTest, TheNewestWholeOneIsFoundAndDamagedOnesAreNamed) {
  const auto first = write({10, 1, 1});
  const auto second = write({20, 2, 1});
  const auto third = write({30, 2, 1});
  const auto begun = begin({40, 7, 1});
  flip(third);
  const auto history = read_history(folder(), job(2));
  ASSERT_TRUE(history) << history.error().message;
  EXPECT_EQ(history->newest, second);
  EXPECT_THAT(history->complete, ElementsAre(first, second, third));
  EXPECT_THAT(history->incomplete, ElementsAre(begun));
  EXPECT_EQ(history->highest_term, 7u) << "that of whoever began it, too";
  ASSERT_EQ(history->damaged.size(), 1u);
  EXPECT_EQ(history->damaged[0].directory, third);
  EXPECT_THAT(history->damaged[0].error, HasSubstr("damaged"));
}

TEST_F(HistoryTest, WhereNoneIsWholeAllAreNamed) {
  const auto only = write({10, 1, 1});
  flip(only);
  const auto history = read_history(folder(), job(2));
  ASSERT_TRUE(history) << history.error().message;
  EXPECT_EQ(history->newest, "");
  ASSERT_EQ(history->damaged.size(), 1u);
  EXPECT_EQ(history->damaged[0].directory, only);
}

TEST_F(HistoryTest, ATermThatNoneCanFollowIsRefused) {
  std::filesystem::create_directories(folder() / "step-0-term-18446744073709551615-attempt-0");
  const auto history = read_history(folder(), job(2));
  ASSERT_FALSE(history);
  EXPECT_NE(history.error().message.find("step-0-term-18446744073709551615"), std::string::npos);
}

TEST_F(HistoryTest, AnotherModelIsRefusedByTheNameOfItsField) {
  write({10, 1, 1});
  const auto history = read_history(folder(), job(4));
  ASSERT_FALSE(history);
  EXPECT_EQ(history.error().code, ErrorCode::kInvalid);
  EXPECT_EQ(history.error().message,
            "spec.model.layers is 4, but the checkpoint is of a model with 2");
  EXPECT_EQ(read_history(folder(), job(2, R"(,"activation":"gelu")")).error().message,
            "spec.model.activation is gelu, but the checkpoint is of a model with geluTanh");
}

TEST_F(HistoryTest, WhatDoesNotSayItsModelIsTakenAndTheFirstActivationNeedsNoName) {
  write({10, 1, 1}, job(2, ""));
  EXPECT_TRUE(read_history(folder(), job(2)));
  for (const char* config : {"", "{", "[]", R"({"model":7})", R"({"name":"tiny"})"}) {
    write({20, 1, 1}, config);
    const auto history = read_history(folder(), job(2));
    EXPECT_TRUE(history) << config << history.error().message;
    fs::remove_all(folder() / directory_name({20, 1, 1}));
  }
}

TEST_F(HistoryTest, WhatWasBegunBeforeACompleteOneIsAbandoned) {
  const auto lower_term = begin({50, 1, 1});
  const auto complete = write({40, 2, 2});
  const auto same_step = begin({40, 2, 1});
  begin({50, 2, 1});  // may be being written
  begin({10, 3, 1});
  EXPECT_THAT(abandoned_before(complete), ElementsAre(same_step, lower_term));
  EXPECT_THAT(abandoned_before(folder() / "step-1-term-1-attempt-1"), IsEmpty());
}

TEST_F(HistoryTest, OnlyCheckpointsDirectlyInTheFolderBelongToIt) {
  const std::string name = directory_name({10, 1, 1});
  const std::string c = folder().string();
  EXPECT_TRUE(check_belongs(c, c + "/" + name));
  EXPECT_TRUE(check_belongs(c + "/", c + "//" + name)) << "as a coordinator writes it";
  fs::create_directories(folder_ / "elsewhere" / name);
  fs::create_directories(folder());
  fs::create_directory_symlink(folder_ / "elsewhere" / name, folder() / name);
  for (const auto& [directory, why] : std::vector<std::pair<std::string, std::string>>{
           {c + "/" + name, "it is a link"},
           {c, "it is not named"},
           {c + "/" + name + "/", "it is not named"},
           {c + "/other", "it is not named"},
           {c + "/..", "it is not named"},
           {c + "/" + name + "/..", "it is not named"},
           {c + "/../c/" + name, "it lies elsewhere"},
           {c + "/../elsewhere/" + name, "it lies elsewhere"},
           {c + "/sub/" + name, "it lies elsewhere"},
           {"/" + name, "it lies elsewhere"},
           {name, "it lies elsewhere"},
           {"", "it is not named"}}) {
    const auto checked = check_belongs(c, directory);
    ASSERT_FALSE(checked) << directory;
    EXPECT_EQ(checked.error().code, ErrorCode::kDenied);
    EXPECT_THAT(checked.error().message, HasSubstr(why)) << directory;
  }
  EXPECT_FALSE(check_belongs("", name));
  EXPECT_TRUE(check_belongs("c", "c/" + name)) << "from where the process began";
}

TEST_F(HistoryTest, WhatIsThereNoMoreIsRemovedToo) {
  const auto one = write({10, 1, 1});
  EXPECT_TRUE(remove_if_there(one));
  EXPECT_FALSE(fs::exists(one));
  EXPECT_TRUE(remove_if_there(one));
  EXPECT_FALSE(remove_if_there(folder() / "other"));
}

}  // namespace
}  // namespace ballast
