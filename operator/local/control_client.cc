#include "operator/local/control_client.h"

#include <fmt/format.h>
#include <grpc/grpc_security_constants.h>
#include <grpcpp/alarm.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/security/tls_credentials_options.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <utility>

#include "ballast/v1/control.grpc.pb.h"
#include "operator/local/control_events.h"
#include "operator/local/job_config.h"
#include "operator/local/parting_channels.h"

namespace ballast::local {
namespace {

using std::chrono::milliseconds;

constexpr uint32_t kProtocolVersion = 1;
constexpr milliseconds kFirstBackoff{20};
constexpr milliseconds kLongestBackoff{1'000};
constexpr int kConnectWithinMs = 3'000;  // handshake included
constexpr size_t kMaxWaitingEvents = 1'000;
constexpr int kMaxFrameBytes = 4 << 20;

// The name in the address is not compared with the certificate: addresses of pods come and go. What
// counts is ControlTls::server_uri, which is compared before anything but a Hello is said.
std::shared_ptr<grpc::ChannelCredentials> credentials_of(const certificates::Identity& identity) {
  grpc::experimental::TlsChannelCredentialsOptions options;
  options.set_certificate_provider(
      std::make_shared<grpc::experimental::StaticDataCertificateProvider>(
          identity.trusted, std::vector<grpc::experimental::IdentityKeyCertPair>{
                                {identity.own.key, identity.own.certificate}}));
  options.watch_root_certs();
  options.watch_identity_key_cert_pairs();
  options.set_check_call_host(false);
  options.set_certificate_verifier(std::make_shared<grpc::experimental::NoOpCertificateVerifier>());
  return grpc::experimental::TlsCredentials(options);
}

// "spiffe://..."; empty where the certificate has none, or several.
std::string uri_of(const grpc::ClientContext& context) {
  const auto found = context.auth_context()->FindPropertyValues(GRPC_PEER_SPIFFE_ID_PROPERTY_NAME);
  return found.size() == 1 ? std::string(found[0].data(), found[0].size()) : "";
}

bool refused_for_good(grpc::StatusCode code) {
  return code == grpc::StatusCode::FAILED_PRECONDITION ||
         code == grpc::StatusCode::PERMISSION_DENIED;
}

}  // namespace

// Who is called, one time after the other, on threads that gRPC shares among all calls of this
// process: a thousand jobs need no thousand threads. Those threads never wait for anything of ours;
// what may (an identity asks the API server) is done on the owner's.
class ControlClient::Session {
 public:
  explicit Session(ControlClientOptions options) : options_(std::move(options)) { call(); }

  ~Session() {
    std::unique_lock lock(mutex_);
    ended_ = true;
    if (calling_) call_->cancel();
    if (alarm_ != nullptr) alarm_->Cancel();
    quiet_.wait(lock, [this] { return busy_ == 0; });
    lock.unlock();
    end_call();
  }

  const ControlClientOptions& options() const { return options_; }

  std::vector<ControlEvent> take() {
    std::unique_lock lock(mutex_);
    const bool due = std::exchange(due_, false);
    lock.unlock();
    if (due) call();
    lock.lock();
    return std::exchange(events_, {});
  }

  void send(v1::Frame frame) {
    address(frame);
    const std::lock_guard lock(mutex_);
    if (!open_) return;
    outgoing_.push_back(std::move(frame));
    if (!writing_) write_next();
  }

 private:
  // From one Hello to the end of the stream. Deleted by the owner: gRPC's threads must not let go
  // of the last channel, whose end is theirs.
  class Call final : public grpc::ClientBidiReactor<v1::Frame, v1::Frame> {
   public:
    Call(Session& session, std::shared_ptr<grpc::Channel> channel, v1::Frame hello)
        : session_(session),
          channel_(std::move(channel)),
          stub_(v1::Control::NewStub(channel_)),
          written_(std::move(hello)) {}

    void begin() {
      stub_->async()->Session(&context_, this);
      AddHold();  // as long as others may write
      StartWrite(&written_);
      StartRead(&read_);
      StartCall();
    }
    void cancel() { context_.TryCancel(); }
    const std::shared_ptr<grpc::Channel>& channel() const { return channel_; }
    // None is under way.
    void write(v1::Frame frame) {
      written_ = std::move(frame);
      StartWrite(&written_);
    }

