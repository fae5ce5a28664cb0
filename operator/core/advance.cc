#include "operator/core/advance.h"

#include <algorithm>

#include "common/exit_code.h"
#include "operator/core/decide.h"

namespace ballast::decide {
namespace {

using api::Condition;
using api::ConditionType;
using api::MemberStatus;
using api::TrainingJobStatus;

std::string how_it_ended(const Process& process) {
  const std::string name = process_name(process.role, process.index);
  if (process.exit_signal != 0)
    return name + " was ended by signal " + std::to_string(process.exit_signal);
  return name + " ended with code " + std::to_string(process.exit_code);
}

bool never_again(const Process& process) {
  return process.exit_signal == 0 && (process.exit_code == to_status(ExitCode::kUsage) ||
                                      process.exit_code == to_status(ExitCode::kRefused));
}

TimeMs backoff_ms(const Process& process, int64_t failures) {
  TimeMs wait = kFirstBackoffMs;
  for (int64_t i = 1; i < failures && wait < kLongestBackoffMs; ++i) wait *= 2;
  wait = std::min(wait, kLongestBackoffMs);
  const bool done = process.exit_signal == 0 && process.exit_code == to_status(ExitCode::kDone);
  return done ? std::max(wait, kUnexpectedDoneBackoffMs) : wait;
}

class Advance {
 public:
  explicit Advance(const Observed& observed) : observed_(observed), next_(observed.status) {
    for (const Process& process : observed.processes) processes_.push_back(&process);
    std::sort(processes_.begin(), processes_.end(), [](const Process* a, const Process* b) {
      return std::tie(a->role, a->index) < std::tie(b->role, b->index);
    });
  }

  TrainingJobStatus run() {
    checkpoints();
    if (is_true(next_, ConditionType::kSucceeded) || is_true(next_, ConditionType::kFailed))
      return next_;
    plan();
    if (next_.start_ms == 0) next_.start_ms = std::max<TimeMs>(1, observed_.now_ms);
    outcome();
    if (!has_outcome(next_)) exits();
    if (!has_outcome(next_)) removals();
    if (!has_outcome(next_)) departures();
    if (!has_outcome(next_)) replace_silent_coordinator();
    if (!has_outcome(next_)) members();
    if (!has_outcome(next_)) origin();
    if (!has_outcome(next_)) hand_over();
    readiness();
    progress();
    return next_;
  }

 private:
  void set(ConditionType type, bool status, std::string reason, std::string message) {
    const auto at = std::find_if(next_.conditions.begin(), next_.conditions.end(),
                                 [&](const Condition& known) { return known.type >= type; });
    Condition condition{type, status, std::move(reason), std::move(message), observed_.now_ms};
    if (at == next_.conditions.end() || at->type != type) {
      next_.conditions.insert(at, std::move(condition));
      return;
    }
    if (at->status == status) condition.since_ms = at->since_ms;
    *at = std::move(condition);
  }

  void failed(std::string reason, std::string message) {
    if (!has_outcome(next_))
      set(ConditionType::kFailed, true, std::move(reason), std::move(message));
  }

  bool report_counts() const {
    return observed_.report && observed_.report->term == next_.term && next_.term > 0;
  }

  void outcome() {
    const auto& spec = observed_.job.spec;
    if (report_counts() && observed_.report->phase == CoordinatorPhase::kDone) {
      return set(ConditionType::kSucceeded, true, "Trained", "all steps are committed");
    }
    if (report_counts() && observed_.report->phase == CoordinatorPhase::kFailed) {
      return failed("TrainingFailed", observed_.report->failure);
    }
    if (is_true(next_, ConditionType::kSuspended)) {
      if (may_resume()) resume();
      return;
    }
    if (spec.active_deadline_seconds > 0 &&
        observed_.now_ms - next_.start_ms >= spec.active_deadline_seconds * 1000) {
      return failed("DeadlineExceeded", "spec.activeDeadlineSeconds, which is " +
                                            std::to_string(spec.active_deadline_seconds) +
                                            ", has passed");
    }
    if (next_.planned_suspend && may_suspend()) {
      set(ConditionType::kSuspended, true,
          observed_.stop_requested ? "StopRequested" : "SuspendedBySpec",
          "the processes of the job are stopped");
    }
  }

