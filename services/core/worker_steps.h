// The parts of the worker machine; each appends its effects. For the files worker_*.cc only.
#pragma once

#include "services/core/worker_state.h"

namespace ballast::worker {

struct Run {  // one run of the machine
  WorkerState& state;
  TimeMs now;
  Effects& out;

  void send(const ProcessId& to, Message message, PayloadSource payload = {}) {
    out.push_back(Send{to, std::move(message), payload});
  }
  bool due(TimeMs sent_ms) const {
    return sent_ms == 0 || now - sent_ms >= state.options.resend_after_ms;
  }
};

// worker_join.cc: finding and following a coordinator.
void start(Run& run);
void on_join_accepted(Run& run, const ProcessId& from, const JoinAccepted& message);
void on_join_refused(Run& run, const JoinRefused& message);
void on_redirect(Run& run, const Redirect& message);
void on_map(Run& run, const ProcessId& from, const MapUpdate& message);
void on_assignment(Run& run, const ProcessId& from, const Assignment& message);
void on_finish(Run& run, const ProcessId& from, const Finish& message);
void on_leave(Run& run);
void on_servers_found(Run& run, const ServersFound& event);
void lose_coordinator(Run& run);
void heard_of_term(Run& run, Term term);  // in an answer of a server
void tick_join(Run& run);

// worker_data.cc: pushes, pulls, initial values, evaluations.
void forget_step(Run& run);     // contributions and pulls of the step before
void rebuild_queues(Run& run);  // after a new map
void pump(Run& run);            // sends what the credits allow
void on_contribution(Run& run, const ContributionReady& event);
void on_initial(Run& run, const InitialReady& event);
void on_evaluation(Run& run, const EvaluationReady& event);
void on_push_ack(Run& run, const ProcessId& from, const PushAck& ack);
void on_initial_ack(Run& run, const ProcessId& from, const PushInitialAck& ack);
void on_pull_reply(Run& run, const ProcessId& from, const PullReply& reply);
void send_evaluations(Run& run);
void tick_data(Run& run);

}  // namespace ballast::worker
