#include "services/transport/grpc_transport.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include <fmt/format.h>
#include <google/protobuf/stubs/logging.h>
#include <grpc/support/log.h>
#include <grpcpp/alarm.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include "common/address.h"
#include "common/check.h"
#include "common/random_id.h"
#include "common/unix_time.h"
#include "services/transport/control_codec.h"
#include "services/transport/data_header.h"
#include "services/transport/grpc_credentials.h"
#include "services/transport/grpc_link.h"
#include "services/transport/grpc_messages.h"

namespace ballast {
namespace {

constexpr std::string_view kControlMethod = "/ballast.v1.Control/Session";
constexpr std::string_view kDataMethod = "/ballast.v1.Data/Stream";
constexpr int kCompletionsPerPoll = 32;
constexpr size_t kMaxWaiting = 4096;         // sends to a peer whose session is not up yet
constexpr TimeMs kForgetIdlePeerMs = 30000;  // a peer that cannot be reached and gets no sends

TimeMs now_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

// Said to a process whose life was taken out of the job, and to nobody else.
constexpr grpc::StatusCode kExpelled = grpc::StatusCode::NOT_FOUND;

bool refused_for_good(grpc::StatusCode code) {
  switch (code) {
    case grpc::StatusCode::PERMISSION_DENIED:
    case grpc::StatusCode::UNAUTHENTICATED:
    case grpc::StatusCode::FAILED_PRECONDITION:
    case grpc::StatusCode::INVALID_ARGUMENT:
    case grpc::StatusCode::UNIMPLEMENTED:
    case kExpelled:
      return true;
    default:
      return false;
  }
}

// A peer that this process calls, again and again.
struct Target {
  std::string address;
  bool keep = false;  // connect() asked for it
  bool refused = false;
  TimeMs next_attempt_ms = 0;
  TimeMs backoff_ms = 0;
  TimeMs last_send_ms = 0;
  std::string failure;
  struct Session* session = nullptr;
  struct Waiting {
    ProcessId to;
    Message message;
    OutgoingPayload payload;
  };
  std::deque<Waiting> waiting;
};

// A control stream and, but for operators, a data stream with one peer.
struct Session {
  uint64_t nonce = 0;
  Target* target = nullptr;  // where we are the caller
  Link* control = nullptr;
  Link* data = nullptr;
  bool control_greeted = false;  // the other's Hello was taken
  bool data_greeted = false;
  std::optional<Hello> peer;
  bool up = false;
  bool closing = false;
  TimeMs born_ms = 0;
  std::string reason;  // why it closes
  bool refused = false;
};

class GrpcTransport final : public Transport, public LinkOwner {
 public:
  GrpcTransport(TransportOptions options, Credentials credentials)
      : options_(std::move(options)),
        credentials_(std::move(credentials)),
        job_hash_(job_hash(options_.self.job_uid)),
        certificate_(options_.security.tls_certificate),
        wake_tag_([this](bool) { wake_pending_.store(false); }) {}
  ~GrpcTransport() override;

  Result<void> start();
  const std::string& address() const override { return options_.self.address; }
  void connect(const std::string& address) override;
  void learn(const ProcessId& id, const std::string& address) override;
  void expel(const ProcessId& id) override;
  void send(const ProcessId& to, const Message& message, OutgoingPayload payload) override;
  std::vector<TransportEvent> poll(TimeMs timeout_ms) override;
  void wake() override;
  const TransportCounters& counters() const override { return counters_; }
  std::string last_failure(const std::string& address) const override;

 private:
  void link_opened(Link& link) override;
  void link_received(Link& link, grpc::ByteBuffer message) override;
  void link_closed(Link& link, const grpc::Status& status) override;

  void accept_next();
  void accepted(ServerLink& link, bool ok);
  void open_session(Target& target, TimeMs now);
  void greet(Session& session, Link& link, const Hello& hello);
  void take_hello(Link& link, const grpc::ByteBuffer& message);
  Result<Hello> read_hello(bool data, const grpc::ByteBuffer& message) const;
  Result<void> check_peer(const Link& link, const Hello& peer, bool we_called) const;
  Result<void> check_called(const Link& link, const std::string& address) const;
  void rise(Session& session);
  void fall(Session& session, grpc::Status status);
  void deliver(Session& session, Link& link, grpc::ByteBuffer message);
  void transmit(Session& session, const Message& message, OutgoingPayload payload);
  Session* route(const ProcessId& to);
  Target& target_for(const std::string& address);
  TimeMs run_timers(TimeMs now);
  void sweep();

