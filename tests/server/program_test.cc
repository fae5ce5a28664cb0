// ballast-ps as a process: its ready-file, its health, its refusals and its exit codes.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>

#include <chrono>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "tests/server/test_operator.h"
#include "tests/server/test_server.h"

namespace ballast {
namespace {

constexpr std::chrono::seconds kLimit{30};

class Process {
 public:
  Process(const std::vector<std::string>& arguments, const std::filesystem::path& log) {
    pid_ = ::fork();
    if (pid_ != 0) return;
    const int out = ::open(log.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    ::dup2(out, 1);
    ::dup2(out, 2);
    std::vector<char*> argv = {const_cast<char*>(BALLAST_PS)};
    for (const std::string& argument : arguments)
      argv.push_back(const_cast<char*>(argument.c_str()));
    argv.push_back(nullptr);
    ::execv(BALLAST_PS, argv.data());
    ::_exit(127);
  }
  ~Process() {
    if (!done_) {
      ::kill(pid_, SIGKILL);
      (void)exit_code();
    }
  }
  void signal(int number) { ::kill(pid_, number); }
  int exit_code() {
    int status = 0;
    ::waitpid(pid_, &status, 0);
    done_ = true;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }

 private:
  pid_t pid_ = 0;
  bool done_ = false;
};

std::string read(const std::filesystem::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

class BallastPs : public testing::Test {
 protected:
  std::vector<std::string> arguments(const std::string& listen) {
    return {"--name",           "ps-0",
            "--job-uid",        "job-1",
            "--listen",         listen,
            "--metrics-listen", "127.0.0.1:0",
            "--ready-file",     (folder_.path() / "ready").string()};
  }
  std::filesystem::path log() const { return folder_.path() / "log"; }
  nlohmann::json wait_ready() {
    const auto limit = std::chrono::steady_clock::now() + kLimit;
    while (!std::filesystem::exists(folder_.path() / "ready")) {
      if (std::chrono::steady_clock::now() > limit) {
        ADD_FAILURE() << "not ready: " << read(log());
        return {};
      }
      std::this_thread::yield();
    }
    return nlohmann::json::parse(read(folder_.path() / "ready"));
  }
  TestFolder folder_;
};

TEST_F(BallastPs, SaysWhereItListensAndEndsOnRequest) {
  Process process(arguments(folder_.socket("ps.sock")), log());
  const nlohmann::json ready = wait_ready();
  EXPECT_EQ(ready.at("name"), "ps-0");
  EXPECT_EQ(ready.at("address"), folder_.socket("ps.sock"));
  {
    TestOperator controller(ready.at("address"), "job-1");
    ASSERT_TRUE(controller.peer()) << controller.status().error_message();
    EXPECT_EQ(controller.peer()->from.incarnation, ready.at("incarnation").get<uint64_t>());
  }
  process.signal(SIGTERM);
  EXPECT_EQ(process.exit_code(), 130) << read(log());
  // Every line it wrote is a JSON object.
  std::ifstream lines(log());
  for (std::string line; std::getline(lines, line);) {
    EXPECT_TRUE(nlohmann::json::accept(line)) << line;
  }
}

TEST_F(BallastPs, RefusesAnOperatorOfAnotherJob) {
  Process process(arguments(folder_.socket("ps.sock")), log());
  const nlohmann::json ready = wait_ready();
  TestOperator controller(ready.at("address"), "job-2");
  EXPECT_FALSE(controller.peer());
  EXPECT_EQ(controller.status().error_code(), grpc::StatusCode::PERMISSION_DENIED);
  EXPECT_NE(controller.status().error_message().find("job 'job-2'"), std::string::npos);
}

TEST_F(BallastPs, BadFlagsAreNeverToBeRetried) {
  EXPECT_EQ(Process({"--no-such-flag"}, log()).exit_code(), 2);
  EXPECT_EQ(Process({"--name", "ps-0"}, log()).exit_code(), 2);
  EXPECT_EQ(Process(arguments("127.0.0.1:0"), log()).exit_code(), 2);
  EXPECT_NE(read(log()).find("trusted"), std::string::npos);
  EXPECT_EQ(Process(arguments("unix:relative"), log()).exit_code(), 2);
}

TEST_F(BallastPs, ASocketThatIsTakenIsSaidSo) {
  const TestServer first("ps-9", "job-1", folder_.socket("ps.sock"));
  Process second(arguments(folder_.socket("ps.sock")), log());
  EXPECT_EQ(second.exit_code(), 1);
  EXPECT_NE(read(log()).find("a live process listens at"), std::string::npos) << read(log());
}

}  // namespace
}  // namespace ballast