  // What was trained is in a checkpoint, or cannot get there.
  bool may_suspend() const {
    if (next_.origin == 0) return true;
    // One that rests by an earlier plan may have been told to go on by one between.
    if (report_counts() && observed_.report->phase == CoordinatorPhase::kSuspended &&
        observed_.report->plan_number == next_.plan_number) {
      return true;
    }
    return observed_.stop_requested &&
           (observed_.now_ms - observed_.stop_requested_ms >= kStopPatienceMs ||
            (report_counts() && !observed_.report->checkpoint_failure.empty()));
  }

  // All that ran has ended, and it is known which checkpoint is whole.
  bool may_resume() const {
    return !observed_.job.spec.suspend && !observed_.stop_requested &&
           std::all_of(
               processes_.begin(), processes_.end(),
               [](const Process* process) { return process->state == ProcessState::kExited; }) &&
           std::all_of(next_.checkpoints.begin(), next_.checkpoints.end(),
                       [](const api::CheckpointStatus& checkpoint) {
                         return checkpoint.verified || checkpoint.damaged;
                       });
  }

  void resume() {
    set(ConditionType::kSuspended, false, "Resumed", "the processes of the job may run");
    next_.start_ms = std::max<TimeMs>(1, observed_.now_ms);
    next_.members.clear();
    next_.removed.clear();
    next_.members_number += 1;
    go_back();
  }

  // What is wished of the job, under a number of its own.
  void plan() {
    const auto& spec = observed_.job.spec;
    api::TrainingJobStatus planned = next_;
    planned.planned_servers = spec.servers.replicas;
    planned.planned_workers = spec.workers.replicas;
    planned.planned_steps = spec.training.steps;
    planned.planned_checkpoint_steps = spec.checkpoint.every_steps;
    planned.planned_checkpoint_seconds = spec.checkpoint.every_seconds;
    planned.planned_suspend = spec.suspend || observed_.stop_requested;
    if (planned == next_) return;
    planned.plan_number += 1;
    next_ = std::move(planned);
  }

  bool is_member(const Process& process) const {
    return process.role == Role::kServer && process.incarnation != 0 &&
           std::any_of(next_.members.begin(), next_.members.end(), [&](const MemberStatus& member) {
             return member.name == process_name(process.role, process.index) &&
                    member.incarnation == process.incarnation;
           });
  }

  // Counts each end once and says when its successor may start.
  void exits() {
    for (const Process* process : processes_) {
      if (process->state != ProcessState::kExited) continue;
      const std::string name = process_name(process->role, process->index);
      const auto known = next_.restarts.find(name);
      if (known != next_.restarts.end() && known->second.last_instance >= process->instance)
        continue;
      api::RestartStatus restart =
          known == next_.restarts.end() ? api::RestartStatus{} : known->second;
      restart.last_instance = process->instance;
      const bool wanted_end = process->stopping_since_ms.has_value();
      if (!wanted_end) {
        if (process->ended_ms - process->started_ms >= kHealthyLifeMs) restart.failures = 0;
        restart.failures += 1;
        restart.total += 1;
        restart.not_before_ms = process->ended_ms + backoff_ms(*process, restart.failures);
        judge(*process, restart);
      }
      next_.restarts[name] = restart;
    }
  }

  void judge(const Process& process, const api::RestartStatus& restart) {
    if (process.exit_signal == 0 && process.exit_code == to_status(ExitCode::kUsage)) {
      return failed("BadConfiguration",
                    how_it_ended(process) +
                        ": what it was given is wrong, and starting it again cannot help");
    }
    if (never_again(process)) {
      return failed("Refused", how_it_ended(process) +
                                   ": the job refused it for good (another job, build or data)");
    }
    const int64_t limit = observed_.job.spec.backoff_limit;
    if (restart.failures > limit) {
      return failed("BackoffLimitExceeded", how_it_ended(process) + " after " +
                                                std::to_string(limit) +
                                                " restarts, which is spec.backoffLimit");
    }
  }

  bool is_gone(const MemberStatus& member) const {
    const Process* process = find_process(observed_, member.name);
    return process == nullptr || process->state == ProcessState::kExited ||
           (process->incarnation != 0 && process->incarnation != member.incarnation);
  }

  // Has not answered us, either: a witness beside whoever calls it silent.
  bool is_silent(const MemberStatus& member) const {
    const Process* process = find_process(observed_, member.name);
    return process != nullptr && observed_.now_ms - process->heard_ms >= kSilenceToAgreeMs;
  }

  bool coordinator_is_silent() const {
    return next_.term > 0 && !next_.coordinator.empty() && observed_.coordinator_heard_ms &&
           observed_.now_ms - *observed_.coordinator_heard_ms >= kCoordinatorSilenceMs;
  }