  TransportOptions options_;
  Credentials credentials_;
  uint64_t job_hash_;
  CertificateWatch certificate_;
  TimeMs next_look_ms_ = 0;  // at our certificate
  TransportCounters counters_;
  std::vector<TransportEvent> events_;

  std::unique_ptr<grpc::CompletionQueue> own_queue_;  // when it does not listen
  std::unique_ptr<grpc::ServerCompletionQueue> server_queue_;
  grpc::CompletionQueue* queue_ = nullptr;
  grpc::AsyncGenericService service_;
  std::unique_ptr<grpc::Server> server_;

  std::map<const Link*, std::unique_ptr<Link>> links_;
  std::map<const Link*, Session*> session_of_;
  std::set<const Link*> data_links_;
  std::map<const Link*, TimeMs> unknown_;  // accepted, no Hello yet: since when
  std::map<const Session*, std::unique_ptr<Session>> sessions_;
  std::map<ProcessId, Session*> peers_;  // those that are up
  std::map<std::string, Target> targets_;
  std::map<ProcessId, std::string> known_;
  std::map<std::string, std::string> latest_;  // of any life of a name
  std::set<ProcessId> expelled_;
  ServerLink* listening_ = nullptr;
  bool stopping_ = false;

  std::atomic<bool> wake_pending_{false};
  Completion wake_tag_;
  grpc::Alarm alarm_;
};

// ---- beginning and end
// --------------------------------------------------------------------------------

Result<void> GrpcTransport::start() {
  if (options_.listen.empty()) {
    own_queue_ = std::make_unique<grpc::CompletionQueue>();
    queue_ = own_queue_.get();
    return {};
  }
  const bool local = is_unix_address(options_.listen);
  if (local) {
    if (auto prepared = prepare_unix_socket(options_.listen); !prepared) return prepared;
  }
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort(options_.listen,
                           !local && credentials_.server_tls ? credentials_.server_tls
                                                             : grpc::InsecureServerCredentials(),
                           &port);
  builder.RegisterAsyncGenericService(&service_);
  set_server_arguments(builder, options_.limits);
  server_queue_ = builder.AddCompletionQueue();
  queue_ = server_queue_.get();
  server_ = builder.BuildAndStart();
  if (server_ == nullptr || port == 0) {
    return fail(ErrorCode::kAlreadyExists,
                fmt::format("cannot listen at {}: the address is in use or not of this machine",
                            options_.listen));
  }
  options_.self.address = options_.listen;
  if (!local) {
    HostPort listening = *parse_host_port(options_.listen);
    listening.port = static_cast<uint16_t>(port);
    options_.self.address = to_string(listening);
  }
  if (!options_.advertise.empty()) options_.self.address = options_.advertise;
  accept_next();
  return {};
}

GrpcTransport::~GrpcTransport() {
  stopping_ = true;
  if (queue_ == nullptr) return;
  for (auto& [key, link] : links_) link->abandon();
  if (server_) server_->Shutdown(std::chrono::system_clock::now());
  alarm_.Cancel();
  queue_->Shutdown();
  void* tag = nullptr;
  bool ok = false;
  while (queue_->Next(&tag, &ok)) (*static_cast<Completion*>(tag))(ok);
  links_.clear();
}

// ---- polling
// ------------------------------------------------------------------------------------------

void GrpcTransport::wake() {
  if (!wake_pending_.exchange(true)) {
    alarm_.Set(queue_, gpr_inf_past(GPR_CLOCK_MONOTONIC), &wake_tag_);  // now would be rounded up
  }
}

std::vector<TransportEvent> GrpcTransport::poll(TimeMs timeout_ms) {
  const TimeMs now = now_ms();
  const TimeMs due = run_timers(now);
  TimeMs wait_ms = std::max<TimeMs>(0, std::min(timeout_ms, due - now));
  if (!events_.empty()) wait_ms = 0;
  // What came is handed over at once: looking for more does I/O, which would let senders wait for
  // their answers until nothing more comes.
  for (int i = 0; i < kCompletionsPerPoll && (i == 0 || events_.empty()); ++i) {
    void* tag = nullptr;
    bool ok = false;
    const auto deadline = std::chrono::system_clock::now() + std::chrono::milliseconds(wait_ms);
    if (queue_->AsyncNext(&tag, &ok, deadline) != grpc::CompletionQueue::GOT_EVENT) break;
    wait_ms = 0;
    (*static_cast<Completion*>(tag))(ok);
  }
  sweep();
  counters_.sessions = peers_.size();
  counters_.queued_bytes = 0;
  for (const auto& [key, link] : links_) counters_.queued_bytes += link->queued_bytes();
  return std::exchange(events_, {});
}

// Opens what is due, closes what said nothing; returns when to look again.
TimeMs GrpcTransport::run_timers(TimeMs now) {
  TimeMs due = now + 1000;
  if (now >= next_look_ms_) {
    next_look_ms_ = now + options_.limits.reload_ms;
    if (auto news = certificate_.look(unix_now_ms())) events_.push_back(std::move(*news));
  }
  for (auto it = targets_.begin(); it != targets_.end();) {
    Target& target = it->second;
    const bool idle =
        !target.keep && target.session == nullptr && now - target.last_send_ms > kForgetIdlePeerMs;
    if (idle) {
      it = targets_.erase(it);
      continue;
    }
    ++it;
    if (target.session != nullptr || target.refused) continue;
    if (target.next_attempt_ms <= now) {
      open_session(target, now);
    } else {
      due = std::min(due, target.next_attempt_ms);
    }
  }
  for (const auto& [link, since] : unknown_) {
    if (now - since > options_.limits.hello_ms && !link->closing()) {
      ++counters_.refused_peers;
      links_.at(link)->close({grpc::StatusCode::DEADLINE_EXCEEDED, "no Hello came"});
    }
  }
  for (auto& [key, session] : sessions_) {
    if (!session->up && !session->closing && now - session->born_ms > options_.limits.hello_ms) {
      fall(*session, {grpc::StatusCode::DEADLINE_EXCEEDED, "no Hello came"});
    }
  }
  return due;
}

void GrpcTransport::sweep() {
  std::erase_if(links_, [](const auto& entry) { return entry.second->idle(); });
  std::erase_if(sessions_, [](const auto& entry) {
    return entry.second->control == nullptr && entry.second->data == nullptr;
  });
}

// ---- calling
// ------------------------------------------------------------------------------------------

Target& GrpcTransport::target_for(const std::string& address) {
  Target& target = targets_[address];
  target.address = address;
  return target;
}

void GrpcTransport::connect(const std::string& address) { target_for(address).keep = true; }

void GrpcTransport::learn(const ProcessId& id, const std::string& address) {
  const auto [known, new_life] = known_.insert_or_assign(id, address);
  latest_[id.name] = address;
  const auto target = targets_.find(address);
  if (new_life && target != targets_.end()) {
    target->second.backoff_ms = 0;
    target->second.next_attempt_ms = 0;
  }
}

std::string GrpcTransport::last_failure(const std::string& address) const {
  const auto found = targets_.find(address);
  return found == targets_.end() ? "" : found->second.failure;
}

void GrpcTransport::open_session(Target& target, TimeMs now) {
  if (auto sound = check_security(options_.security, target.address); !sound) {
    target.refused = true;
    target.failure = sound.error().message;
    events_.push_back(PeerRefused{target.address, sound.error().message});
    return;
  }
  auto session = std::make_unique<Session>();
  session->nonce = random_id();
  session->target = &target;
  session->born_ms = now;
  target.session = session.get();
  const auto credentials = !is_unix_address(target.address) && credentials_.client_tls
                               ? credentials_.client_tls
                               : grpc::InsecureChannelCredentials();
  for (bool data : {false, true}) {
    auto link = std::make_unique<CallerLink>(
        *this,
        grpc::CreateCustomChannel(target.address, credentials, caller_arguments(options_.limits)));
    CallerLink& made = *link;
    (data ? session->data : session->control) = &made;
    session_of_[&made] = session.get();
    if (data) data_links_.insert(&made);
    links_.emplace(&made, std::move(link));
    made.open(std::string(data ? kDataMethod : kControlMethod), queue_);
  }
  sessions_.emplace(session.get(), std::move(session));
}

void GrpcTransport::link_opened(Link& link) {
  Session& session = *session_of_.at(&link);
  greet(session, link, options_.self);
}

// Sends our Hello.
void GrpcTransport::greet(Session& session, Link& link, const Hello& hello) {
  Hello mine = hello;
  mine.session = session.nonce;
  const ProcessId to = session.peer ? session.peer->from : ProcessId{};
  grpc::ByteBuffer frame = to_buffer(encode_hello(mine, to));
  link.send(data_links_.contains(&link) ? hello_to_data(job_hash_, mine, frame) : frame);
}

// ---- serving
// ------------------------------------------------------------------------------------------

void GrpcTransport::accept_next() {
  if (stopping_) return;
  auto link = std::make_unique<ServerLink>(*this);
  listening_ = link.get();
  links_.emplace(link.get(), std::move(link));
  listening_->accept(service_, server_queue_.get(),
                     [this](ServerLink& made, bool ok) { accepted(made, ok); });
}

void GrpcTransport::accepted(ServerLink& link, bool ok) {
  if (!ok || stopping_) return;
  accept_next();
  if (link.method() != kControlMethod && link.method() != kDataMethod) {
    return link.close({grpc::StatusCode::UNIMPLEMENTED, "no such method"});
  }
  if (unknown_.size() >= options_.limits.sessions || sessions_.size() >= options_.limits.sessions) {
    ++counters_.refused_peers;
    return link.close(
        {grpc::StatusCode::RESOURCE_EXHAUSTED,
         fmt::format("{} has {} sessions already", options_.self.from.name, sessions_.size())});
  }
  if (link.method() == kDataMethod) data_links_.insert(&link);
  unknown_[&link] = now_ms();
}

// ---- Hello
// --------------------------------------------------------------------------------------------

Result<Hello> GrpcTransport::read_hello(bool data, const grpc::ByteBuffer& message) const {
  v1::Frame frame;
  if (data) {
    Result<DataMessage> parsed = parse_data(message);
    if (!parsed) return tl::unexpected(parsed.error());
    if (!parsed->header.hello) return fail(ErrorCode::kCorrupt, "the first message is no Hello");
    if (!parse_frame(parsed->payload, frame))
      return fail(ErrorCode::kCorrupt, "the Hello is damaged");
  } else if (!parse_frame(message, frame)) {
    return fail(ErrorCode::kCorrupt, "the first frame is damaged");
  }
  return decode_hello(frame);
}

Result<void> GrpcTransport::check_peer(const Link& link, const Hello& peer, bool we_called) const {
  if (auto sound = check_hello(options_.self, peer); !sound) return sound;
  if (we_called && peer.role != Role::kServer) {
    return fail(ErrorCode::kDenied, fmt::format("{} is no server", peer.from.name));
  }
  const std::string& at = we_called ? session_of_.at(&link)->target->address : options_.listen;
  const auto certificate = peer_identity(options_.security, at, link.auth_context().get());
  if (!certificate) return tl::unexpected(certificate.error());
  return *certificate ? check_identity(**certificate, peer) : Result<void>{};
}

// Over TLS, whatever it says: is it a server of our job that answers where we called? Another is
// not refused for good, since addresses of pods come and go.
Result<void> GrpcTransport::check_called(const Link& link, const std::string& address) const {
  const auto found = peer_identity(options_.security, address, link.auth_context().get());
  if (found && !*found) return {};
  const auto told = [&](const std::string& who) {
    return fail(ErrorCode::kUnavailable,
                fmt::format("at {} answers {}, expected a server of job '{}'", address, who,
                            options_.self.job_uid));
  };
  if (!found) return told("somebody else: " + found.error().message);
  const PeerIdentity& other = **found;
  if (other.role == Role::kServer && other.job_uid == options_.self.job_uid) return {};
  return told(
      fmt::format("a {} of job '{}', by its certificate", to_string(other.role), other.job_uid));
}

void GrpcTransport::take_hello(Link& link, const grpc::ByteBuffer& message) {
  const auto known = session_of_.find(&link);
  const bool we_called = known != session_of_.end();
  const bool data = data_links_.contains(&link);
  if (we_called) {
    if (auto ours = check_called(link, known->second->target->address); !ours) {
      ++counters_.refused_peers;
      return fall(*known->second, {grpc::StatusCode::UNAVAILABLE, ours.error().message});
    }
  }
  Result<Hello> hello = read_hello(data, message);
  Result<void> sound = hello ? check_peer(link, *hello, we_called) : tl::unexpected(hello.error());
  if (sound && we_called && known->second->peer && known->second->peer->from != hello->from) {
    sound = fail(ErrorCode::kConflict, "two processes answered at one address");
  }
  if (sound && expelled_.contains(hello->from)) {
    ++counters_.refused_peers;
    const grpc::Status status(
        kExpelled, fmt::format("this life of {} was removed from the job", hello->from.name));
    // Another life may answer there later: it is not the address that is refused.
    if (we_called) return fall(*known->second, {grpc::StatusCode::ABORTED, status.error_message()});
    return link.close(status);
  }
  if (!sound) {
    ++counters_.refused_peers;
    const grpc::Status status(sound.error().code == ErrorCode::kDenied
                                  ? grpc::StatusCode::PERMISSION_DENIED
                                  : grpc::StatusCode::INVALID_ARGUMENT,
                              sound.error().message);
    if (we_called) {
      known->second->refused = sound.error().code == ErrorCode::kDenied;
      return fall(*known->second, status);
    }
    return link.close(status);
  }
  Session* session = we_called ? known->second : nullptr;
  if (!we_called) {
    unknown_.erase(&link);
    for (auto& [key, candidate] : sessions_) {
      if (candidate->target == nullptr && !candidate->closing &&
          candidate->nonce == hello->session && candidate->peer->from == hello->from &&
          hello->session != 0) {
        session = candidate.get();
      }
    }
    if (session == nullptr) {
      auto made = std::make_unique<Session>();
      session = made.get();
      session->nonce = hello->session;
      session->born_ms = now_ms();
      sessions_.emplace(session, std::move(made));
    }
    Link*& slot = data ? session->data : session->control;
    if (slot != nullptr) return link.close({grpc::StatusCode::ALREADY_EXISTS, "a second stream"});
    slot = &link;
    session_of_[&link] = session;
  }
  session->peer = *hello;
  (data ? session->data_greeted : session->control_greeted) = true;
  if (!we_called) greet(*session, link, options_.self);
  const bool complete =
      session->control_greeted && (session->data_greeted || hello->role == Role::kOperator);
  if (complete && !session->up) rise(*session);
}

void GrpcTransport::rise(Session& session) {
  const ProcessId id = session.peer->from;
  // Another life under the same name, or a session that broke without our notice, is over. Two
  // servers may call each other: both sessions live, the later one carries what we send.
  for (auto& [key, other] : sessions_) {
    if (other.get() == &session || !other->up || other->closing) continue;
    const bool same_name = other->peer->from.name == id.name;
    const bool same_side = (other->target == nullptr) == (session.target == nullptr);
    if (same_name && (other->peer->from.incarnation != id.incarnation || same_side)) {
      fall(*other, {grpc::StatusCode::ABORTED, "replaced by a newer session"});
    }
  }
  session.up = true;
  const bool first = !peers_.contains(id);
  peers_[id] = &session;
  if (first) events_.push_back(PeerUp{*session.peer});
  if (session.target == nullptr) return;
  session.target->backoff_ms = 0;
  session.target->failure.clear();
  for (Target::Waiting& waiting : std::exchange(session.target->waiting, {})) {
    const bool meant = waiting.to.incarnation == id.incarnation || waiting.to.incarnation == 0;
    if (meant) {
      transmit(session, waiting.message, std::move(waiting.payload));
    } else {
      ++counters_.dropped_sends;
    }
  }
}

// ---- the end of a session
// -------------------------------------------------------------------------------

void GrpcTransport::fall(Session& session, grpc::Status status) {
  if (session.closing) return;
  session.closing = true;
  session.reason = status.error_message();
  if (session.up) {
    const ProcessId id = session.peer->from;
    if (peers_.at(id) == &session) {
      peers_.erase(id);
      for (auto& [key, other] : sessions_) {
        if (other->up && !other->closing && other->peer->from == id) peers_[id] = other.get();
      }
      if (!peers_.contains(id)) events_.push_back(PeerDown{id, session.reason});
    }
  }
  if (session.target != nullptr) {
    Target& target = *session.target;
    target.session = nullptr;
    target.failure = session.reason;
    target.refused = session.refused || refused_for_good(status.error_code());
    const TransportLimits& limits = options_.limits;
    target.backoff_ms = std::clamp(target.backoff_ms * 2, limits.connect_backoff_first_ms,
                                   limits.connect_backoff_last_ms);
    target.next_attempt_ms = now_ms() + target.backoff_ms;
    if (target.refused) {
      counters_.dropped_sends += target.waiting.size();
      target.waiting.clear();
      events_.push_back(
          PeerRefused{target.address, session.reason, status.error_code() == kExpelled});
    }
    session.target = nullptr;
  }
  if (session.control != nullptr) session.control->close(status);
  if (session.data != nullptr) session.data->close(status);
}

void GrpcTransport::link_closed(Link& link, const grpc::Status& status) {
  unknown_.erase(&link);
  data_links_.erase(&link);
  const auto found = session_of_.find(&link);
  if (found == session_of_.end()) return;
  Session& session = *found->second;
  session_of_.erase(found);
  (session.control == &link ? session.control : session.data) = nullptr;
  if (session.target != nullptr && refused_for_good(status.error_code())) {
    if (auto ours = check_called(link, session.target->address); !ours) {
      return fall(session, {grpc::StatusCode::UNAVAILABLE, ours.error().message});
    }
  }
  fall(session,
       status.ok() ? grpc::Status(grpc::StatusCode::UNAVAILABLE, "the other end closed") : status);
}

void GrpcTransport::expel(const ProcessId& id) {
  expelled_.insert(id);
  known_.erase(id);
  for (auto& [key, session] : sessions_) {
    if (session->closing || !session->peer || session->peer->from != id) continue;
    const bool serving = session->target == nullptr;
    fall(*session, {serving ? kExpelled : grpc::StatusCode::ABORTED,
                    fmt::format("this life of {} was removed from the job", id.name)});
  }
}

// ---- messages
// -------------------------------------------------------------------------------------------

void GrpcTransport::link_received(Link& link, grpc::ByteBuffer message) {
  counters_.bytes_in += message.Length();
  const auto found = session_of_.find(&link);
  const bool greeted =
      found != session_of_.end() &&
      (data_links_.contains(&link) ? found->second->data_greeted : found->second->control_greeted);
  if (!greeted) return take_hello(link, message);
  deliver(*found->second, link, message);
}

void GrpcTransport::deliver(Session& session, Link& link, grpc::ByteBuffer message) {
  const auto refuse = [&](grpc::StatusCode code, const std::string& text) {
    ++counters_.refused_messages;
    fall(session, {code, text});
  };
  Arrived arrived;
  if (data_links_.contains(&link)) {
    Result<DataMessage> parsed = parse_data(message);
    if (!parsed) return refuse(grpc::StatusCode::INVALID_ARGUMENT, parsed.error().message);
    if (parsed->header.hello || parsed->header.job_hash != job_hash_) {
      return refuse(grpc::StatusCode::INVALID_ARGUMENT,
                    "data header: another job's, or a second Hello");
    }
    arrived.envelope.from = session.peer->from;
    arrived.envelope.to = options_.self.from;
    if (parsed->header.from_incarnation != session.peer->from.incarnation ||
        parsed->header.to_incarnation != options_.self.from.incarnation) {
      ++counters_.misdirected;
      return;
    }
    arrived.envelope.message = std::move(parsed->header.message);
    arrived.payload = std::move(parsed->payload);
  } else {
    v1::Frame frame;
    if (!parse_frame(message, frame)) {
      return refuse(grpc::StatusCode::INVALID_ARGUMENT, "a control frame is damaged");
    }
    Result<Envelope> envelope = decode_frame(frame);
    if (!envelope) return refuse(grpc::StatusCode::INVALID_ARGUMENT, envelope.error().message);
    if (envelope->from != session.peer->from || envelope->to != options_.self.from) {
      ++counters_.misdirected;
      return;
    }
    arrived.envelope = std::move(*envelope);
  }
  if (!may_send(session.peer->role, arrived.envelope.message)) {
    return refuse(grpc::StatusCode::PERMISSION_DENIED,
                  fmt::format("a {} may not send {}", to_string(session.peer->role),
                              message_name(arrived.envelope.message)));
  }
  ++counters_.messages_in;
  events_.push_back(std::move(arrived));
}

Session* GrpcTransport::route(const ProcessId& to) {
  if (const auto exact = peers_.find(to); exact != peers_.end()) return exact->second;
  if (to.incarnation != 0) return nullptr;
  const auto named = peers_.lower_bound(to);
  if (named != peers_.end() && named->first.name == to.name) return named->second;
  const auto target = targets_.find(to.name);
  const bool up =
      target != targets_.end() && target->second.session != nullptr && target->second.session->up;
  return up ? target->second.session : nullptr;
}

void GrpcTransport::send(const ProcessId& to, const Message& message, OutgoingPayload payload) {
  if (Session* session = route(to); session != nullptr) {
    if (session->target != nullptr) session->target->last_send_ms = now_ms();
    return transmit(*session, message, std::move(payload));
  }
  // No session: to a server whose address is known, one is opened.
  std::string address;
  if (const auto known = known_.find(to); known != known_.end()) address = known->second;
  if (address.empty() && targets_.contains(to.name)) address = to.name;
  if (address.empty() && to.incarnation == 0 && latest_.contains(to.name)) {
    address = latest_[to.name];
  }
  if (address.empty()) {
    ++counters_.dropped_sends;
    return;
  }
  Target& target = target_for(address);
  target.last_send_ms = now_ms();
  if (target.refused || target.waiting.size() >= kMaxWaiting) {
    ++counters_.dropped_sends;
    return;
  }
  target.waiting.push_back({to, message, std::move(payload)});
}

Encoding encoding_of(const OutgoingPayload& payload) {
  if (payload.bytes().empty()) return Encoding::kNone;
  return payload.precision() == Precision::kBf16 ? Encoding::kDenseBf16 : Encoding::kDenseFp32;
}

void GrpcTransport::transmit(Session& session, const Message& message, OutgoingPayload payload) {
  const bool data = is_data(message);
  Link* link = data ? session.data : session.control;
  if (link == nullptr || link->queued_bytes() > options_.limits.queued_bytes_per_peer) {
    ++counters_.dropped_sends;
    return;
  }
  grpc::ByteBuffer buffer;
  if (data) {
    const size_t payload_bytes = payload.bytes().size();
    DataHeader header{.job_hash = job_hash_,
                      .from_incarnation = options_.self.from.incarnation,
                      .to_incarnation = session.peer->from.incarnation,
                      .encoding = encoding_of(payload),
                      .payload_bytes = static_cast<uint32_t>(payload_bytes),
                      .hello = false,
                      .message = message,
                      .header_bytes = 0};
    CHECK(payload_bytes <= kMaxPieceBytes);
    buffer = to_buffer(header, std::move(payload));
  } else {
    buffer = to_buffer(encode_frame({options_.self.from, session.peer->from, message}));
  }
  ++counters_.messages_out;
  counters_.bytes_out += buffer.Length();
  link->send(buffer);
}

// gRPC and protobuf log to stderr in their own words, between our lines: only when somebody asks.
void keep_grpc_quiet() {
  static const bool done = [] {
    if (std::getenv("GRPC_VERBOSITY") == nullptr) {
      gpr_set_log_function([](gpr_log_func_args*) {});
      google::protobuf::SetLogHandler(nullptr);
    }
    return true;
  }();
  (void)done;
}

}  // namespace

Result<std::unique_ptr<Transport>> make_grpc_transport(TransportOptions options) {
  keep_grpc_quiet();
  if (!options.listen.empty()) {
    if (auto sound = check_security(options.security, options.listen); !sound) {
      return tl::unexpected(sound.error());
    }
  }
  Result<Credentials> credentials = load_credentials(options.security, options.limits.reload_ms);
  if (!credentials) return tl::unexpected(credentials.error());
  auto transport = std::make_unique<GrpcTransport>(std::move(options), std::move(*credentials));
  if (auto started = transport->start(); !started) return tl::unexpected(started.error());
  return transport;
}

}  // namespace ballast