   private:
    void OnWriteDone(bool ok) override {
      if (ok) session_.wrote();  // a broken stream shows in reading
    }
    void OnReadDone(bool ok) override {
      if (!ok) {
        session_.closing();
        return RemoveHold();
      }
      if (greeted_) {
        if (auto event = event_of(read_)) session_.add(std::move(*event));
      } else if (read_.has_hello() && session_.known(context_)) {
        greeted_ = true;
        session_.opened(read_.from());
      } else {
        cancel();  // it would go on talking
      }
      StartRead(&read_);
    }
    void OnDone(const grpc::Status& status) override {
      session_.closed(session_.explained(status, context_));
    }

    Session& session_;  // outlives OnDone
    const std::shared_ptr<grpc::Channel> channel_;
    grpc::ClientContext context_;
    const std::unique_ptr<v1::Control::Stub> stub_;
    v1::Frame written_;
    v1::Frame read_;
    // gRPC calls back one after the other, on any of its threads. Atomic, so that what one has done
    // is there for the next by our own code as well, and not by its locks alone.
    std::atomic<bool> greeted_ = false;
  };

  // On the owner's thread.
  void call() {
    end_call();
    const auto channel = make_channel();
    {
      const std::lock_guard lock(mutex_);
      if (!channel) return begin_again_later({channel.error().message, false});
      ++busy_;
      call_ = std::make_unique<Call>(*this, *channel, hello());
      calling_ = true;
      writing_ = true;
    }
    call_->begin();  // gRPC takes a lock of its own there, for whose owner ours may be waited
  }

  // The call before has ended: nobody uses it.
  void end_call() {
    if (call_ == nullptr) return;
    auto channel = call_->channel();
    call_.reset();
    part_with(std::move(channel));
  }

  Result<std::shared_ptr<grpc::Channel>> make_channel() const {
    auto credentials = grpc::InsecureChannelCredentials();
    if (options_.tls) {
      const auto identity = options_.tls->identity();
      if (!identity) return tl::unexpected(identity.error());
      credentials = credentials_of(*identity);
    }
    grpc::ChannelArguments arguments;
    arguments.SetMaxReceiveMessageSize(kMaxFrameBytes);
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    // What we do not need, of a thousand connections: a call that breaks is begun anew by us.
    arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
    arguments.SetInt(GRPC_ARG_ENABLE_CHANNELZ, 0);
    arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, kConnectWithinMs);
    return grpc::CreateCustomChannel(options_.address, credentials, arguments);
  }

  void address(v1::Frame& frame) const {
    frame.mutable_from()->set_name("operator");
    frame.mutable_to()->set_name(options_.name);
    frame.mutable_to()->set_incarnation(options_.incarnation);
  }

  v1::Frame hello() const {
    v1::Frame frame;
    address(frame);
    frame.mutable_hello()->set_protocol(kProtocolVersion);
    frame.mutable_hello()->set_job_uid(options_.job_uid);
    frame.mutable_hello()->set_role(v1::ROLE_OPERATOR);
    frame.mutable_hello()->set_process_id(::getpid());
    return frame;
  }

  bool known(const grpc::ClientContext& context) const {
    return !options_.tls || uri_of(context) == options_.tls->server_uri;
  }

  grpc::Status explained(const grpc::Status& status, const grpc::ClientContext& context) const {
    if (!options_.tls || uri_of(context).empty() || known(context)) return status;
    // Not for good, whatever it said: who we look for may have the address again.
    return {grpc::StatusCode::UNAVAILABLE,
            fmt::format("at {} answers one whose certificate says '{}', expected '{}'",
                        options_.address, uri_of(context), options_.tls->server_uri)};
  }

  // What follows is called on gRPC's threads.

  void opened(const v1::ProcessId& peer) {
    {
      const std::lock_guard lock(mutex_);
      open_ = true;
      backoff_ = kFirstBackoff;
    }
    add(SessionOpened{peer.name(), peer.incarnation()});
  }

  void add(ControlEvent event) {
    {
      const std::lock_guard lock(mutex_);
      if (ended_) return;
      // Only the latest progress counts; a flood from a broken peer must not fill the memory.
      if (std::holds_alternative<Progress>(event) && !events_.empty() &&
          std::holds_alternative<Progress>(events_.back())) {
        events_.back() = std::move(event);
      } else if (events_.size() < kMaxWaitingEvents) {
        events_.push_back(std::move(event));
      }
    }
    options_.notify();
  }

  void wrote() {
    const std::lock_guard lock(mutex_);
    writing_ = false;
    if (open_ && !outgoing_.empty()) write_next();
  }

  // Nobody writes any more.
  void closing() {
    const std::lock_guard lock(mutex_);
    open_ = false;
    outgoing_.clear();
  }