  bool coordinator_stands() const {
    return next_.term > 0 && !next_.coordinator.empty() && observed_.standing_since_ms &&
           observed_.now_ms - *observed_.standing_since_ms >= kStandingMs;
  }

  // If nobody answers, the fault may be ours.
  bool another_answers(const MemberStatus& than) const {
    return std::any_of(next_.members.begin(), next_.members.end(), [&](const MemberStatus& member) {
      return member != than && !is_silent(member);
    });
  }

  bool is_coordinator(const MemberStatus& member) const {
    return member.name == next_.coordinator && member.incarnation == next_.coordinator_incarnation;
  }

  // A member that lives goes only when another process and we ourselves cannot reach it, and never
  // while it may hold the last replica of a segment.
  bool may_remove_living(const MemberStatus& member) const {
    const bool asked = std::any_of(
        observed_.remove_requests.begin(), observed_.remove_requests.end(),
        [&](const RemoveRequest& request) {
          return !request.left && request.term == next_.term && request.name == member.name &&
                 request.incarnation == member.incarnation;
        });
    return (asked || (is_coordinator(member) && coordinator_is_silent())) && is_silent(member) &&
           another_answers(member) && observed_.job.spec.servers.replication >= 2 &&
           !is_true(next_, ConditionType::kDegraded);
  }

  // To the last checkpoint that was read back, or to the beginning: with all servers that the
  // specification wants, under a new term and a new origin.
  void go_back() {
    next_.coordinator.clear();
    next_.coordinator_incarnation = 0;
    next_.origin = 0;
    next_.restore_from.clear();
    for (const api::CheckpointStatus& checkpoint : next_.checkpoints) {
      if (checkpoint.verified) next_.restore_from = checkpoint.directory;
    }
  }

  // What is complete is read back; then what is too much may go, oldest first, and never the last
  // one that is known to be whole.
  void checkpoints() {
    const auto known = [&](const std::string& directory) {
      return std::find_if(next_.checkpoints.begin(), next_.checkpoints.end(),
                          [&](const auto& entry) { return entry.directory == directory; });
    };
    if (report_counts() && !observed_.report->checkpoint.empty() &&
        known(observed_.report->checkpoint) == next_.checkpoints.end() &&
        std::find(next_.deletable.begin(), next_.deletable.end(), observed_.report->checkpoint) ==
            next_.deletable.end() &&
        observed_.report->checkpoint != next_.progress.last_checkpoint) {
      next_.checkpoints.push_back({observed_.report->checkpoint, false, false});
    }
    for (const CheckpointCheck& check : observed_.checked) {
      const auto entry = known(check.directory);
      if (entry == next_.checkpoints.end()) continue;
      entry->verified = check.error.empty();
      entry->damaged = !check.error.empty();
    }
    auto whole = std::count_if(next_.checkpoints.begin(), next_.checkpoints.end(),
                               [](const auto& entry) { return entry.verified; });
    std::erase_if(next_.checkpoints, [&](const api::CheckpointStatus& entry) {
      const bool surplus = whole > observed_.job.spec.checkpoint.keep && entry.verified;
      if (!surplus || entry.directory == next_.restore_from) return false;
      --whole;
      next_.deletable.push_back(entry.directory);
      return true;
    });
    for (const std::string& directory : observed_.abandoned) {
      const bool listed = std::find(next_.deletable.begin(), next_.deletable.end(), directory) !=
                          next_.deletable.end();
      if (!listed && known(directory) == next_.checkpoints.end())
        next_.deletable.push_back(directory);
    }
    for (const std::string& directory : observed_.deleted) std::erase(next_.deletable, directory);
  }

  // A member that is known to be gone leaves the list before anybody goes on without it; of those
  // that live, one at a time.
  void removals() {
    std::erase_if(next_.removed, [&](const api::RemovedStatus& removed) {
      return is_gone({removed.name, removed.incarnation, "", ""});
    });
    std::vector<std::string> lost;
    for (const MemberStatus& member : next_.members) {
      if (!is_gone(member)) continue;
      lost.push_back(member.name);
    }
    if (lost.empty()) {
      for (const MemberStatus& member : next_.members) {
        if (!lost.empty() || !may_remove_living(member)) continue;
        lost.push_back(member.name);
        next_.removed.push_back({member.name, member.incarnation, observed_.now_ms});
      }
    }
    if (lost.empty()) {
      const bool lost_segments =
          report_counts() && observed_.report->phase == CoordinatorPhase::kLost;
      if (lost_segments && !next_.coordinator.empty()) go_back();
      return;
    }
    if (next_.origin > 0) {
      set(ConditionType::kDegraded, true, "ServerLost", lost.front() + " was lost");
    }
    std::erase_if(next_.members, [&](const MemberStatus& member) {
      return std::find(lost.begin(), lost.end(), member.name) != lost.end();
    });
    next_.members_number += 1;
    // With one replica a part of the parameters is lost with every server.
    if (next_.members.empty() || observed_.job.spec.servers.replication < 2) return go_back();
    if (std::find(lost.begin(), lost.end(), next_.coordinator) != lost.end()) appoint();
  }

