#include "services/client/client.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include <fmt/format.h>

#include "common/check.h"
#include "common/random_id.h"
#include "services/client/find_servers.h"
#include "services/client/partial_sums.h"
#include "services/core/tree.h"
#include "services/core/worker_state.h"
#include "services/transport/grpc_transport.h"

namespace ballast {
namespace {

constexpr TimeMs kTickMs = 20;

template <typename... Ts>
struct Overloaded : Ts... {
  using Ts::operator()...;
};
template <typename... Ts>
Overloaded(Ts...) -> Overloaded<Ts...>;  // clang 14 does not deduce it

TimeMs now_us() {
  return std::chrono::duration_cast<std::chrono::microseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

// Adds the time it lives to a sum that one thread writes and others read.
class Stopwatch {
 public:
  explicit Stopwatch(std::atomic<int64_t>& sum_us) : sum_us_(sum_us), start_us_(now_us()) {}
  ~Stopwatch() { sum_us_ += now_us() - start_us_; }

 private:
  std::atomic<int64_t>& sum_us_;
  TimeMs start_us_;
};

struct WorkInHand {
  uint64_t epoch = 0;  // see epoch_
  Work work;
  std::vector<TreeNode> nodes;
};

// What the caller's thread hands to the network's thread.
struct Command {
  Event event;
  Block block;         // of a ContributionReady or an InitialReady
  uint64_t epoch = 0;  // of the work that it comes from
};

class BlockingClient final : public Client {
 public:
  // `names`: of the servers whose addresses stand in the options.
  BlockingClient(ClientOptions options, const std::vector<std::string>& names, JobIdentity identity,
                 InitialValues initial_values, std::unique_ptr<Transport> transport);
  ~BlockingClient() override;
  Result<void> wait_joined();

  std::span<const float> parameters() const override { return arena(); }
  Next next_work() override;
  Wait wait_parameters(uint64_t begin, uint64_t end) override;
  bool abandoned() const override;
  std::span<float> begin_microbatch(Microbatch v, uint64_t tokens, double loss_sum) override;
  void finished(uint64_t begin, uint64_t end) override;
  void end_microbatch() override;
  void evaluation_done(uint32_t index, double loss_sum, uint64_t tokens) override;
  void leave() override { post({.event = LeaveRequested{}, .block = {}}); }
  uint64_t incarnation() const override { return options_.incarnation; }
  ClientStatistics statistics() const override;

 private:
  std::span<float> arena() const { return {arena_.get(), segments_.elements}; }
  std::span<float> arena(SegmentId segment) const {
    return arena().subspan(segments_.begin(segment), segments_.size(segment));
  }
  void post(Command command);
  void make_initial(const std::vector<SegmentId>& segments);
  void segment_done(SegmentId segment);

  // The network's thread.
  void run(const std::stop_token& stop);
  void take(TransportEvent event);
  void take_message(const Arrived& arrived);
  bool fits(const PullReply& reply, const ReceivedPayload& payload) const;
  void step(const Event& event, const ReceivedPayload& payload);
  void seek_servers();
  void perform(const Effects& effects, const ReceivedPayload& payload);
  void send(const Send& effect);
  void observe(const ProcessId& from, const Message& message, const ReceivedPayload& payload);
  void accept_parameters(const AcceptParameters& effect, const ReceivedPayload& payload);
  void begin_work(const BeginWork& effect);
  void end(End how);
  OutgoingPayload payload_of(const PayloadSource& source);

  const ClientOptions options_;
  const Segments segments_;
  const InitialValues initial_values_;
  std::unique_ptr<float[], void (*)(float*)> arena_;
  std::unique_ptr<float[], void (*)(float*)> gradient_;
  std::unique_ptr<Transport> transport_;  // the network's thread, but for wake()

  // The caller's thread.
  PartialSums sums_;
  std::optional<WorkInHand> in_hand_;
  bool in_microbatch_ = false;
  std::vector<uint32_t> left_;  // elements of each segment that are not final yet
  Step last_step_ = ~Step{0};

  // The network's thread.
  WorkerMachine machine_;
  std::map<std::pair<TreeNode, SegmentId>, Block> kept_;
  Step kept_step_ = 0;
  std::map<SegmentId, Block> initial_;  // values of version 0, until there is work
  std::map<std::pair<TreeNode, SegmentId>, TimeMs> push_started_us_;
  std::map<SegmentId, TimeMs> pull_started_us_;

  // Between both.
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Command> commands_;           // guarded by mutex_
  std::deque<WorkInHand> works_;           // guarded by mutex_
  std::vector<SegmentId> initial_wanted_;  // guarded by mutex_
  std::optional<End> end_;                 // guarded by mutex_
  bool joined_ = false;                    // guarded by mutex_
  std::optional<Step> reading_;            // guarded by mutex_: the version the caller reads
  struct Deferred {
    SegmentId segment = 0;
    Step version = 0;
    ReceivedPayload payload;
  };
  std::vector<Deferred> deferred_;         // guarded by mutex_: arrived while another is read
  std::vector<Step> have_;                 // guarded by mutex_: version + 1 by segment; 0: none
  std::atomic<Step> gone_below_{0};        // work of lower steps is pointless
  std::atomic<Step> hand_step_{~Step{0}};  // of the work in hand; all ones: none
  std::atomic<uint64_t> epoch_{0};         // grows when the job goes back: steps come again
  std::atomic<uint64_t> hand_epoch_{0};
  std::atomic<bool> ended_{false};

  std::atomic<uint64_t> bytes_pushed_{0};
  std::atomic<uint64_t> bytes_pulled_{0};
  std::atomic<uint64_t> steps_{0};
  std::atomic<int64_t> waiting_us_{0};
  std::atomic<int64_t> pulling_us_{0};
  std::atomic<int64_t> pushing_us_{0};

  std::optional<bool> sought_;            // the network's thread: what was last said to lookup_
  std::unique_ptr<ServerLookup> lookup_;  // none: the servers have no names
  std::jthread thread_;                   // last: ends before anything else does
};

std::unique_ptr<float[], void (*)(float*)> allocate(uint64_t elements) {
  const size_t bytes = (elements * sizeof(float) + 4095) / 4096 * 4096;
  auto* memory = static_cast<float*>(std::aligned_alloc(4096, bytes));
  CHECK(memory != nullptr);
  return {memory, [](float* released) { std::free(released); }};
}

std::vector<Member> to_members(const std::vector<std::string>& addresses) {
  std::vector<Member> members;
  for (const std::string& address : addresses) {
    members.push_back({.id = {.name = address, .incarnation = 0}, .address = address, .node = {}});
  }
  return members;
}

std::unique_ptr<ServerLookup> look_up_again(const std::vector<std::string>& names,
                                            ServerLookup::Found found) {
  if (std::all_of(names.begin(), names.end(), is_unix_address)) return nullptr;
  return std::make_unique<ServerLookup>(names, system_name_service(), std::move(found));
}

BlockingClient::BlockingClient(ClientOptions options, const std::vector<std::string>& names,
                               JobIdentity identity, InitialValues initial_values,
                               std::unique_ptr<Transport> transport)
    : options_(std::move(options)),
      segments_{.elements = identity.layout.elements,
                .segment_elements = options_.segment_elements},
      initial_values_(std::move(initial_values)),
      arena_(allocate(segments_.elements)),
      gradient_(allocate(segments_.elements)),
      transport_(std::move(transport)),
      sums_(segments_, options_.microbatches),
      left_(segments_.count()),
      machine_({.name = options_.name, .incarnation = options_.incarnation},
               to_members(options_.servers), std::move(identity), options_.microbatches,
               options_.segment_elements, options_.build, options_.protocol),
      have_(segments_.count()),
      lookup_(look_up_again(names,
                            [this](const std::vector<std::string>& addresses) {
                              post({.event = ServersFound{to_members(addresses)}, .block = {}});
                            })),
      thread_([this](const std::stop_token& stop) { run(stop); }) {}

BlockingClient::~BlockingClient() {
  thread_.request_stop();
  transport_->wake();
  thread_.join();
}

// ---- the caller's thread
// --------------------------------------------------------------------------------

void BlockingClient::post(Command command) {
  {
    const std::lock_guard lock(mutex_);
    commands_.push_back(std::move(command));
  }
  transport_->wake();
}

Result<void> BlockingClient::wait_joined() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return joined_ || end_.has_value(); });
  if (!end_) return {};
  if (end_->refused) return fail(ErrorCode::kDenied, end_->reason);
  if (end_->failed) return fail(ErrorCode::kUnavailable, end_->reason);
  return {};  // the job is over; next_work says so
}

