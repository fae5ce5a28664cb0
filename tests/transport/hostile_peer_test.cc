// A peer that greets as it should and then sends what it must not: the session ends with a status
// that names what was wrong, nothing of it is delivered, and others are served as before.
#include <gmock/gmock.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/generic/generic_stub.h>

#include <chrono>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include "services/transport/control_codec.h"
#include "services/transport/data_header.h"
#include "services/transport/grpc_messages.h"
#include "services/transport/grpc_transport.h"
#include "tests/server/test_server.h"

namespace ballast {
namespace {

using ::testing::HasSubstr;

constexpr TimeMs kPatienceMs = 20000;
constexpr size_t kEncodingAt = 6;
constexpr size_t kJobAt = 8;
constexpr size_t kPayloadBytesAt = 32;

// One stream of a worker's session, written by hand.
class HandMadeStream {
 public:
  HandMadeStream(const std::string& address, const std::string& method) {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    arguments.SetMaxSendMessageSize(-1);
    stub_ = std::make_unique<grpc::GenericStub>(
        grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments));
    call_ = stub_->PrepareCall(&context_, method, &queue_);
    call_->StartCall(this);
  }
  ~HandMadeStream() {
    context_.TryCancel();
    queue_.Shutdown();
    void* tag = nullptr;
    bool ok = false;
    while (queue_.Next(&tag, &ok)) {
    }
  }

  // One operation at a time; done() becomes true when it is over.
  void write(const grpc::ByteBuffer& message) { call_->Write(message, begin()); }
  void read() { call_->Read(&received_, begin()); }
  void finish() { call_->Finish(&status_, begin()); }
  bool done() {
    void* tag = nullptr;
    bool ok = false;
    const auto now = std::chrono::system_clock::now();
    if (queue_.AsyncNext(&tag, &ok, now) == grpc::CompletionQueue::GOT_EVENT) pending_ = false;
    return !pending_;
  }
  const grpc::Status& status() const { return status_; }

 private:
  void* begin() {
    pending_ = true;
    return this;
  }
  grpc::CompletionQueue queue_;
  std::unique_ptr<grpc::GenericStub> stub_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::GenericClientAsyncReaderWriter> call_;
  grpc::ByteBuffer received_;
  grpc::Status status_;
  bool pending_ = true;
};

std::string bytes_of(const grpc::ByteBuffer& buffer) {
  std::vector<grpc::Slice> slices;
  EXPECT_TRUE(buffer.Dump(&slices).ok());
  std::string bytes;
  for (const grpc::Slice& slice : slices) {
    bytes.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  }
  return bytes;
}

grpc::ByteBuffer buffer_of(const std::string& bytes) {
  const grpc::Slice slice(bytes);
  return grpc::ByteBuffer(&slice, 1);
}

template <typename T>
std::string with(std::string bytes, size_t at, T value) {
  std::memcpy(bytes.data() + at, &value, sizeof value);
  return bytes;
}

class HostilePeer : public testing::Test {
 protected:
  HostilePeer() {
    TransportLimits limits;
    limits.control_frame_bytes = 4 << 20;
    server_ = make_grpc_transport({.self = self_,
                                   .listen = folder_.socket("ps.sock"),
                                   .advertise = {},
                                   .security = {},
                                   .limits = limits})
                  .value();
  }

  // Polls the server meanwhile.
  bool wait_for(HandMadeStream& stream) {
    const auto limit = std::chrono::steady_clock::now() + std::chrono::milliseconds(kPatienceMs);
    while (!stream.done()) {
      if (std::chrono::steady_clock::now() > limit) return false;
      for (const TransportEvent& event : server_->poll(2)) {
        up_ += std::holds_alternative<PeerUp>(event) ? 1 : 0;
        delivered_ += std::holds_alternative<Arrived>(event) ? 1 : 0;
      }
    }
    return true;
  }

