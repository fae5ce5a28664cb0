// The operator's session and a real server over a real connection: checkpoints are read back,
// deleted and found, and asked for again when the server that was asked is lost.
#include <gmock/gmock.h>

#include "operator/core/session_peer.h"
#include "operator/local/session_keeper.h"
#include "tests/checkpoint/sample.h"
#include "tests/local/wait.h"
#include "tests/server/test_server.h"
#include "tests/storage/files.h"

namespace ballast::local {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class CheckpointSession : public ::testing::Test {
 protected:
  CheckpointSession() {
    observed_.pods = observed_.checkpoints_by_servers = true;
    observed_.job.metadata.uid = "job-1";
    observed_.job.metadata.name = "tiny";
    observed_.job.spec.data.train = {"/d"};
    observed_.job.spec.checkpoint.path = checkpoints().string();
    start("ps-0");
  }

  void start(const std::string& name) {
    servers_[name] = std::make_unique<TestServer>(name, "job-1", folder_.socket(name));
    decide::Process process;
    process.index = name.back() - '0';
    process.state = decide::ProcessState::kReady;
    process.incarnation = servers_[name]->id().incarnation;
    process.address = servers_[name]->address();
    observed_.processes.push_back(process);
  }

  void stop(const std::string& name) {
    servers_.erase(name);
    for (decide::Process& process : observed_.processes) {
      if (decide::process_name(process.role, process.index) == name)
        process.state = decide::ProcessState::kExited;
    }
  }

  fs::path checkpoints() const { return folder_.path() / "c"; }
  std::string write(const CheckpointId& id) {
    const auto written = sample_.write(files_, checkpoints(), id, 2);
    EXPECT_TRUE(written) << written.error().message;
    return written->string();
  }

  // Observes until it holds.
  template <typename Condition>
  bool sees(Condition condition) {
    return eventually([&] {
      keeper_.observe(observed_);
      return condition();
    });
  }
  bool opens() {
    return sees([&] { return observed_.session.has_value(); });
  }

  TestFolder folder_;
  RealFileSystem files_;
  Sample sample_;
  std::map<std::string, std::unique_ptr<TestServer>> servers_;
  decide::Observed observed_;
  std::vector<std::string> left_over_;
  SessionKeeper keeper_{{.who = "operator",
                         .tls = nullptr,
                         .notify = [] {},
                         .progress = nullptr,
                         .left_over =
                             [this](const std::string& folder, const std::string& error) {
                               left_over_.push_back(folder + ": " + error);
                             }}};
};

TEST_F(CheckpointSession, ReadsBackAndDeletes) {
  fs::create_directories(checkpoints() / "step-5-term-1-attempt-1");
  const auto directory = write({10, 1, 1});
  observed_.status.checkpoints = {{directory, false, false}};
  ASSERT_TRUE(opens()) << keeper_.last_failure();
  keeper_.send(decide::VerifyCheckpoint{directory}, observed_);
  EXPECT_THAT(observed_.in_hand, ElementsAre(directory));
  ASSERT_TRUE(sees([&] { return !observed_.checked.empty(); }));
  EXPECT_EQ(observed_.checked, (std::vector<decide::CheckpointCheck>{{directory, ""}}));
  EXPECT_THAT(observed_.abandoned,
              ElementsAre((checkpoints() / "step-5-term-1-attempt-1").string()));
  EXPECT_THAT(observed_.in_hand, IsEmpty());

  fs::resize_file(fs::path(directory) / "server-0-of-2.safetensors", 100);
  keeper_.send(decide::VerifyCheckpoint{directory}, observed_);
  ASSERT_TRUE(sees([&] { return observed_.checked.size() == 2; }));
  EXPECT_THAT(observed_.checked.back().error, HasSubstr("server-0-of-2.safetensors"));

  keeper_.send(decide::DeleteCheckpoint{directory}, observed_);
  ASSERT_TRUE(sees([&] { return !observed_.deleted.empty(); }));
  EXPECT_FALSE(fs::exists(directory));
  EXPECT_THAT(left_over_, IsEmpty());
}

TEST_F(CheckpointSession, WhatMayNotBeDeletedIsLeftOverAndTold) {
  const std::string other = (folder_.path() / directory_name({10, 1, 1})).string();
  fs::create_directories(other);
  observed_.status.deletable = {other};
  ASSERT_TRUE(opens()) << keeper_.last_failure();
  keeper_.send(decide::DeleteCheckpoint{other}, observed_);
  ASSERT_TRUE(sees([&] { return !observed_.deleted.empty(); }));
  ASSERT_EQ(left_over_.size(), 1U);
  EXPECT_THAT(left_over_.front(), HasSubstr("it lies elsewhere"));
  EXPECT_TRUE(fs::exists(other));
}

TEST_F(CheckpointSession, FindsWhereAJobMayGoOnBeforeAnybodyCoordinates) {
  observed_.job.spec.checkpoint.resume = true;
  write({10, 1, 1});
  const auto newest = write({20, 4, 1});
  ASSERT_TRUE(opens()) << keeper_.last_failure();
  keeper_.send(decide::FindCheckpoint{checkpoints().string()}, observed_);
  ASSERT_TRUE(sees([&] { return observed_.found.has_value(); }));
  EXPECT_EQ(observed_.found->error, "");
  EXPECT_EQ(observed_.found->newest, newest);
  EXPECT_EQ(observed_.found->complete.size(), 2U);
  EXPECT_EQ(observed_.found->highest_term, 4U);
}

TEST_F(CheckpointSession, AnotherIsAskedWhenTheOneThatWasIsLost) {
  const auto directory = write({10, 1, 1});
  observed_.status.checkpoints = {{directory, false, false}};
  start("ps-1");
  ASSERT_TRUE(opens()) << keeper_.last_failure();
  ASSERT_EQ(observed_.session->name, "ps-0");
  observed_.in_hand = {directory};  // asked, and never answered
  stop("ps-0");
  ASSERT_TRUE(sees([&] { return observed_.session && observed_.session->name == "ps-1"; }));
  EXPECT_THAT(observed_.in_hand, IsEmpty());
  keeper_.send(decide::VerifyCheckpoint{directory}, observed_);
  ASSERT_TRUE(sees([&] { return !observed_.checked.empty(); }));
  EXPECT_EQ(observed_.checked.front().error, "");
}

TEST_F(CheckpointSession, AQuestionOfAnotherTermIsNotInHandAnyMore) {
  const auto directory = write({10, 1, 1});
  observed_.status.checkpoints = {{directory, false, false}};
  ASSERT_TRUE(opens()) << keeper_.last_failure();
  observed_.in_hand = {directory};
  observed_.status.term = 5;
  keeper_.observe(observed_);
  EXPECT_THAT(observed_.in_hand, IsEmpty());
}

}  // namespace
}  // namespace ballast::local
