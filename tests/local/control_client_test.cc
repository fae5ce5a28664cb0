// What a session leaves behind when it is let go: nothing. A real gRPC server, the real client.
#include "operator/local/control_client.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <thread>

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include "ballast/v1/control.grpc.pb.h"

namespace ballast::local {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using std::chrono::seconds;

// Answers a Hello, and then says nothing.
class Silent final : public v1::Control::Service {
 public:
  grpc::Status Session(grpc::ServerContext*,
                       grpc::ServerReaderWriter<v1::Frame, v1::Frame>* stream) override {
    v1::Frame frame;
    if (!stream->Read(&frame)) return grpc::Status::OK;
    ++greeted;
    v1::Frame hello;
    *hello.mutable_from() = frame.to();
    hello.mutable_hello()->set_role(v1::ROLE_SERVER);
    stream->Write(hello);
    if (refuses) return {grpc::StatusCode::UNAVAILABLE, "not now"};
    while (stream->Read(&frame)) {
    }
    return grpc::Status::OK;
  }
  std::atomic<bool> refuses = false;
  std::atomic<int> greeted = 0;
};

class ControlClientTest : public testing::Test {
 protected:
  ControlClientTest() {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port_);
    builder.RegisterService(&service_);
    server_ = builder.BuildAndStart();
  }
  ~ControlClientTest() override { server_->Shutdown(std::chrono::system_clock::now()); }

  std::unique_ptr<ControlClient> call() {
    ControlClientOptions options;
    options.name = "ps-0";
    options.incarnation = 1;
    options.address = "127.0.0.1:" + std::to_string(port_);
    options.notify = [this] { ++told_; };
    return std::make_unique<ControlClient>(std::move(options));
  }
  static int64_t descriptors() {
    const fs::directory_iterator all("/proc/self/fd");
    return std::distance(begin(all), end(all));
  }
  // Connections end a little after those who had them.
  void expect_no_more_than(int64_t most) {
    const auto limit = std::chrono::steady_clock::now() + seconds(60);
    while (descriptors() > most && std::chrono::steady_clock::now() < limit) {
      std::this_thread::sleep_for(milliseconds(20));  // sleeps: until it looks again
    }
    EXPECT_LE(descriptors(), most);
  }

  Silent service_;
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
  std::atomic<int> told_ = 0;
};

TEST_F(ControlClientTest, LeavesNoConnectionBehind) {
  { const auto warm = call(); }
  const int64_t before = descriptors();
  for (int i = 0; i < 2000; ++i) {
    const auto client = call();
    const std::chrono::microseconds moment(i % 150 * 10);
    std::this_thread::sleep_for(moment);  // sleeps: at all moments of a call
  }
  EXPECT_GT(service_.greeted, 0) << "some must have come through";
  expect_no_more_than(before + 8);
}

TEST_F(ControlClientTest, TellsNothingOfItsOwnEnd) {
  auto client = call();
  bool opened = false;
  const auto limit = std::chrono::steady_clock::now() + seconds(60);
  while (!opened && std::chrono::steady_clock::now() < limit) {
    for (const ControlEvent& event : client->take()) {
      opened = opened || std::holds_alternative<SessionOpened>(event);
    }
    std::this_thread::sleep_for(milliseconds(1));  // sleeps: until it looks again
  }
  ASSERT_TRUE(opened);
  const int told = told_;
  EXPECT_GT(told, 0);
  client.reset();
  EXPECT_EQ(told_, told);
}

// The machine takes the connections; the process behind them is stuck.
TEST_F(ControlClientTest, LeavesNoConnectionBehindWhereNobodyAnswers) {
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in here{};
  here.sin_family = AF_INET;
  here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof here;
  ASSERT_EQ(::bind(listener, reinterpret_cast<sockaddr*>(&here), size), 0);
  ASSERT_EQ(::listen(listener, 1000), 0);
  ASSERT_EQ(::getsockname(listener, reinterpret_cast<sockaddr*>(&here), &size), 0);
  port_ = ntohs(here.sin_port);
  { const auto warm = call(); }
  const int64_t before = descriptors();
  for (int i = 0; i < 200; ++i) {
    const auto client = call();
    std::this_thread::sleep_for(milliseconds(5));  // sleeps: at all moments of a call
  }
  expect_no_more_than(before + 8);
  ::close(listener);
}

TEST_F(ControlClientTest, LeavesNoConnectionBehindWhereItIsTurnedAway) {
  service_.refuses = true;
  { const auto warm = call(); }
  const int64_t before = descriptors();
  const auto client = call();
  const auto limit = std::chrono::steady_clock::now() + seconds(60);
  while (service_.greeted < 40 && std::chrono::steady_clock::now() < limit) {
    client->take();                                // which calls again where that is due
    std::this_thread::sleep_for(milliseconds(1));  // sleeps: until it looks again
  }
  EXPECT_GE(service_.greeted, 40);
  expect_no_more_than(before + 8);
}

}  // namespace
}  // namespace ballast::local
