#include "tests/sim/decide_operator.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "operator/core/advance.h"
#include "operator/core/session_peer.h"

namespace ballast::sim {
namespace {

using api::ConditionType;
using api::MemberStatus;
using api::TrainingJobStatus;
using decide::Observed;
using decide::ProcessState;

MemberList members_of(const TrainingJobStatus& status) {
  MemberList list;
  list.number = status.members_number;
  for (const MemberStatus& member : status.members) {
    list.members.push_back({{member.name, member.incarnation}, member.address, member.node});
  }
  return list;
}

std::vector<ProcessId> leaving_of(const TrainingJobStatus& status) {
  std::vector<ProcessId> leaving;
  for (const MemberStatus& member : status.members) {
    if (!decide::stays(status, member.name)) {
      leaving.push_back({member.name, member.incarnation});
    }
  }
  return leaving;
}

decide::CoordinatorPhase phase_of(JobPhase phase) {
  switch (phase) {
    case JobPhase::kDone:
      return decide::CoordinatorPhase::kDone;
    case JobPhase::kFailed:
      return decide::CoordinatorPhase::kFailed;
    case JobPhase::kLost:
      return decide::CoordinatorPhase::kLost;
    case JobPhase::kSuspended:
      return decide::CoordinatorPhase::kSuspended;
    default:
      return decide::CoordinatorPhase::kWorking;
  }
}

decide::CoordinatorReport report_of(const Progress& progress) {
  decide::CoordinatorReport report;
  report.term = progress.term;
  report.phase = phase_of(progress.phase);
  report.step = static_cast<int64_t>(progress.step);
  report.checkpoint = progress.checkpoint;
  // Before that a coordinator has no map to judge by.
  if (progress.phase == JobPhase::kTraining || progress.phase == JobPhase::kFinalEvaluation ||
      progress.phase == JobPhase::kCheckpointing ||
      progress.phase == JobPhase::kWaitingForWorkers) {
    report.degraded = progress.degraded;
  }
  report.members_number = progress.members;
  report.plan_number = progress.plan;
  report.failure = progress.failure;
  report.checkpoint_failure = progress.checkpoint_failure;
  return report;
}

std::string describe_status(const TrainingJobStatus& status) {
  std::string text = fmt::format("status {}: term {} {}/{} origin {} members {}", status.version,
                                 status.term, status.coordinator, status.coordinator_incarnation,
                                 status.origin, status.members_number);
  for (const MemberStatus& member : status.members) {
    text += fmt::format(" {}/{}", member.name, member.incarnation);
  }
  for (const api::Condition& condition : status.conditions) {
    if (condition.status) {
      text += " " + condition.reason;
    }
  }
  return text;
}

api::TrainingJob job_of(const Scenario& scenario) {
  api::TrainingJob job;
  job.metadata.name = "job";
  job.metadata.uid = "uid";
  job.spec.servers.replicas = scenario.servers;
  job.spec.servers.replication = scenario.training.replication;
  job.spec.workers.replicas = scenario.workers;
  job.spec.training.steps = static_cast<int64_t>(scenario.training.steps);
  job.spec.checkpoint.every_steps = static_cast<int64_t>(scenario.training.checkpoint_every);
  job.spec.checkpoint.keep = 2;
  job.spec.backoff_limit = 1'000'000;
  return job;
}

}  // namespace

DecideOperator::DecideOperator(OperatorView& view, Random& random, const Scenario& scenario)
    : view_(view), random_(random), scenario_(scenario) {
  store_.job = job_of(scenario);
  summary_.wanted_servers = scenario.servers;
  memory_.observed.checkpoints_by_servers = true;
  look(false);
}

void DecideOperator::later(TimeMs delay, std::function<void()> action) {
  view_.later(delay, [this, life = life_, action = std::move(action)] {
    if (up_ && life_ == life) {
      action();
    }
  });
}

void DecideOperator::tick(TimeMs now) {
  if (!up_) {
    return;
  }
  memory_.observed.now_ms = now;
  if (!busy_ && now >= memory_.stale_until_ms) {
    look(false);
  }
  turn(now);
}

void DecideOperator::receive(const Envelope& envelope, TimeMs now) {
  if (up_) {
    inbox_.push_back(envelope);
    turn(now);
  }
}

void DecideOperator::turn(TimeMs now) {
  if (busy_) {
    return;
  }
  observe(now);
  perform(decide::decide(memory_.observed).list, 0);
}

// ---- what is there ----

// A stale cache shows what was there some time ago.
void DecideOperator::look(bool stale) {
  const Store& seen = stale && !before_.empty() ? random_.pick(before_) : store_;
  Observed& observed = memory_.observed;
  if (seen.status.term > observed.status.term) {
    observed.coordinator_heard_ms = observed.now_ms;
    observed.standing_since_ms.reset();
  }
  memory_.resource_version = seen.resource_version;
  observed.job = seen.job;
  observed.status = seen.status;
}

void DecideOperator::observe(TimeMs now) {
  memory_.observed.now_ms = now;
  observe_processes(now);
  keep_session(now);
  for (const Envelope& envelope : std::exchange(inbox_, {})) {
    take(envelope, now);
  }
}

// A life is known once it has answered.
void DecideOperator::observe_processes(TimeMs now) {
  Observed& observed = memory_.observed;
  observed.processes = view_.processes();
  for (decide::Process& process : observed.processes) {
    if (process.state == ProcessState::kExited || process.incarnation == 0) {
      continue;
    }
    auto& [life, heard_ms] = memory_.heard[decide::process_name(process.role, process.index)];
    if (life != process.incarnation) {
      heard_ms = 0;
    }
    if (view_.answers(decide::process_name(process.role, process.index))) {
      life = process.incarnation;
      heard_ms = now;
    }
    if (heard_ms == 0) {
      process.incarnation = 0;
      process.address.clear();
      process.state = ProcessState::kStarting;
    }
    process.heard_ms = heard_ms;
  }
}

void DecideOperator::keep_session(TimeMs now) {
  Observed& observed = memory_.observed;
  const TrainingJobStatus& status = observed.status;
  const auto peer = decide::session_peer(observed, status);
  if (!peer) {
    drop_session();
    memory_.peer = {};
    return;
  }
  const ProcessId wanted{peer->name, peer->incarnation};
  if (memory_.peer != wanted) {
    drop_session();
    memory_.peer = wanted;
    memory_.opens_at_ms = now + random_.between(1, 60);
  }
  if (observed.session && view_.known_gone(wanted)) {
    drop_session();
  }
  if (!observed.session && now >= memory_.opens_at_ms) {
    if (view_.answers(wanted.name) && !view_.known_gone(wanted)) {
      observed.session = decide::CoordinatorSession{};
      observed.session->name = wanted.name;
      observed.session->incarnation = wanted.incarnation;
      ++memory_.session;
    } else {
      memory_.opens_at_ms = now + random_.between(20, 1000);
    }
  }
}

void DecideOperator::drop_session() {
  memory_.observed.session.reset();
  memory_.observed.in_hand.clear();
}

// What another than the peer of the session says has no way to us.
void DecideOperator::take(const Envelope& envelope, TimeMs now) {
  Observed& observed = memory_.observed;
  if (!observed.session || envelope.from != memory_.peer) {
    return;
  }
  if (const auto* progress = std::get_if<Progress>(&envelope.message)) {
    take_progress(*progress, now);
  } else if (const auto* ask = std::get_if<AskRemove>(&envelope.message)) {
    decide::remember(observed, {ask->term, ask->member.name, ask->member.incarnation, ask->reason,
                                ask->left, ask->plan});
  } else if (const auto* origin = std::get_if<AskOrigin>(&envelope.message)) {
    observed.origin_request = decide::OriginRequest{origin->term, origin->origin};
  }
}

void DecideOperator::take_progress(const Progress& progress, TimeMs now) {
  const std::pair order{progress.term, progress.number};
  if (order <= memory_.latest_progress) {
    return;  // a connection would have kept the order
  }
  memory_.latest_progress = order;
  Observed& observed = memory_.observed;
  if (!observed.report || observed.report->term <= progress.term) {
    observed.report = report_of(progress);
  }
  if (progress.term == store_.status.term) {
    last_words_ = progress;
  }
  // One whose job has gone back meanwhile speaks of steps that are no more.
  if (!store_.status.coordinator.empty()) {
    view_.heard(progress, summary_);
  }
  if (progress.term != observed.status.term) {
    return;
  }
  observed.coordinator_heard_ms = now;
  if (progress.phase != JobPhase::kTraining) {
    observed.standing_since_ms.reset();
  } else if (!observed.standing_since_ms || progress.step != memory_.standing_at) {
    observed.standing_since_ms = now;
  }
  memory_.standing_at = progress.step;
}

// ---- what is to be done ----

void DecideOperator::perform(std::vector<decide::Action> actions, size_t next) {
  for (; next < actions.size(); ++next) {
    if (const auto* write = std::get_if<decide::WriteStatus>(&actions[next])) {
      const decide::WriteStatus copy = *write;
      return perform(copy, std::move(actions), next + 1);
    }
    std::visit([this](const auto& one) { perform_one(one); }, actions[next]);
    if (!healed_ && next + 1 < actions.size() && random_.chance(200)) {
      busy_ = true;
      return later(random_.between(0, 20), [this, actions = std::move(actions), next]() mutable {
        busy_ = false;
        perform(std::move(actions), next + 1);
      });
    }
  }
}

void DecideOperator::perform(const decide::WriteStatus& write, std::vector<decide::Action> actions,
                             size_t next) {
  busy_ = true;
  // Whoever is removed alive, and has not given everything away, is the one that is lost: the world
  // takes no other from now on.
  for (const MemberStatus& member : memory_.observed.status.members) {
    const auto& kept = write.next.members;
    const auto& requests = memory_.observed.remove_requests;
    const bool left = std::any_of(requests.begin(), requests.end(), [&](const auto& request) {
      return request.left && request.name == member.name &&
             request.incarnation == member.incarnation;
    });
    if (std::find(kept.begin(), kept.end(), member) == kept.end() && !write.next.removed.empty() &&
        !left) {
      view_.removed_alive({member.name, member.incarnation});
    }
  }
  // The store performs it although the operator may die meanwhile.
  view_.later(random_.between(1, kLatestWriteMs), [this, life = life_, write,
                                                   expected = memory_.resource_version,
                                                   actions = std::move(actions), next]() mutable {
    const bool fits = expected == store_.resource_version;
    if (fits) {
      store(write.next);
    }
    if (!up_ || life_ != life) {
      return;
    }
    later(random_.between(0, 10), [this, fits, actions = std::move(actions), next]() mutable {
      busy_ = false;
      const Term before = memory_.observed.status.term;
      look(false);
      if (!fits) {
        return;  // somebody was faster: decide anew
      }
      Observed& observed = memory_.observed;
      observed.checked.clear();
      observed.abandoned.clear();
      observed.deleted.clear();
      if (observed.status.term > before) {
        keep_session(observed.now_ms);
      }
      perform(std::move(actions), next);
    });
  });
}

void DecideOperator::store(const TrainingJobStatus& next) {
  before_.push_back(store_);
  const TrainingJobStatus before = std::exchange(store_.status, next);
  ++store_.resource_version;
  summarise(before);
}

void DecideOperator::perform_one(const decide::StartProcess& start) {
  view_.start(decide::process_name(start.role, start.index), start.instance, start.status_version);
}

void DecideOperator::perform_one(const decide::StopProcess& stop) {
  view_.end(stop.name, stop.instance, stop.kill);
}

// A connection breaks when something on it is lost, and nothing more arrives on it; the sender
// learns of it later.
bool DecideOperator::send(Message message) {
  if (!memory_.observed.session) {
    return false;
  }
  if (memory_.broken_session == memory_.session) {
    return true;
  }
  if (!view_.send_in_order(memory_.peer, std::move(message))) {
    memory_.broken_session = memory_.session;
    later(random_.between(0, 1000), [this, session = memory_.session] {
      if (memory_.session == session) {
        drop_session();
      }
    });
  }
  return true;
}

TrainingSettings DecideOperator::training() const {
  TrainingSettings training = scenario_.training;
  training.checkpoint_every =
      static_cast<uint64_t>(memory_.observed.job.spec.checkpoint.every_steps);
  return training;
}

void DecideOperator::perform_one(const decide::SendAppoint&) {
  Observed& observed = memory_.observed;
  const TrainingJobStatus& status = observed.status;
  Appoint appoint;
  appoint.term = status.term;
  appoint.members = members_of(status);
  appoint.plan = status.plan_number;
  appoint.start = status.start == api::StartMode::kContinue  ? StartKind::kContinue
                  : status.start == api::StartMode::kRestore ? StartKind::kRestore
                                                             : StartKind::kInitialise;
  appoint.restore_from = status.restore_from;
  appoint.origin = status.origin;
  appoint.training = training();
  appoint.leaving = leaving_of(status);
  appoint.suspend = status.planned_suspend;
  if (!send(appoint)) {
    return;
  }
  observed.session->told_term = status.term;
  observed.session->told_members_number = status.members_number;
  observed.session->told_plan_number = status.plan_number;
}

void DecideOperator::perform_one(const decide::SendMembers&) {
  Observed& observed = memory_.observed;
  if (send(MembersChanged{observed.status.term, members_of(observed.status)})) {
    observed.session->told_members_number = observed.status.members_number;
    observed.remove_requests.clear();
  }
}

void DecideOperator::perform_one(const decide::SendOrigin&) {
  Observed& observed = memory_.observed;
  if (send(OriginComplete{observed.status.term, observed.status.origin})) {
    observed.session->told_origin = observed.status.origin;
    observed.origin_request.reset();
  }
}

void DecideOperator::perform_one(const decide::SendPlan&) {
  Observed& observed = memory_.observed;
  const TrainingJobStatus& status = observed.status;
  if (send(PlanChanged{status.term, status.plan_number, leaving_of(status), status.planned_suspend,
                       training()})) {
    observed.session->told_plan_number = status.plan_number;
  }
}

void DecideOperator::perform_one(const decide::VerifyCheckpoint& verify) {
  ask_server(verify.directory, [this, directory = verify.directory] {
    memory_.observed.checked.push_back({directory, view_.is_whole(directory) ? "" : "damaged"});
  });
}

void DecideOperator::perform_one(const decide::DeleteCheckpoint& remove) {
  ask_server(remove.directory, [this, directory = remove.directory] {
    view_.delete_checkpoint(directory);
    memory_.observed.deleted.push_back(directory);
  });
}

void DecideOperator::ask_server(const std::string& directory, std::function<void()> answer) {
  if (memory_.observed.session) {
    memory_.observed.in_hand.push_back(directory);
    await_answer(memory_.session, directory, std::move(answer));
  }
}

// One that is paused answers later, one that has gone never.
void DecideOperator::await_answer(uint64_t session, const std::string& directory,
                                  std::function<void()> answer) {
  later(kVerifyMs, [this, session, directory, answer = std::move(answer)]() mutable {
    if (memory_.session != session || !memory_.observed.session) {
      return;
    }
    if (!view_.answers(memory_.peer.name) || view_.known_gone(memory_.peer)) {
      return await_answer(session, directory, std::move(answer));
    }
    if (std::erase(memory_.observed.in_hand, directory) > 0) {
      answer();
    }
  });
}

// ---- faults and wishes ----

void DecideOperator::crash() {
  up_ = false;
  ++life_;
}

void DecideOperator::restart(TimeMs now) {
  up_ = true;
  busy_ = false;
  inbox_.clear();
  memory_ = {};
  memory_.observed.checkpoints_by_servers = true;
  memory_.observed.now_ms = memory_.observed.watching_since_ms = now;
  const bool stale = random_.chance(scenario_.faults.stale_status_per_mille);
  look(stale);
  memory_.stale_until_ms = stale ? now + random_.between(50, 3000) : now;
}

// It never does; another leader may, who has seen less.
void DecideOperator::appoint_without_need(TimeMs now) {
  if (up_) {
    crash();
    restart(now);
  }
}

// Other numbers of servers and workers, checkpoints at another pace, and at times a rest.
void DecideOperator::change_plan() {
  api::TrainingJobSpec& spec = store_.job.spec;
  if (summary_.finished || store_.status.term == 0 || spec.suspend) {
    return;
  }
  before_.push_back(store_);
  ++store_.resource_version;
  const auto most = static_cast<int64_t>(scenario_.servers);
  spec.servers.replicas = random_.between(std::min(spec.servers.replication, most), most);
  spec.workers.replicas = random_.between(1, static_cast<int64_t>(scenario_.workers));
  spec.checkpoint.every_steps = random_.between(0, 9);
  if (!scenario_.training.checkpoint_path.empty() && random_.chance(150)) {
    spec.suspend = true;
    view_.later(random_.between(500, 4000), [this] {
      before_.push_back(store_);
      ++store_.resource_version;
      store_.job.spec.suspend = false;
    });
  }
  summary_.wanted_servers = static_cast<uint32_t>(spec.servers.replicas);
  memory_.stale_until_ms = memory_.observed.now_ms + random_.between(0, 500);
}

bool DecideOperator::degraded() const {
  return decide::is_true(store_.status, ConditionType::kDegraded);
}

void DecideOperator::summarise(const TrainingJobStatus& before) {
  const TrainingJobStatus& status = store_.status;
  if (status.members != before.members || status.term != before.term ||
      status.origin != before.origin || status.conditions != before.conditions) {
    view_.note(describe_status(status));
  }
  for (const MemberStatus& member : before.members) {
    const ProcessId id{member.name, member.incarnation};
    if (members_of(status).find(id) == nullptr) {
      summary_.removed.insert(id);
    }
  }
  summary_.resource_version = store_.resource_version;
  summary_.coordinator = {status.coordinator, status.coordinator_incarnation};
  summary_.members = members_of(status);
  summary_.plan = status.plan_number;
  summary_.suspend = status.planned_suspend;
  summary_.restore_from = status.restore_from;
  if (before.origin != 0 && status.origin == 0) {
    view_.gave_up(before.origin);
    goes_back_ = GoesBack{before.origin, decide::is_true(before, ConditionType::kSuspended)};
  }
  if (!status.coordinator.empty() && status.origin == 0 && goes_back_) {
    view_.went_back(goes_back_->abandoned, status.restore_from, goes_back_->wished);
    goes_back_.reset();
    restored_from_ = status.restore_from;
  } else if (!status.coordinator.empty() && status.origin == 0 &&
             status.restore_from != restored_from_) {
    view_.goes_back_instead(status.restore_from);
    restored_from_ = status.restore_from;
  }
  summary_.origin = status.origin;
  if (status.term > summary_.term) {
    summary_.term = status.term;
    view_.appointed(summary_.term, summary_.coordinator);
  }
  const bool succeeded = decide::is_true(status, ConditionType::kSucceeded);
  const bool failed = decide::is_true(status, ConditionType::kFailed);
  if ((succeeded || failed) && !summary_.finished) {
    summary_.finished = true;
    summary_.outcome = last_words_;
    if (failed) {
      summary_.outcome.phase = JobPhase::kFailed;
      summary_.outcome.failure = decide::find_condition(status, ConditionType::kFailed)->message;
    }
  }
}

}  // namespace ballast::sim
