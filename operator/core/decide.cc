#include "operator/core/decide.h"

#include <algorithm>

#include "common/exit_code.h"
#include "operator/core/advance.h"
#include "operator/core/checkpoint_list.h"
#include "operator/core/conditions.h"
#include "operator/core/policy_wish.h"
#include "operator/core/process_index.h"
#include "operator/core/session_peer.h"

namespace ballast::decide {
namespace {

using api::ConditionType;

int exit_code_of(const api::TrainingJobStatus& status) {
  if (is_true(status, ConditionType::kSucceeded)) return to_status(ExitCode::kDone);
  if (!is_true(status, ConditionType::kFailed)) return to_status(ExitCode::kInterrupted);
  const std::string& reason = find_condition(status, ConditionType::kFailed)->reason;
  if (reason == "BadConfiguration") return to_status(ExitCode::kUsage);
  if (reason == "Refused") return to_status(ExitCode::kRefused);
  return to_status(ExitCode::kFailed);
}

class Decision {
 public:
  Decision(const Observed& observed, const api::TrainingJobStatus& status)
      : observed_(observed), status_(status), processes_(observed) {}

  Actions take() {
    actions_.wake_at_ms = wake_up_.earliest();
    return std::move(actions_);
  }

  void write(uint64_t expected_version) { add(WriteStatus{expected_version, status_}); }

  // Workers first: a server that ends while workers push would only make noise.
  void stop_all() {
    const std::string policy = observed_.pods && is_over() ? clean_pod_policy() : "Running";
    if (policy != "None" && (workers_may_end_by_themselves() || stop(Role::kWorker))) return;
    const bool closing = checkpoints_are_open(status_) && checkpoints_may_be_closed();
    if (observed_.checkpoints_by_servers && closing) return;
    if (policy != "None" && stop(Role::kServer)) return;
    if (closing || is_parked(observed_, status_)) return;
    if (policy == "All") remove_ended();
    delete_in_time();
    add(Finish{exit_code_of(status_)});
  }

  void speak() {
    if (!observed_.session || status_.term == 0) return;
    const CoordinatorSession& session = *observed_.session;
    if (session.name != status_.coordinator ||
        session.incarnation != status_.coordinator_incarnation)
      return;
    const MemberId to{session.name, session.incarnation};
    const bool asked_to_remove = std::any_of(
        observed_.remove_requests.begin(), observed_.remove_requests.end(),
        [&](const RemoveRequest& request) {
          return request.term == status_.term && !is_member(request.name, request.incarnation);
        });
    const bool asked_for_origin =
        observed_.origin_request && observed_.origin_request->term == status_.term;
    if (session.told_term < status_.term) {
      add(SendAppoint{to, status_.term});  // carries the member list and the plan's number
    } else {
      if (session.told_members_number < status_.members_number || asked_to_remove) {
        add(SendMembers{to, status_.members_number});
      }
      if (session.told_plan_number < status_.plan_number) {
        add(SendPlan{to, status_.plan_number});
      }
    }
    if (status_.origin > 0 && (session.told_origin < status_.origin || asked_for_origin)) {
      add(SendOrigin{to, status_.origin});
    }
  }

  void look_after_checkpoints() {
    if (observed_.checkpoints_by_servers && !is_session_peer()) return;
    if (seeks_checkpoint(observed_, status_)) {
      const std::string& path = observed_.job.spec.checkpoint.path;
      take_in_hand(FindCheckpoint{path}, path);
    }
    for (const std::string& directory : status_.deletable) {
      take_in_hand(DeleteCheckpoint{directory}, directory);
    }
    // The newest first: a job that goes back, or on, waits for that one.
    const auto& listed = status_.checkpoints;
    for (auto checkpoint = listed.rbegin(); checkpoint != listed.rend(); ++checkpoint) {
      if (is_unread(*checkpoint))
        take_in_hand(VerifyCheckpoint{checkpoint->directory}, checkpoint->directory);
    }
  }