void BlockingClient::make_initial(const std::vector<SegmentId>& segments) {
  for (SegmentId segment : segments) {
    // Not in the arena: another worker may have been first, and what is pulled lands there.
    Block values = std::make_shared_for_overwrite<float[]>(segments_.size(segment));
    initial_values_(segments_.begin(segment), {values.get(), segments_.size(segment)});
    post({.event = InitialReady{segment}, .block = std::move(values)});
  }
}

Next BlockingClient::next_work() {
  const Stopwatch stopwatch(waiting_us_);
  in_hand_.reset();
  hand_step_.store(~Step{0});
  in_microbatch_ = false;
  sums_.drop();
  std::unique_lock lock(mutex_);
  reading_.reset();
  for (Deferred& deferred : std::exchange(deferred_, {})) {
    copy_payload(arena(deferred.segment), deferred.payload);
    have_[deferred.segment] = deferred.version + 1;
  }
  for (;;) {
    changed_.wait(lock, [&] { return end_ || !works_.empty() || !initial_wanted_.empty(); });
    if (end_) return *end_;
    if (!initial_wanted_.empty()) {
      const std::vector<SegmentId> segments = std::exchange(initial_wanted_, {});
      lock.unlock();
      make_initial(segments);
      lock.lock();
      continue;
    }
    in_hand_ = std::move(works_.front());
    works_.pop_front();
    reading_ = in_hand_->work.step;
    hand_step_.store(in_hand_->work.step);
    hand_epoch_.store(in_hand_->epoch);
    if (in_hand_->work.step != last_step_) ++steps_;
    last_step_ = in_hand_->work.step;
    return in_hand_->work;
  }
}

