// Whole jobs with processes that do not train: every way in which one can go.
#include "operator/local/local_job.h"

#include <signal.h>

#include <algorithm>
#include <fstream>
#include <functional>
#include <sstream>

#include <gmock/gmock.h>

#include "operator/api/read_training_job.h"
#include "tests/local/temporary_folder.h"
#include "tests/local/wait.h"

namespace ballast::local {
namespace {

namespace fs = std::filesystem;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Remembers what happened; does something at a moment.
class Recorder : public RunListener {
 public:
  void process_ready(const ReadyFile& ready) override {
    pids.push_back(static_cast<pid_t>(ready.pid));
    events.push_back("ready " + ready.name);
    if (on_ready) on_ready(ready);
  }
  void process_ended(const std::string& name, const ChildExit& exit, bool wanted,
                     const fs::path&) override {
    events.push_back((wanted ? "stopped " : "lost ") + name + " " + std::to_string(exit.code) +
                     "/" + std::to_string(exit.signal));
  }
  void appointed(uint64_t term, const std::string&) override {
    events.push_back("term " + std::to_string(term));
  }
  void goes_back(const std::string& checkpoint) override {
    events.push_back("back to " + checkpoint);
  }
  void progress(const Progress& progress) override { last = progress; }
  void warning(const std::string& message) override { warnings.push_back(message); }
  void tick() override {
    if (on_tick) on_tick();
  }

  std::vector<std::string> events;
  std::vector<std::string> warnings;
  std::vector<pid_t> pids;
  Progress last;
  std::function<void(const ReadyFile&)> on_ready;
  std::function<void()> on_tick;
};

class LocalJobTest : public ::testing::Test {
 protected:
  void SetUp() override {
    fs::create_directories(temporary_.path() / "lives");
    for (const char* name : {"ballast-ps", "ballast-worker"})
      fs::create_symlink(FAKE_PROCESS, temporary_.path() / name);
    set("BALLAST_FAKE_LIVES", (temporary_.path() / "lives").string());
    job_ = *api::read_training_job_yaml(
        "apiVersion: ballast.dev/v1alpha1\nkind: TrainingJob\nmetadata: {name: tiny, uid: u-1}\n"
        "spec: {data: {train: [/a]}, training: {steps: 3}, servers: {replicas: 2, replication: 1}, "
        "workers: "
        "{replicas: 2}}\n");
  }
  void TearDown() override {
    for (const std::string& name : variables_) ::unsetenv(name.c_str());
    for (pid_t pid : recorder_.pids) EXPECT_TRUE(ends_soon(pid)) << "nothing may outlive the run";
  }
  void set(const std::string& name, const std::string& value) {
    ::setenv(name.c_str(), value.c_str(), 1);
    variables_.push_back(name);
  }

  RunOutcome run() {
    auto guard = OrphanGuard::start();
    auto signals = Signals::open();
    auto folder = RunFolder::create(temporary_.path() / "run", 4);
    EXPECT_TRUE(guard && signals && folder);
    LocalJobOptions options;
    options.job = job_;
    options.network = network_;
    options.programs = temporary_.path();
    options.cache = temporary_.path() / "cache";
    auto job = LocalJob::create(std::move(options), *folder, *guard, *signals, recorder_);
    if (!job) return {-1, "Create", job.error().message, {}};
    auto outcome = (*job)->run();
    return outcome ? *outcome : RunOutcome{-1, "Run", outcome.error().message, {}};
  }