  void start_and_stop_processes() {
    const auto& spec = observed_.job.spec;
    start(Role::kServer, status_.planned_servers);
    // A worker is given the addresses of the members; pods have names, before anybody lives there.
    if (observed_.pods || !status_.members.empty()) start(Role::kWorker, status_.planned_workers);
    for (const Process* one : processes_.all()) {
      const Process& process = *one;
      if (process.state == ProcessState::kExited) continue;
      const bool worker = process.role == Role::kWorker;
      const bool surplus =
          process.index >= (worker ? status_.planned_workers : status_.planned_servers);
      // A server that is a member holds a part of the parameters: it leaves only after a move.
      const bool may_go = worker || !may_be_member(process);
      if (process.stopping_since_ms || (surplus && may_go) || is_replaced(status_, process)) {
        stop(process);
      } else if (const auto* removed = find_removed(status_, process)) {
        end_removed(process, removed->at_ms + kRemovedGraceMs);
      } else if (process.state == ProcessState::kStarting) {
        watch_start(process);
      } else if (worker) {
        watch_worker(process);
      }
    }
    if (observed_.stop_requested) wake_up_.at(observed_.stop_requested_ms + kStopPatienceMs);
    if (observed_.coordinator_heard_ms && spec.servers.replication >= 2) {
      const TimeMs silent_ms = *observed_.coordinator_heard_ms + kCoordinatorSilenceMs;
      if (silent_ms > observed_.now_ms) wake_up_.at(silent_ms);
    }
    if (observed_.standing_since_ms && spec.servers.replication >= 2) {
      const TimeMs replaced_ms = *observed_.standing_since_ms + kStandingMs;
      if (replaced_ms > observed_.now_ms) wake_up_.at(replaced_ms);
    }
    if (spec.active_deadline_seconds > 0)
      wake_up_.at(status_.start_ms + spec.active_deadline_seconds * 1000);
    const TimeMs created_is_told = created_is_told_ms(observed_, status_);
    if (!is_true(status_, ConditionType::kCreated) && observed_.now_ms < created_is_told)
      wake_up_.at(created_is_told);
    if (observed_.report && observed_.report->step != status_.progress.step) {
      wake_up_.at(status_.progress.at_ms + observed_.progress_every_ms);
    }
  }

 private:
  void add(Action action) { actions_.list.push_back(std::move(action)); }

  bool is_over() const {
    return is_true(status_, ConditionType::kSucceeded) || is_true(status_, ConditionType::kFailed);
  }

  const std::string& clean_pod_policy() const { return observed_.job.spec.clean_pod_policy; }

  // Those of a job that has succeeded, so that what they wrote last is kept with them.
  bool workers_may_end_by_themselves() {
    if (!observed_.pods || !is_true(status_, ConditionType::kSucceeded)) return false;
    const TimeMs until_ms =
        find_condition(status_, ConditionType::kSucceeded)->since_ms + kDoneWorkerMs;
    if (observed_.now_ms >= until_ms) return false;
    const auto& all = processes_.all();
    const bool running = std::any_of(all.begin(), all.end(), [](const Process* one) {
      return one->role == Role::kWorker && one->state != ProcessState::kExited;
    });
    if (running) wake_up_.at(until_ms);
    return running;
  }

  void remove_ended() {
    for (const Process* process : processes_.all()) {
      add(RemoveEnded{process_name(process->role, process->index), process->instance});
    }
  }

  void delete_in_time() {
    const auto& ttl_seconds = observed_.job.spec.ttl_seconds_after_finished;
    if (!observed_.pods || !is_over() || !ttl_seconds) return;
    const bool succeeded = is_true(status_, ConditionType::kSucceeded);
    const TimeMs ended_ms =
        find_condition(status_, succeeded ? ConditionType::kSucceeded : ConditionType::kFailed)
            ->since_ms;
    const TimeMs due_ms = ended_ms + *ttl_seconds * 1000;
    if (observed_.now_ms < due_ms) return wake_up_.at(due_ms);
    add(DeleteJob{});
  }

  void take_in_hand(Action action, const std::string& what) {
    const auto& known = observed_.in_hand;
    if (std::find(known.begin(), known.end(), what) != known.end()) return;
    if (known.size() + taken_in_hand_ >= kMostInHand) return;
    ++taken_in_hand_;
    add(std::move(action));
  }

  // Whether the session is with whom the status means.
  bool is_session_peer() const {
    if (!observed_.session) return false;
    const auto peer = session_peer(observed_, status_);
    return peer && peer->name == observed_.session->name &&
           peer->incarnation == observed_.session->incarnation;
  }

  // There is somebody to ask, and the time for it has not passed.
  bool checkpoints_may_be_closed() {
    if (!observed_.checkpoints_by_servers) return true;
    if (!session_peer(observed_, status_)) return false;
    for (const auto type :
         {ConditionType::kSucceeded, ConditionType::kFailed, ConditionType::kSuspended}) {
      if (!is_true(status_, type)) continue;
      const TimeMs until_ms = find_condition(status_, type)->since_ms + kCheckpointPatienceMs;
      if (observed_.now_ms >= until_ms) return false;
      wake_up_.at(until_ms);
      return true;
    }
    return false;
  }

  bool is_member(const std::string& name, uint64_t incarnation) const {
    return std::any_of(status_.members.begin(), status_.members.end(),
                       [&](const api::MemberStatus& member) {
                         return member.name == name && member.incarnation == incarnation;
                       });
  }