bool BlockingClient::abandoned() const {
  return ended_.load() || gone_below_.load() > hand_step_.load() ||
         epoch_.load() != hand_epoch_.load();
}

Wait BlockingClient::wait_parameters(uint64_t begin, uint64_t end) {
  CHECK(in_hand_ && begin <= end && end <= segments_.elements);
  if (begin == end) return abandoned() ? Wait::kGone : Wait::kReady;
  const Stopwatch stopwatch(pulling_us_);
  const SegmentId first = segments_.of(begin);
  const SegmentId last = segments_.of(end - 1);
  const Step wanted = in_hand_->work.step + 1;
  std::unique_lock lock(mutex_);
  SegmentId segment = first;
  for (;;) {
    if (abandoned()) return Wait::kGone;
    while (segment <= last && have_[segment] == wanted) ++segment;
    if (segment > last) return Wait::kReady;
    changed_.wait(lock);
  }
}

std::span<float> BlockingClient::begin_microbatch(Microbatch v, uint64_t tokens, double loss_sum) {
  CHECK(in_hand_ && !in_microbatch_);
  const TreeNode leaf_node = leaf(v, options_.microbatches);
  const auto node = std::find_if(in_hand_->nodes.begin(), in_hand_->nodes.end(),
                                 [&](TreeNode n) { return contains(n, leaf_node); });
  CHECK(node != in_hand_->nodes.end());
  CHECK(sums_.begin(*node, v, {.loss = loss_sum, .tokens = tokens}));
  for (SegmentId segment = 0; segment < left_.size(); ++segment) {
    left_[segment] = segments_.size(segment);
  }
  in_microbatch_ = true;
  return {gradient_.get(), segments_.elements};
}