  TemporaryFolder temporary_;
  std::vector<std::string> variables_;
  api::TrainingJob job_;
  Network network_ = Network::kUnix;
  Recorder recorder_;
};

TEST_F(LocalJobTest, RunsToTheEndAndStopsInOrder) {
  const RunOutcome outcome = run();
  EXPECT_EQ(outcome.exit_code, 0) << outcome.reason << ": " << outcome.message;
  EXPECT_EQ(recorder_.last.report.step, 3);
  EXPECT_THAT(recorder_.warnings, ElementsAre());
  std::vector<std::string> stops;
  for (const std::string& event : recorder_.events) {
    if (event.starts_with("stopped")) stops.push_back(event.substr(8, event.find(' ', 8) - 8));
  }
  ASSERT_EQ(stops.size(), 4U);
  EXPECT_TRUE(stops[0].starts_with("worker") && stops[1].starts_with("worker"))
      << "workers end first";
}

TEST_F(LocalJobTest, RunsOverTrustedTcp) {
  network_ = Network::kTcpTrusted;
  EXPECT_EQ(run().exit_code, 0);
}

TEST_F(LocalJobTest, StartsALostWorkerAgain) {
  set("BALLAST_FAKE_WORKER_1", "exit:1 run");
  set("BALLAST_FAKE_PS_0", "hold");
  bool again = false;
  recorder_.on_ready = [&](const ReadyFile& ready) {
    if (ready.name == "worker-1" &&
        std::count(recorder_.events.begin(), recorder_.events.end(), "lost worker-1 1/0") > 0)
      again = true;
  };
  recorder_.on_tick = [&] {
    if (again) ::raise(SIGTERM);
  };
  EXPECT_EQ(run().exit_code, 130);
  EXPECT_TRUE(again);
}

TEST_F(LocalJobTest, StartsAKilledWorkerAgain) {
  set("BALLAST_FAKE_PS_0", "hold");
  int lives = 0;
  recorder_.on_ready = [&](const ReadyFile& ready) {
    if (ready.name != "worker-0") return;
    if (++lives == 1) ::kill(static_cast<pid_t>(ready.pid), SIGKILL);
  };
  recorder_.on_tick = [&] {
    if (lives == 2) ::raise(SIGTERM);
  };
  EXPECT_EQ(run().exit_code, 130);
  EXPECT_THAT(recorder_.events, Contains("lost worker-0 0/9"));
}

TEST_F(LocalJobTest, AProcessThatIsRefusedEndsTheJob) {
  set("BALLAST_FAKE_WORKER_0", "exit:3");
  set("BALLAST_FAKE_PS_0", "hold");
  const RunOutcome outcome = run();
  EXPECT_EQ(outcome.exit_code, 3);
  EXPECT_EQ(outcome.reason, "Refused");
  EXPECT_THAT(outcome.message, HasSubstr("worker-0"));
}

TEST_F(LocalJobTest, AKilledServerWithoutReplicasBringsTheJobBack) {
  set("BALLAST_FAKE_PS_0", "hold run");
  pid_t ps1 = 0;
  bool killed = false;
  recorder_.on_ready = [&](const ReadyFile& ready) {
    if (ready.name == "ps-1") ps1 = static_cast<pid_t>(ready.pid);
  };
  recorder_.on_tick = [&] {
    if (recorder_.last.report.step > 0 && !killed) {
      killed = true;
      ::kill(ps1, SIGKILL);
    } else if (std::count(recorder_.events.begin(), recorder_.events.end(), "term 2") > 0) {
      ::raise(SIGTERM);
    }
  };
  EXPECT_EQ(run().exit_code, 130);
  EXPECT_THAT(recorder_.events, Contains("lost ps-1 0/9"));
  EXPECT_THAT(recorder_.events, Contains("back to "));
}

TEST_F(LocalJobTest, WhatTheCoordinatorSaysIsTheReason) {
  set("BALLAST_FAKE_PS_0", "fail:not-finite");
  const RunOutcome outcome = run();
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_EQ(outcome.message, "not-finite");
}

TEST_F(LocalJobTest, GivesUpAfterTheBackoffLimit) {
  job_.spec.backoff_limit = 1;
  set("BALLAST_FAKE_PS_1", "broken:1");
  const RunOutcome outcome = run();
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_EQ(outcome.reason, "BackoffLimitExceeded");
}

TEST_F(LocalJobTest, TheSecondInterruptEndsAtOnce) {
  set("BALLAST_FAKE_PS_0", "hold");
  set("BALLAST_FAKE_WORKER_0", "stubborn");
  bool asked = false;
  recorder_.on_tick = [&] {
    if (recorder_.last.report.step > 0 && !asked) {
      asked = true;
      ::raise(SIGINT);
    } else if (asked) {
      ::raise(SIGINT);
    }
  };
  const RunOutcome outcome = run();
  EXPECT_EQ(outcome.exit_code, 130);
  EXPECT_EQ(outcome.reason, "Interrupted");
}

TEST_F(LocalJobTest, SaysWhichProgramIsMissing) {
  fs::remove(temporary_.path() / "ballast-worker");
  const RunOutcome outcome = run();
  EXPECT_EQ(outcome.reason, "Create");
  EXPECT_THAT(outcome.message, HasSubstr("ballast-worker"));
}

}  // namespace
}  // namespace ballast::local
