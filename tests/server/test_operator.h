// The operator's side of a job for tests: opens a control session to one server, appoints it,
// grants origins, and waits for the end. Blocking; one thread reads.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include <grpcpp/grpcpp.h>

#include "ballast/v1/control.grpc.pb.h"
#include "services/core/messages.h"
#include "services/transport/control_codec.h"

namespace ballast {

class TestOperator {
 public:
  TestOperator(
      const std::string& address, const std::string& job_uid,
      std::shared_ptr<grpc::ChannelCredentials> credentials = grpc::InsecureChannelCredentials())
      : stub_(v1::Control::NewStub(grpc::CreateChannel(address, credentials))) {
    stream_ = stub_->Session(&context_);
    const Hello hello{.from = {"operator", 0},
                      .protocol = kProtocolVersion,
                      .build = {},
                      .job_uid = job_uid,
                      .role = Role::kOperator,
                      .process_id = 1,
                      .address = {},
                      .session = 0};
    stream_->Write(encode_hello(hello, {}));
    v1::Frame answer;
    if (stream_->Read(&answer)) {
      peer_ = decode_hello(answer).value();
      reader_ = std::jthread([this] { read(); });
    } else {
      status_ = stream_->Finish();
    }
  }
  ~TestOperator() {
    context_.TryCancel();
    if (reader_.joinable()) reader_.join();
  }

  const std::optional<Hello>& peer() const { return peer_; }
  const grpc::Status& status() const { return status_; }

  void send(const Message& message) {
    stream_->Write(encode_frame({{"operator", 0}, peer_->from, message}));
  }

  // Makes the server coordinator of a job of `members`; origins are granted as they are asked for.
  void appoint(Term term, std::vector<Member> members, const TrainingSettings& training) {
    send(Appoint{.term = term,
                 .members = {.number = 1, .members = std::move(members)},
                 .plan = 1,
                 .start = StartKind::kInitialise,
                 .origin = 0,
                 .restore_from = {},
                 .training = training});
  }

  // The progress that ended the job; nullopt when it did not end in time.
  std::optional<Progress> wait_end(std::chrono::seconds limit) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, limit, [&] { return ended(); });
    return ended() ? last_ : std::nullopt;
  }
  std::optional<Progress> last() {
    const std::lock_guard lock(mutex_);
    return last_;
  }
  // Waits until `condition(progress)` holds for the latest progress.
  template <typename Condition>
  bool wait_until(std::chrono::seconds limit, Condition condition) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, limit, [&] { return last_ && condition(*last_); });
  }

 private:
  bool ended() const {
    return last_ && (last_->phase == JobPhase::kDone || last_->phase == JobPhase::kFailed);
  }
  void read() {
    v1::Frame frame;
    while (stream_->Read(&frame)) {
      const Result<Envelope> envelope = decode_frame(frame);
      if (!envelope) continue;
      if (const auto* ask = std::get_if<AskOrigin>(&envelope->message)) {
        send(OriginComplete{ask->term, ask->origin});
      }
      if (const auto* progress = std::get_if<Progress>(&envelope->message)) {
        const std::lock_guard lock(mutex_);
        last_ = *progress;
        changed_.notify_all();
      }
    }
  }

  std::unique_ptr<v1::Control::Stub> stub_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReaderWriter<v1::Frame, v1::Frame>> stream_;
  std::optional<Hello> peer_;
  grpc::Status status_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<Progress> last_;  // guarded by mutex_
  std::jthread reader_;
};

}  // namespace ballast