void BlockingClient::segment_done(SegmentId segment) {
  if (abandoned()) return;
  const std::span<const float> gradient{gradient_.get() + segments_.begin(segment),
                                        segments_.size(segment)};
  std::optional<Block> whole = sums_.add(segment, gradient);
  if (!whole) return;
  post({.event = ContributionReady{.step = in_hand_->work.step,
                                   .node = sums_.node(),
                                   .segment = segment,
                                   .sum = sums_.node_sum()},
        .block = std::move(*whole),
        .epoch = in_hand_->epoch});
}

void BlockingClient::finished(uint64_t begin, uint64_t end) {
  CHECK(in_microbatch_ && begin <= end && end <= segments_.elements);
  const Stopwatch stopwatch(pushing_us_);
  while (begin < end) {
    const SegmentId segment = segments_.of(begin);
    const uint64_t stop = std::min(end, segments_.begin(segment) + segments_.size(segment));
    const uint64_t count = stop - begin;
    CHECK(count <= left_[segment]);
    left_[segment] -= static_cast<uint32_t>(count);
    if (left_[segment] == 0) segment_done(segment);
    begin = stop;
  }
}

void BlockingClient::end_microbatch() {
  CHECK(in_microbatch_);
  const Stopwatch stopwatch(pushing_us_);
  in_microbatch_ = false;
  for (SegmentId segment = static_cast<SegmentId>(left_.size()); segment-- > 0;) {
    if (left_[segment] > 0) segment_done(segment);
  }
}

void BlockingClient::evaluation_done(uint32_t index, double loss_sum, uint64_t tokens) {
  CHECK(in_hand_);
  post({.event = EvaluationReady{.version = in_hand_->work.step,
                                 .index = index,
                                 .sum = {.loss = loss_sum, .tokens = tokens}},
        .block = {}});
}

ClientStatistics BlockingClient::statistics() const {
  const auto seconds = [](const std::atomic<int64_t>& us) {
    return static_cast<double>(us.load()) * 1e-6;
  };
  return {.bytes_pushed = bytes_pushed_.load(),
          .bytes_pulled = bytes_pulled_.load(),
          .steps = steps_.load(),
          .seconds_waiting = seconds(waiting_us_),
          .seconds_pulling = seconds(pulling_us_),
          .seconds_pushing = seconds(pushing_us_)};
}

// ---- the network's thread
// -------------------------------------------------------------------------------

void BlockingClient::run(const std::stop_token& stop) {
  for (const std::string& address : options_.servers) transport_->connect(address);
  perform(machine_.start(now_us() / 1000), {});
  TimeMs next_tick_ms = 0;
  while (!stop.stop_requested()) {
    const TimeMs now = now_us() / 1000;
    if (now >= next_tick_ms) {
      next_tick_ms = now + kTickMs;
      step(Tick{}, {});
    }
    for (TransportEvent& event : transport_->poll(std::max<TimeMs>(0, next_tick_ms - now))) {
      take(std::move(event));
    }
    std::deque<Command> commands;
    {
      const std::lock_guard lock(mutex_);
      commands.swap(commands_);
    }
    for (Command& command : commands) {
      if (const auto* ready = std::get_if<ContributionReady>(&command.event)) {
        if (ready->step < gone_below_.load() || command.epoch != epoch_.load()) continue;
        if (ready->step != kept_step_) kept_.clear();
        kept_step_ = ready->step;
        kept_[{ready->node, ready->segment}] = std::move(command.block);
      } else if (const auto* initial = std::get_if<InitialReady>(&command.event)) {
        initial_[initial->segment] = std::move(command.block);
      } else if (const auto* found = std::get_if<ServersFound>(&command.event)) {
        for (const Member& server : found->servers) transport_->connect(server.address);
      }
      step(command.event, {});
    }
  }
}

