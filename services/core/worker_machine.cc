#include "services/core/worker_machine.h"

#include "services/core/worker_state.h"
#include "services/core/worker_steps.h"

namespace ballast {
namespace worker {
namespace {

struct Dispatch {
  Run& run;
  const ProcessId& from;
  void operator()(const JoinAccepted& m) { on_join_accepted(run, from, m); }
  void operator()(const JoinRefused& m) { on_join_refused(run, m); }
  void operator()(const Redirect& m) { on_redirect(run, m); }
  void operator()(const MapUpdate& m) { on_map(run, from, m); }
  void operator()(const Assignment& m) { on_assignment(run, from, m); }
  void operator()(const Finish& m) { on_finish(run, from, m); }
  void operator()(const PushAck& m) { on_push_ack(run, from, m); }
  void operator()(const PushInitialAck& m) { on_initial_ack(run, from, m); }
  void operator()(const PullReply& m) { on_pull_reply(run, from, m); }
  // Everything else is not for a worker.
  template <typename T>
  void operator()(const T&) {}
};

void on_event(Run& run, const Event& event) {
  if (const auto* received = std::get_if<Received>(&event)) {
    std::visit(Dispatch{run, received->envelope.from}, received->envelope.message);
  } else if (std::holds_alternative<Tick>(event)) {
    tick_join(run);
    tick_data(run);
  } else if (const auto* lost = std::get_if<PeerLost>(&event)) {
    if (run.state.joined && lost->peer == run.state.coordinator) {
      lose_coordinator(run);
    }
  } else if (const auto* contribution = std::get_if<ContributionReady>(&event)) {
    on_contribution(run, *contribution);
  } else if (const auto* evaluation = std::get_if<EvaluationReady>(&event)) {
    on_evaluation(run, *evaluation);
  } else if (const auto* initial = std::get_if<InitialReady>(&event)) {
    on_initial(run, *initial);
  } else if (const auto* found = std::get_if<ServersFound>(&event)) {
    on_servers_found(run, *found);
  } else if (std::holds_alternative<LeaveRequested>(event)) {
    on_leave(run);
  }
}

}  // namespace
}  // namespace worker

WorkerMachine::WorkerMachine(ProcessId self, std::vector<Member> servers, JobIdentity identity,
                             uint32_t microbatches, uint32_t segment_elements, std::string build,
                             WorkerOptions options)
    : state_(std::make_unique<WorkerState>()) {
  state_->self = std::move(self);
  state_->servers = std::move(servers);
  state_->identity = std::move(identity);
  state_->microbatches = microbatches;
  state_->segment_elements = segment_elements;
  state_->build = std::move(build);
  state_->options = options;
  const Segments cut{state_->identity.layout.elements, segment_elements};
  state_->segments.resize(cut.count());
  state_->begun.resize(microbatches);
}

WorkerMachine::~WorkerMachine() = default;
WorkerMachine::WorkerMachine(WorkerMachine&&) noexcept = default;
WorkerMachine& WorkerMachine::operator=(WorkerMachine&&) noexcept = default;

Effects WorkerMachine::start(TimeMs now) {
  Effects out;
  worker::Run run{*state_, now, out};
  worker::start(run);
  return out;
}

Effects WorkerMachine::step(const Event& event, TimeMs now) {
  Effects out;
  if (!state_->ended) {
    worker::Run run{*state_, now, out};
    worker::on_event(run, event);
  }
  return out;
}

const WorkerState& WorkerMachine::state() const { return *state_; }

}  // namespace ballast