  void closed(const grpc::Status& status) {
    {
      const std::lock_guard lock(mutex_);
      calling_ = false;
      begin_again_later({status.error_message(), refused_for_good(status.error_code())});
    }
    end_of_turn();
  }

  void is_due() {
    {
      const std::lock_guard lock(mutex_);
      due_ = true;
    }
    end_of_turn();
  }

  // The owner comes, and calls again where that is due; not for the end that it wanted itself, or
  // it would come for ever where it makes a client each time.
  void end_of_turn() {
    std::unique_lock lock(mutex_);
    if (!ended_) {
      lock.unlock();
      options_.notify();
      lock.lock();
    }
    --busy_;
    quiet_.notify_all();
  }

  // With mutex_ held, as what follows.
  void begin_again_later(SessionClosed why) {
    const bool again = !why.refused && !ended_;
    events_.emplace_back(std::move(why));
    if (!again) return;
    ++busy_;
    // A new one each time: the last word of the one before may be under way.
    alarm_ = std::make_unique<grpc::Alarm>();
    alarm_->Set(std::chrono::system_clock::now() + backoff_, [this](bool) { is_due(); });
    backoff_ = std::min(backoff_ * 2, kLongestBackoff);
  }

  void write_next() {
    writing_ = true;
    v1::Frame frame = std::move(outgoing_.front());
    outgoing_.pop_front();
    call_->write(std::move(frame));
  }

  const ControlClientOptions options_;
  std::mutex mutex_;
  std::condition_variable quiet_;
  std::vector<ControlEvent> events_;  // guarded by mutex_, as all below
  std::deque<v1::Frame> outgoing_;
  std::unique_ptr<Call> call_;  // under way while calling_
  bool calling_ = false;
  bool open_ = false;
  bool writing_ = false;
  milliseconds backoff_ = kFirstBackoff;
  std::unique_ptr<grpc::Alarm> alarm_;  // for the next call
  bool due_ = false;                    // the next call
  bool ended_ = false;                  // there is no next call
  int busy_ = 0;                        // calls and alarms whose last word is not said
};

ControlClient::ControlClient(ControlClientOptions options)
    : session_(std::make_unique<Session>(std::move(options))) {}
ControlClient::~ControlClient() = default;

const ControlClientOptions& ControlClient::options() const { return session_->options(); }
std::vector<ControlEvent> ControlClient::take() { return session_->take(); }

void ControlClient::send_appoint(const api::TrainingJob& job,
                                 const api::TrainingJobStatus& status) {
  v1::Frame frame;
  *frame.mutable_appoint() = appoint_message(job, status);
  session_->send(std::move(frame));
}

void ControlClient::send_members(const api::TrainingJobStatus& status) {
  v1::Frame frame;
  frame.mutable_members_changed()->set_term(status.term);
  *frame.mutable_members_changed()->mutable_members() = member_list(status);
  session_->send(std::move(frame));
}

void ControlClient::send_origin(const api::TrainingJobStatus& status) {
  v1::Frame frame;
  frame.mutable_origin_complete()->set_term(status.term);
  frame.mutable_origin_complete()->set_origin(status.origin);
  session_->send(std::move(frame));
}

void ControlClient::send_plan(const api::TrainingJob& job, const api::TrainingJobStatus& status) {
  v1::Frame frame;
  *frame.mutable_plan_changed() = plan_message(job, status);
  session_->send(std::move(frame));
}

void ControlClient::send_verify(uint64_t term, const std::string& path,
                                const std::string& directory) {
  v1::Frame frame;
  frame.mutable_verify_checkpoint()->set_term(term);
  frame.mutable_verify_checkpoint()->set_path(path);
  frame.mutable_verify_checkpoint()->set_directory(directory);
  session_->send(std::move(frame));
}

void ControlClient::send_delete(uint64_t term, const std::string& path,
                                const std::string& directory) {
  v1::Frame frame;
  frame.mutable_delete_checkpoint()->set_term(term);
  frame.mutable_delete_checkpoint()->set_path(path);
  frame.mutable_delete_checkpoint()->set_directory(directory);
  session_->send(std::move(frame));
}

void ControlClient::send_find(uint64_t term, const api::TrainingJob& job) {
  v1::Frame frame;
  frame.mutable_find_checkpoint()->set_term(term);
  frame.mutable_find_checkpoint()->set_path(job.spec.checkpoint.path);
  frame.mutable_find_checkpoint()->set_job_config(job_config_json(job));
  session_->send(std::move(frame));
}

}  // namespace ballast::local