void BlockingClient::take(TransportEvent event) {
  std::visit(Overloaded{[&](Arrived& arrived) { take_message(arrived); }, [&](PeerUp&) {},
                        [&](PeerDown& down) {
                          if (options_.observer != nullptr)
                            options_.observer->fact("server lost", down.reason);
                          step(PeerLost{down.peer}, {});
                        },
                        [&](PeerRefused& refused) {
                          if (options_.observer != nullptr) {
                            options_.observer->fact("refused by a server", refused.reason);
                          }
                          const std::lock_guard lock(mutex_);
                          if (!joined_) {
                            end({.failed = true,
                                 .refused = true,
                                 .reason = fmt::format("{}: {}", refused.address, refused.reason)});
                          }
                        },
                        [&](CertificateNews& news) {
                          if (options_.observer != nullptr) options_.observer->certificate(news);
                        }},
             event);
}

void BlockingClient::take_message(const Arrived& arrived) {
  const Message& message = arrived.envelope.message;
  if (const auto* reply = std::get_if<PullReply>(&message)) {
    if (!fits(*reply, arrived.payload)) return;
  }
  if (const auto* update = std::get_if<MapUpdate>(&message)) {
    for (const Member& server : update->map.servers) {
      if (!server.address.empty()) transport_->learn(server.id, server.address);
    }
  }
  if (const auto* redirect = std::get_if<Redirect>(&message)) {
    if (redirect->coordinator && !redirect->coordinator->address.empty()) {
      transport_->learn(redirect->coordinator->id, redirect->coordinator->address);
    }
  }
  observe(arrived.envelope.from, message, arrived.payload);
  step(Received{arrived.envelope}, arrived.payload);
}

// Values of another precision would be others than those that the job's other workers compute on.
bool BlockingClient::fits(const PullReply& reply, const ReceivedPayload& payload) const {
  if (reply.segment >= segments_.count()) return false;
  if (reply.status != DataStatus::kOk) return payload.bytes() == 0;
  return payload.precision == options_.protocol.precision &&
         payload.bytes() == segments_.size(reply.segment) * bytes_per_element(payload.precision);
}

void BlockingClient::step(const Event& event, const ReceivedPayload& payload) {
  perform(machine_.step(event, now_us() / 1000), payload);
  seek_servers();
  if (joined_ || !machine_.state().joined) return;  // joined_ is written here alone
  const std::lock_guard lock(mutex_);
  joined_ = true;
  changed_.notify_all();
}

void BlockingClient::seek_servers() {
  const bool sought = !machine_.state().joined;
  if (lookup_ == nullptr || sought_ == sought) return;
  sought_ = sought;
  lookup_->seek(sought);
}

void BlockingClient::perform(const Effects& effects, const ReceivedPayload& payload) {
  for (const Effect& effect : effects) {
    if (const auto* out = std::get_if<Send>(&effect)) {
      send(*out);
    } else if (const auto* accept = std::get_if<AcceptParameters>(&effect)) {
      accept_parameters(*accept, payload);
    } else if (const auto* work = std::get_if<BeginWork>(&effect)) {
      begin_work(*work);
    } else if (const auto* discard = std::get_if<Discard>(&effect)) {
      if (kept_step_ < discard->step || discard->all) kept_.clear();
      push_started_us_.clear();
      pull_started_us_.clear();
      const std::lock_guard lock(mutex_);
      if (discard->all) {
        ++epoch_;
        works_.clear();
        deferred_.clear();
        std::fill(have_.begin(), have_.end(), Step{0});
      }
      gone_below_.store(discard->step);
      std::erase_if(works_, [&](const WorkInHand& w) { return w.work.step < discard->step; });
      changed_.notify_all();
    } else if (const auto* make = std::get_if<MakeInitial>(&effect)) {
      const std::lock_guard lock(mutex_);
      initial_wanted_.insert(initial_wanted_.end(), make->segments.begin(), make->segments.end());
      changed_.notify_all();
    } else if (const auto* ended = std::get_if<WorkerEnd>(&effect)) {
      std::string reason = ended->reason;
      if (ended->failed && !ended->refused && machine_.state().term == 0) {
        for (const std::string& address : options_.servers) {
          const std::string failure = transport_->last_failure(address);
          if (!failure.empty()) reason += fmt::format("; {}: {}", address, failure);
        }
      }
      const std::lock_guard lock(mutex_);
      end({.failed = ended->failed, .refused = ended->refused, .reason = reason});
    } else if (const auto* refused = std::get_if<FactRefused>(&effect)) {
      if (options_.observer != nullptr) options_.observer->fact("refused", refused->what);
    }
  }
}