  // A life that has not answered yet may be the one that the list names.
  bool may_be_member(const Process& process) const {
    const std::string name = process_name(process.role, process.index);
    return std::any_of(
        status_.members.begin(), status_.members.end(), [&](const api::MemberStatus& member) {
          return member.name == name &&
                 (process.incarnation == 0 || member.incarnation == process.incarnation);
        });
  }

  void start(Role role, int64_t count) {
    for (int64_t index = 0; index < count; ++index) {
      const Process* process = processes_.find(role, index);
      if (process != nullptr && process->state != ProcessState::kExited) continue;
      const auto restart = status_.restarts.find(process_name(role, index));
      uint64_t last = process == nullptr ? 0 : process->instance;
      if (restart != status_.restarts.end()) {
        last = std::max(last, restart->second.last_instance);
        if (observed_.now_ms < restart->second.not_before_ms) {
          wake_up_.at(restart->second.not_before_ms);
          continue;
        }
      }
      if (const auto refused_until_ms = refused_until(role, index)) {
        if (observed_.now_ms < *refused_until_ms) {
          wake_up_.at(*refused_until_ms);
          continue;
        }
      }
      add(StartProcess{role, index, last + 1, status_.version});
    }
  }

  // Nothing: nobody refused it.
  std::optional<TimeMs> refused_until(Role role, int64_t index) const {
    for (const StartRefusal& refusal : observed_.refusals) {
      if (refusal.role != role || refusal.index != index) continue;
      return refusal.at_ms + doubled(kFirstRefusalBackoffMs, refusal.times);
    }
    return std::nullopt;
  }

  // Whether any process of the role still runs.
  bool stop(Role role) {
    bool running = false;
    for (const Process* process : processes_.all()) {
      if (process->role != role || process->state == ProcessState::kExited) continue;
      running = true;
      stop(*process);
    }
    return running;
  }

  void stop(const Process& process) {
    const std::string name = process_name(process.role, process.index);
    if (!process.stopping_since_ms) {
      if (!process.killed) add(StopProcess{name, process.instance, false});
    } else if (!process.killed) {
      const TimeMs deadline = *process.stopping_since_ms + kStopGraceMs;
      if (observed_.now_ms >= deadline) {
        add(StopProcess{name, process.instance, true});
      } else {
        wake_up_.at(deadline);
      }
    }
  }

  void end_removed(const Process& process, TimeMs deadline) {
    if (process.killed) return;
    if (observed_.now_ms >= deadline) {
      add(StopProcess{process_name(process.role, process.index), process.instance, true});
    } else {
      wake_up_.at(deadline);
    }
  }

  // Its work went to others long ago; only an end gives its place to another life.
  void watch_worker(const Process& process) {
    if (process.killed || process.heard_ms == 0) return;
    const TimeMs deadline = process.heard_ms + kSilentWorkerMs;
    if (observed_.now_ms < deadline) return wake_up_.at(deadline);
    // If nobody answers, the fault may be ours.
    const auto& all = processes_.all();
    const bool others_answer = std::any_of(all.begin(), all.end(), [&](const Process* other) {
      return other->state == ProcessState::kReady &&
             observed_.now_ms - other->heard_ms < kSilenceToAgreeMs;
    });
    if (others_answer)
      add(StopProcess{process_name(process.role, process.index), process.instance, true});
  }

  void watch_start(const Process& process) {
    if (process.killed || process.hindered) return;
    const TimeMs deadline =
        std::max(process.started_ms, observed_.watching_since_ms) +
        (process.role == Role::kServer ? kServerStartDeadlineMs : kWorkerStartDeadlineMs);
    if (observed_.now_ms >= deadline) {
      add(StopProcess{process_name(process.role, process.index), process.instance, true});
    } else {
      wake_up_.at(deadline);
    }
  }

  const Observed& observed_;
  const api::TrainingJobStatus& status_;  // after the write of this decision
  const ProcessIndex processes_;
  size_t taken_in_hand_ = 0;
  Actions actions_;
  WakeUp wake_up_;
};

// What is known of processes may be newer than the status.
bool is_outdated(const Observed& observed) {
  return std::any_of(observed.processes.begin(), observed.processes.end(), [&](const Process& one) {
    return one.status_version > observed.status.version;
  });
}

}  // namespace

Actions decide(const Observed& observed) {
  if (observed.deleting || is_outdated(observed)) return {};
  api::TrainingJobStatus status = advance(observed);
  const bool changed = status != observed.status;
  if (changed) status.version = observed.status.version + 1;
  Decision decision(observed, status);
  if (changed) decision.write(observed.status.version);
  decision.look_after_checkpoints();
  if (has_outcome(status)) {
    decision.stop_all();
  } else {
    decision.speak();
    decision.start_and_stop_processes();
  }
  return decision.take();
}

}  // namespace ballast::decide
