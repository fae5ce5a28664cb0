// Requests about checkpoints: done on another thread, answered, bounded, and only for folders that
// are the job's.
#include "services/server/checkpoint_requests.h"

#include <gmock/gmock.h>

#include <condition_variable>
#include <mutex>

#include "tests/checkpoint/sample.h"
#include "tests/storage/files.h"

namespace ballast {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

const ProcessId kOperator{"operator", 0};

class CheckpointRequestsTest : public ::testing::Test {
 protected:
  std::string write(const CheckpointId& id) {
    const auto directory = sample_.write(files_, folder(), id, 2);
    EXPECT_TRUE(directory) << directory.error().message;
    return directory->string();
  }
  fs::path folder() const { return folder_ / "c"; }

  Result<void> ask(Message message, RequestLimits limits = {}) {
    return requests_.take({kOperator, {"ps-0", 1}, std::move(message)}, limits);
  }
  // Of the next one that is done.
  template <typename M>
  M answer() {
    for (;;) {
      for (auto& one : requests_.take_answers()) {
        EXPECT_EQ(one.first, kOperator);
        answers_.push_back(std::move(one.second));
      }
      if (!answers_.empty()) {
        const M first = std::get<M>(answers_.front());
        answers_.erase(answers_.begin());
        return first;
      }
      std::unique_lock lock(mutex_);
      const bool woken =
          woken_.wait_for(lock, std::chrono::seconds(60), [&] { return wakes_ > 0; });
      EXPECT_TRUE(woken) << "no answer";
      if (!woken) return {};
      --wakes_;
    }
  }

  TemporaryFolder folder_;
  RealFileSystem files_;
  Sample sample_;
  std::vector<Message> answers_;
  std::mutex mutex_;
  std::condition_variable woken_;
  int wakes_ = 0;
  CheckpointRequests requests_{[this] {
    const std::lock_guard lock(mutex_);
    ++wakes_;
    woken_.notify_all();
  }};
};

TEST_F(CheckpointRequestsTest, ReadsBackAndTellsWhatWasAbandoned) {
  const auto begun = folder() / "step-5-term-1-attempt-1";
  fs::create_directories(begun);
  const auto whole = write({10, 1, 1});
  ASSERT_TRUE(ask(VerifyCheckpoint{1, folder().string(), whole}, {1, folder().string()}));
  const auto verified = answer<CheckpointVerified>();
  EXPECT_EQ(verified.directory, whole);
  EXPECT_EQ(verified.error, "");
  EXPECT_THAT(verified.abandoned, ElementsAre(begun.string()));
  fs::resize_file(fs::path(whole) / "server-0-of-2.safetensors", 100);
  ASSERT_TRUE(ask(VerifyCheckpoint{1, folder().string(), whole}));
  EXPECT_THAT(answer<CheckpointVerified>().error, HasSubstr("server-0-of-2.safetensors"));
}

TEST_F(CheckpointRequestsTest, DeletesAsOftenAsItIsAsked) {
  const auto one = write({10, 1, 1});
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(ask(DeleteCheckpoint{1, folder().string(), one}));
    EXPECT_EQ(answer<CheckpointDeleted>().error, "");
    EXPECT_FALSE(fs::exists(one));
  }
}

TEST_F(CheckpointRequestsTest, TouchesNothingThatIsNotTheJobs) {
  const auto one = write({10, 1, 1});
  const std::string above = folder_.path().string();
  const std::string stolen = above + "/" + directory_name({10, 1, 1});
  fs::create_directory_symlink(one, stolen);
  // Another path than that of the job, a way out of it, a link.
  ASSERT_TRUE(ask(DeleteCheckpoint{1, above, above + "/c/../c/x"}, {1, folder().string()}));
  EXPECT_THAT(answer<CheckpointDeleted>().error, HasSubstr("where the job has its checkpoints"));
  ASSERT_TRUE(ask(DeleteCheckpoint{1, above, one}));
  EXPECT_THAT(answer<CheckpointDeleted>().error, HasSubstr(one + " is no checkpoint in " + above));
  ASSERT_TRUE(ask(DeleteCheckpoint{1, above, stolen}));
  EXPECT_THAT(answer<CheckpointDeleted>().error, HasSubstr("it is a link"));
  ASSERT_TRUE(ask(VerifyCheckpoint{1, above, stolen}));
  EXPECT_THAT(answer<CheckpointVerified>().error, HasSubstr("it is a link"));
  EXPECT_TRUE(verify_checkpoint(one));
}

TEST_F(CheckpointRequestsTest, FindsWhereAJobMayGoOn) {
  write({10, 1, 1});
  const auto newest = write({20, 3, 1});
  ASSERT_TRUE(ask(FindCheckpoint{0, folder().string(), "{}"}));
  const auto found = answer<CheckpointsFound>();
  EXPECT_EQ(found.path, folder().string());
  EXPECT_EQ(found.error, "");
  EXPECT_EQ(found.newest, newest);
  EXPECT_EQ(found.complete.size(), 2u);
  EXPECT_EQ(found.highest_term, 3u);
}

TEST_F(CheckpointRequestsTest, ALowerTermIsNotAnswered) {
  const auto one = write({10, 1, 1});
  const auto taken = ask(DeleteCheckpoint{1, folder().string(), one}, {2, folder().string()});
  ASSERT_FALSE(taken);
  EXPECT_EQ(taken.error().code, ErrorCode::kConflict);
  EXPECT_FALSE(ask(Appoint{}));
  EXPECT_TRUE(fs::exists(one));
}

TEST_F(CheckpointRequestsTest, TheSameIsInHandOnceAndNotTooManyWait) {
  const std::string path = folder().string();
  size_t taken = 0;
  for (size_t i = 0; i < 3 * CheckpointRequests::kMostWaiting; ++i) {
    const std::string directory = path + "/" + directory_name({i / 2, 1, 1});
    if (ask(DeleteCheckpoint{1, path, directory})) ++taken;
  }
  EXPECT_EQ(taken, 2 * CheckpointRequests::kMostWaiting);  // each twice
  for (size_t i = 0; i < CheckpointRequests::kMostWaiting; ++i) {
    EXPECT_EQ(answer<CheckpointDeleted>().error, "");
  }
  EXPECT_TRUE(requests_.take_answers().empty());
}

}  // namespace
}  // namespace ballast