  // Servers that the plan does not want, and that have given all their segments away.
  void departures() {
    for (const RemoveRequest& request : observed_.remove_requests) {
      const auto member =
          std::find_if(next_.members.begin(), next_.members.end(), [&](const MemberStatus& known) {
            return known.name == request.name && known.incarnation == request.incarnation;
          });
      const bool granted = request.left && request.term == next_.term &&
                           member != next_.members.end() && !stays(next_, request.name) &&
                           !is_coordinator(*member);
      if (!granted) continue;
      next_.removed.push_back({request.name, request.incarnation, observed_.now_ms});
      next_.members.erase(member);
      next_.members_number += 1;
    }
  }

  // A coordinator that is to leave hands its role over first, when no loss is being mended.
  void hand_over() {
    if (next_.origin == 0 || next_.coordinator.empty() || stays(next_, next_.coordinator) ||
        !report_counts() || observed_.report->degraded != false ||
        observed_.report->members_number != next_.members_number ||
        is_true(next_, ConditionType::kDegraded)) {
      return;
    }
    const bool possible =
        std::any_of(next_.members.begin(), next_.members.end(), [&](const MemberStatus& member) {
          return stays(next_, member.name) && !is_silent(member) && !is_gone(member);
        });
    if (possible) appoint();
  }

  // It may live and be cut off, or hang: whoever is appointed finds out.
  void replace_silent_coordinator() {
    if ((!coordinator_is_silent() && !coordinator_stands()) ||
        next_.term != observed_.status.term || observed_.job.spec.servers.replication < 2) {
      return;
    }
    for (const MemberStatus& member : next_.members) {
      if (is_coordinator(member) && another_answers(member)) return appoint();
    }
  }

  void members() {
    const int64_t wanted = observed_.job.spec.servers.replicas;
    std::vector<MemberStatus> ready;
    for (const Process* process : processes_) {
      if (process->role != Role::kServer || process->state != ProcessState::kReady ||
          process->index >= wanted || process->stopping_since_ms || find_removed(next_, *process)) {
        continue;
      }
      ready.push_back({process_name(process->role, process->index), process->incarnation,
                       process->address, process->node});
    }
    // The first list is the whole job's; later a restarted server is added as soon as it is ready.
    if (next_.coordinator.empty() && static_cast<int64_t>(ready.size()) < wanted) return;
    bool changed = false;
    for (MemberStatus& server : ready) {
      const auto same_name = [&](const MemberStatus& member) { return member.name == server.name; };
      if (std::any_of(next_.members.begin(), next_.members.end(), same_name)) continue;
      next_.members.push_back(std::move(server));
      changed = true;
    }
    if (changed) number_members();
    if (next_.coordinator.empty()) appoint();
  }

  void number_members() {
    std::sort(next_.members.begin(), next_.members.end(),
              [](const MemberStatus& a, const MemberStatus& b) { return a.name < b.name; });
    next_.members_number += 1;
  }

  // The term is written here and sent only afterwards. Any member can coordinate: the first that
  // answers and is not the one before, if there is one.
  void appoint() {
    const auto rank = [&](const MemberStatus& member) {
      return std::tuple{is_silent(member), !stays(next_, member.name),
                        next_.term > 0 && is_coordinator(member)};
    };
    const auto chosen = std::min_element(
        next_.members.begin(), next_.members.end(),
        [&](const MemberStatus& a, const MemberStatus& b) { return rank(a) < rank(b); });
    const MemberStatus coordinator = *chosen;
    next_.term += 1;
    next_.coordinator = coordinator.name;
    next_.coordinator_incarnation = coordinator.incarnation;
    next_.start = next_.origin > 0             ? api::StartMode::kContinue
                  : next_.restore_from.empty() ? api::StartMode::kInitialise
                                               : api::StartMode::kRestore;
  }