  void greet() {
    Hello hello = test_hello("worker-0", "job", Role::kWorker);
    hello.session = 77;
    worker_ = hello.from;
    const grpc::ByteBuffer frame = to_buffer(encode_hello(hello, {}));
    const auto open = [&](std::optional<HandMadeStream>& stream, const char* method,
                          const grpc::ByteBuffer& first) {
      stream.emplace(server_->address(), method);
      ASSERT_TRUE(wait_for(*stream));
      stream->write(first);
      ASSERT_TRUE(wait_for(*stream));
      stream->read();  // its Hello
      ASSERT_TRUE(wait_for(*stream));
    };
    open(control_, "/ballast.v1.Control/Session", frame);
    open(data_, "/ballast.v1.Data/Stream", hello_to_data(job_hash("job"), hello, frame));
    ASSERT_EQ(up_, 1);
  }

  // A message that would be taken: a push of 16 elements.
  std::string push() const {
    const std::vector<float> values(16, 1.0F);
    const DataHeader header{.job_hash = job_hash("job"),
                            .from_incarnation = worker_.incarnation,
                            .to_incarnation = self_.from.incarnation,
                            .encoding = Encoding::kDenseFp32,
                            .payload_bytes = 64,
                            .hello = false,
                            .message = Push{},
                            .header_bytes = 0};
    return bytes_of(to_buffer(header, {.values = values, .owner = {}}));
  }

  // What the server says when it has cut the stream off.
  grpc::Status answer_to(HandMadeStream& stream, const std::string& message) {
    stream.write(buffer_of(message));
    EXPECT_TRUE(wait_for(stream));
    stream.finish();
    EXPECT_TRUE(wait_for(stream));
    return stream.status();
  }

  void expect_cut_off(const std::string& message, const std::string& why) {
    greet();
    const grpc::Status status = answer_to(*data_, message);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
    EXPECT_THAT(status.error_message(), HasSubstr(why));
    EXPECT_EQ(delivered_, 0);
    EXPECT_EQ(server_->counters().refused_messages, 1u);
    control_.reset();
    data_.reset();
    greet_again();
  }

  void greet_again() {
    up_ = 0;
    greet();
  }

  TestFolder folder_;
  const Hello self_ = test_hello("ps-0", "job", Role::kServer);
  std::unique_ptr<Transport> server_;
  ProcessId worker_;
  std::optional<HandMadeStream> control_;
  std::optional<HandMadeStream> data_;
  int up_ = 0;
  int delivered_ = 0;
};

TEST_F(HostilePeer, WhatIsRightIsDelivered) {
  greet();
  data_->write(buffer_of(push()));
  ASSERT_TRUE(wait_for(*data_));
  data_->read();
  const auto limit = std::chrono::steady_clock::now() + std::chrono::milliseconds(kPatienceMs);
  while (delivered_ == 0 && std::chrono::steady_clock::now() < limit) {
    for (const TransportEvent& event : server_->poll(2)) {
      delivered_ += std::holds_alternative<Arrived>(event) ? 1 : 0;
    }
  }
  EXPECT_EQ(delivered_, 1);
}

TEST_F(HostilePeer, AnUnknownEncoding) {
  expect_cut_off(with(push(), kEncodingAt, uint8_t{3}), "data header byte 6");
}

TEST_F(HostilePeer, APayloadLongerThanAPiece) {
  expect_cut_off(with(push(), kPayloadBytesAt, uint32_t{(1 << 20) + 4}), "data header byte 32");
}

TEST_F(HostilePeer, APayloadOfAnotherLengthThanAnnounced) {
  expect_cut_off(push() + "four", "data header byte 32");
}

TEST_F(HostilePeer, AMessageThatEndsInItsHeader) {
  expect_cut_off(push().substr(0, 50), "the message ends in its header");
}

TEST_F(HostilePeer, AnotherJobsMessage) {
  expect_cut_off(with(push(), kJobAt, job_hash("another")), "another job");
}

TEST_F(HostilePeer, ADamagedControlFrame) {
  greet();
  const grpc::Status status = answer_to(*control_, std::string(100, '\xff'));
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(delivered_, 0);
}

TEST_F(HostilePeer, AMessageBeyondTheLimit) {
  greet();
  const grpc::Status status = answer_to(*data_, std::string(5 << 20, 'x'));
  EXPECT_FALSE(status.ok());
  EXPECT_EQ(delivered_, 0);
  control_.reset();
  data_.reset();
  greet_again();
}

}  // namespace
}  // namespace ballast