// With mutex_ held.
void BlockingClient::end(End how) {
  if (end_) return;
  end_ = std::move(how);
  ended_.store(true);
  changed_.notify_all();
}

void BlockingClient::begin_work(const BeginWork& effect) {
  WorkInHand made{
      .epoch = epoch_.load(),
      .work = {.step = effect.step, .microbatches = {}, .evaluations = effect.evaluations},
      .nodes = effect.nodes};
  for (TreeNode node : effect.nodes) {
    const Microbatch first = first_microbatch(node, options_.microbatches);
    for (uint32_t i = 0; i < microbatch_count(node, options_.microbatches); ++i) {
      made.work.microbatches.push_back(first + i);
    }
  }
  initial_.clear();  // every segment has a version 0
  const std::lock_guard lock(mutex_);
  works_.push_back(std::move(made));
  changed_.notify_all();
}

void BlockingClient::accept_parameters(const AcceptParameters& effect,
                                       const ReceivedPayload& payload) {
  {
    // What the caller reads is never overwritten: it waits until the caller asks for work again.
    const std::lock_guard lock(mutex_);
    if (reading_ && (*reading_ != effect.version || hand_epoch_.load() != epoch_.load())) {
      deferred_.push_back({effect.segment, effect.version, payload});
      return;
    }
  }
  copy_payload(arena(effect.segment), payload, copy_kind(segments_.elements));
  const std::lock_guard lock(mutex_);
  have_[effect.segment] = effect.version + 1;
  changed_.notify_all();
}

OutgoingPayload BlockingClient::payload_of(const PayloadSource& source) {
  if (const auto* from = std::get_if<FromContribution>(&source)) {
    const auto found = kept_.find({from->node, from->segment});
    if (found == kept_.end() || from->step != kept_step_) return {};
    return {.values = {found->second.get(), segments_.size(from->segment)}, .owner = found->second};
  }
  if (const auto* from = std::get_if<FromInitial>(&source)) {
    const auto found = initial_.find(from->segment);
    if (found == initial_.end()) return {};
    return {.values = {found->second.get(), segments_.size(from->segment)}, .owner = found->second};
  }
  return {};
}

void BlockingClient::send(const Send& effect) {
  OutgoingPayload payload = payload_of(effect.payload);
  if (const auto* push = std::get_if<Push>(&effect.message)) {
    if (payload.values.empty()) return;  // discarded meanwhile
    bytes_pushed_ += payload.values.size_bytes();
    push_started_us_[{push->node, push->segment}] = now_us();
  } else if (std::holds_alternative<PushInitial>(effect.message)) {
    if (payload.values.empty()) return;  // there is a version 0 already
  } else if (const auto* pull = std::get_if<Pull>(&effect.message)) {
    pull_started_us_[pull->segment] = now_us();
  }
  transport_->send(effect.to, effect.message, std::move(payload));
}