  void origin() {
    const auto& request = observed_.origin_request;
    if (request && request->term == next_.term && next_.origin == 0 && !next_.coordinator.empty())
      next_.origin = request->origin;
  }

  void readiness() {
    if (has_outcome(next_)) {
      if (is_true(next_, ConditionType::kReady))
        set(ConditionType::kReady, false, "Ended", "the job has an outcome");
      return;
    }
    const auto& spec = observed_.job.spec;
    std::string missing;
    const auto look = [&](Role role, int64_t count) {
      for (int64_t i = 0; i < count; ++i) {
        const Process* process = find_process(observed_, role, i);
        if (process != nullptr && process->state == ProcessState::kReady) continue;
        if (missing.empty()) missing = process_name(role, i);
      }
    };
    look(Role::kServer, spec.servers.replicas);
    look(Role::kWorker, spec.workers.replicas);
    const bool ready = missing.empty() && !next_.coordinator.empty();
    const Condition* now = find_condition(next_, ConditionType::kReady);
    const std::string message = ready ? "every process is ready" : "waits for " + missing;
    if (now != nullptr && now->status == ready && now->message == message) return;
    set(ConditionType::kReady, ready, ready ? "AllReady" : "Waiting", message);
  }

  // A report counts when its coordinator knew the members of now.
  void degraded(const CoordinatorReport& report) {
    if (!report.degraded || report.members_number != next_.members_number || has_outcome(next_) ||
        *report.degraded == is_true(next_, ConditionType::kDegraded)) {
      return;
    }
    set(ConditionType::kDegraded, *report.degraded,
        *report.degraded ? "ReplicasMissing" : "AllReplicas",
        *report.degraded ? "some segments have fewer replicas than spec.servers.replication"
                         : "every segment has all its replicas");
  }

  void progress() {
    if (!report_counts()) return;
    const CoordinatorReport& report = *observed_.report;
    degraded(report);
    // Until it has a map, a new coordinator does not know at which step the job stands.
    if (!report.degraded && report.phase == CoordinatorPhase::kWorking) return;
    auto& progress = next_.progress;
    const bool news = report.step != progress.step || report.checkpoint != progress.last_checkpoint;
    const bool due = has_outcome(next_) || observed_.now_ms - progress.at_ms >= kProgressEveryMs;
    if (news && due) progress = {report.step, report.loss, report.checkpoint, observed_.now_ms};
  }

  const Observed& observed_;
  TrainingJobStatus next_;
  std::vector<const Process*> processes_;
};

}  // namespace

api::TrainingJobStatus advance(const Observed& observed) { return Advance(observed).run(); }

const Condition* find_condition(const TrainingJobStatus& status, ConditionType type) {
  for (const Condition& condition : status.conditions) {
    if (condition.type == type) return &condition;
  }
  return nullptr;
}

bool is_true(const TrainingJobStatus& status, ConditionType type) {
  const Condition* condition = find_condition(status, type);
  return condition != nullptr && condition->status;
}

bool has_outcome(const TrainingJobStatus& status) {
  return is_true(status, ConditionType::kSucceeded) || is_true(status, ConditionType::kFailed) ||
         is_true(status, ConditionType::kSuspended);
}

bool stays(const TrainingJobStatus& status, const std::string& server) {
  for (int64_t index = 0; index < status.planned_servers; ++index) {
    if (process_name(Role::kServer, index) == server) return true;
  }
  return false;
}

bool is_parked(const Observed& observed, const TrainingJobStatus& status) {
  return is_true(status, ConditionType::kSuspended) &&
         !is_true(status, ConditionType::kSucceeded) && !is_true(status, ConditionType::kFailed) &&
         !observed.stop_requested;
}

const api::RemovedStatus* find_removed(const TrainingJobStatus& status, const Process& process) {
  for (const api::RemovedStatus& removed : status.removed) {
    if (process.role == Role::kServer && process.incarnation == removed.incarnation &&
        process_name(process.role, process.index) == removed.name) {
      return &removed;
    }
  }
  return nullptr;
}

const Process* find_process(const Observed& observed, Role role, int64_t index) {
  for (const Process& process : observed.processes) {
    if (process.role == role && process.index == index) return &process;
  }
  return nullptr;
}

const Process* find_process(const Observed& observed, const std::string& name) {
  for (const Process& process : observed.processes) {
    if (process_name(process.role, process.index) == name) return &process;
  }
  return nullptr;
}

}  // namespace ballast::decide