void BlockingClient::observe(const ProcessId&, const Message& message,
                             const ReceivedPayload& payload) {
  const auto finish = [&](auto& started, const auto& key) -> std::optional<double> {
    const auto found = started.find(key);
    if (found == started.end()) return std::nullopt;
    const double seconds = static_cast<double>(now_us() - found->second) * 1e-6;
    started.erase(found);
    return seconds;
  };
  if (const auto* ack = std::get_if<PushAck>(&message);
      ack != nullptr && ack->segment < segments_.count()) {
    const auto seconds = finish(push_started_us_, std::pair(ack->node, ack->segment));
    if (seconds && options_.observer != nullptr) {
      options_.observer->pushed(*seconds, segments_.size(ack->segment) * sizeof(float));
    }
  } else if (const auto* reply = std::get_if<PullReply>(&message);
             reply != nullptr && reply->status == DataStatus::kOk) {
    bytes_pulled_ += payload.bytes();
    const auto seconds = finish(pull_started_us_, reply->segment);
    if (seconds && options_.observer != nullptr) {
      options_.observer->pulled(*seconds, payload.bytes());
    }
  }
}

// Workers that get other parameters compute other bits, whatever they compute with.
std::string numerics_of(Precision precision) {
  return precision == Precision::kFp32 ? "" : fmt::format(" parameters:{}", to_string(precision));
}

Result<void> check_options(const ClientOptions& options, const JobIdentity& identity) {
  const auto invalid = [](std::string text) { return fail(ErrorCode::kInvalid, std::move(text)); };
  if (options.name.empty()) return invalid("the worker has no name");
  if (options.servers.empty()) return invalid("no server address is given");
  if (options.microbatches == 0 || options.microbatches > kMaxMicrobatches ||
      (options.microbatches & (options.microbatches - 1)) != 0) {
    return invalid(fmt::format("microbatches is {}, expected a power of two up to {}",
                               options.microbatches, kMaxMicrobatches));
  }
  if (options.segment_elements == 0 || options.segment_elements > kDefaultSegmentElements ||
      options.segment_elements % kTensorAlignment != 0) {
    return invalid(fmt::format("segment_elements is {}, expected a multiple of {} up to {}",
                               options.segment_elements, kTensorAlignment,
                               kDefaultSegmentElements));
  }
  if (auto sound = check_layout(identity.layout); !sound) return sound;
  if (layout_hash(identity.layout) != identity.layout_hash) {
    return invalid("layout_hash is not the hash of the layout");
  }
  for (const std::string& address : options.servers) {
    if (auto sound = check_security(options.security, address); !sound) return sound;
  }
  return {};
}

}  // namespace

ClientPlan plan_client(uint64_t arena_elements, uint32_t microbatches) {
  uint64_t levels = 1;
  for (uint32_t count = microbatches; count > 1; count /= 2) ++levels;
  const uint64_t bytes = arena_elements * sizeof(float);
  // A node of 2^k microbatches holds at most k waiting sums and one that is being completed.
  return {.parameters = bytes,
          .gradient = bytes,
          .partial_sums = std::max<uint64_t>(levels - 1, 1) * bytes};
}

Result<std::unique_ptr<Client>> Client::join(ClientOptions options, JobIdentity identity,
                                             InitialValues initial_values) {
  if (auto sound = check_options(options, identity); !sound) return tl::unexpected(sound.error());
  if (options.incarnation == 0) options.incarnation = random_id();
  identity.numerics_fingerprint += numerics_of(options.protocol.precision);
  const std::vector<std::string> names = options.servers;
  options.servers = find_servers(names, system_name_service());
  TransportOptions transport_options{
      .self = {.from = {.name = options.name, .incarnation = options.incarnation},
               .protocol = kProtocolVersion,
               .build = options.build,
               .job_uid = options.job_uid,
               .role = Role::kWorker,
               .process_id = ::getpid(),
               .address = {},
               .session = 0},
      .listen = {},
      .advertise = {},
      .security = options.security,
      .limits = {}};
  Result<std::unique_ptr<Transport>> transport = make_grpc_transport(std::move(transport_options));
  if (!transport) return tl::unexpected(transport.error());
  auto client = std::make_unique<BlockingClient>(std::move(options), names, std::move(identity),
                                                 std::move(initial_values), std::move(*transport));
  if (auto joined = client->wait_joined(); !joined) return tl::unexpected(joined.error());
  return client;
}

}  // namespace ballast
