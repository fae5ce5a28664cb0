#include "tests/decide/world.h"

#include <algorithm>

#include "common/check.h"
#include "operator/api/status_json.h"
#include "operator/core/advance.h"
#include "operator/core/checkpoint_list.h"
#include "operator/core/session_peer.h"

namespace ballast::decide {
namespace {

// What changed between two statuses, in a few words.
std::string changes(const api::TrainingJobStatus& before, const api::TrainingJobStatus& next) {
  std::string text;
  if (next.members != before.members) {
    text += " members " + std::to_string(next.members_number) + ":";
    for (const auto& member : next.members)
      text += " " + member.name + "/" + std::to_string(member.incarnation);
  }
  if (next.term != before.term) {
    text += " term " + std::to_string(next.term) + " " + next.coordinator +
            (next.start == api::StartMode::kContinue  ? " continue"
             : next.start == api::StartMode::kRestore ? " restore " + next.restore_from
                                                      : " initialise");
  }
  if (before.origin > 0 && next.origin == 0) text += " back";
  for (const api::CheckpointStatus& checkpoint : next.checkpoints) {
    if (std::find(before.checkpoints.begin(), before.checkpoints.end(), checkpoint) !=
        before.checkpoints.end())
      continue;
    text += " checkpoint " + checkpoint.directory +
            (checkpoint.verified  ? " whole"
             : checkpoint.damaged ? " damaged"
                                  : "");
  }
  for (const std::string& directory : next.deletable) {
    if (std::find(before.deletable.begin(), before.deletable.end(), directory) ==
        before.deletable.end())
      text += " deletable " + directory;
  }
  if (next.origin != before.origin) text += " origin " + std::to_string(next.origin);
  if (next.plan_number != before.plan_number) text += " plan " + std::to_string(next.plan_number);
  for (const auto& [name, restart] : next.restarts) {
    const auto old = before.restarts.find(name);
    if (old != before.restarts.end() && old->second == restart) continue;
    text += " " + name + " failures " + std::to_string(restart.failures);
  }
  for (const api::Condition& condition : next.conditions) {
    if (is_true(before, condition.type) == condition.status) continue;
    text += std::string(" ") + api::to_string(condition.type) +
            (condition.status ? " " + condition.reason : " off");
  }
  if (next.progress != before.progress) text += " step " + std::to_string(next.progress.step);
  return text;
}

template <typename... T>
struct Overloaded : T... {
  using T::operator()...;
};
template <typename... T>
Overloaded(T...) -> Overloaded<T...>;

}  // namespace

std::string to_string(const Action& action, const api::TrainingJobStatus& before) {
  return std::visit(
      Overloaded{[&](const WriteStatus& write) { return "write" + changes(before, write.next); },
                 [](const StartProcess& start) {
                   return "start " + process_name(start.role, start.index) + " #" +
                          std::to_string(start.instance);
                 },
                 [](const StopProcess& stop) {
                   return std::string(stop.kill ? "kill " : "stop ") + stop.name;
                 },
                 [](const SendAppoint& send) {
                   return "appoint " + send.to.name + " " + std::to_string(send.term);
                 },
                 [](const SendMembers& send) { return "members " + std::to_string(send.number); },
                 [](const SendOrigin& send) { return "origin " + std::to_string(send.origin); },
                 [](const SendPlan& send) { return "plan " + std::to_string(send.plan_number); },
                 [](const VerifyCheckpoint& verify) { return "verify " + verify.directory; },
                 [](const FindCheckpoint& find) { return "find " + find.path; },
                 [](const DeleteCheckpoint& remove) { return "delete " + remove.directory; },
                 [](const RemoveEnded& remove) { return "remove " + remove.name; },
                 [](const DeleteJob&) { return std::string("delete the job"); },
                 [](const Finish& finish) { return "finish " + std::to_string(finish.exit_code); }},
      action);
}

World::World(int64_t servers, int64_t workers, int64_t replication) {
  observed.now_ms = 1'000'000;
  observed.job.metadata.name = "job";
  observed.job.spec.servers.replicas = servers;
  observed.job.spec.servers.replication = replication;
  observed.job.spec.workers.replicas = workers;
}

Process* World::find(const std::string& name) {
  const auto at = std::find_if(
      observed.processes.begin(), observed.processes.end(),
      [&](const Process& process) { return process_name(process.role, process.index) == name; });
  return at == observed.processes.end() ? nullptr : &*at;
}

bool World::round() {
  const Actions actions = decide(observed);
  for (const Action& action : actions.list) {
    log.push_back(to_string(action, observed.status));
    if (const auto* write = std::get_if<WriteStatus>(&action)) {
      CHECK(write->expected_version == observed.status.version);
      CHECK(write->next.version == observed.status.version + 1);
      adopt_written(observed, write->next);
    } else if (const auto* start = std::get_if<StartProcess>(&action)) {
      const std::string name = process_name(start->role, start->index);
      std::erase_if(observed.processes,
                    [&](const Process& old) { return process_name(old.role, old.index) == name; });
      Process process;
      process.role = start->role;
      process.index = start->index;
      process.instance = start->instance;
      process.status_version = start->status_version;
      process.started_ms = observed.now_ms;
      observed.processes.push_back(process);
    } else if (const auto* stop = std::get_if<StopProcess>(&action)) {
      Process* process = find(stop->name);
      CHECK(process != nullptr && process->instance == stop->instance);
      CHECK(process->state != ProcessState::kExited);
      if (stop->kill) {
        process->killed = true;
      } else {
        process->stopping_since_ms = observed.now_ms;
      }
    } else if (const auto* verify = std::get_if<VerifyCheckpoint>(&action)) {
      observed.in_hand.push_back(verify->directory);
    } else if (const auto* search = std::get_if<FindCheckpoint>(&action)) {
      observed.in_hand.push_back(search->path);
    } else if (const auto* remove = std::get_if<DeleteCheckpoint>(&action)) {
      observed.in_hand.push_back(remove->directory);
    } else if (const auto* gone = std::get_if<RemoveEnded>(&action)) {
      CHECK(find(gone->name)->state == ProcessState::kExited);
      std::erase_if(observed.processes, [&](const Process& one) {
        return process_name(one.role, one.index) == gone->name;
      });
    } else if (std::holds_alternative<DeleteJob>(action)) {
      observed.deleting = true;
    } else if (const auto* finish = std::get_if<Finish>(&action)) {
      finished.push_back(finish->exit_code);
    } else if (std::holds_alternative<SendAppoint>(action)) {
      observed.session->told_term = observed.status.term;
      observed.session->told_members_number = observed.status.members_number;
      observed.session->told_plan_number = observed.status.plan_number;
    } else if (std::holds_alternative<SendMembers>(action)) {
      observed.session->told_members_number = observed.status.members_number;
      observed.remove_requests.clear();
    } else if (std::holds_alternative<SendOrigin>(action)) {
      observed.session->told_origin = observed.status.origin;
      observed.origin_request.reset();
    } else {
      observed.session->told_plan_number = observed.status.plan_number;
    }
  }
  return !actions.list.empty();
}

std::vector<std::string> World::settle() {
  log.clear();
  finished.clear();
  int rounds = 0;
  while (finished.empty() && round()) CHECK(++rounds < 20);
  return log;
}

void World::ready(const std::string& name) {
  Process* process = find(name);
  CHECK(process != nullptr && process->state == ProcessState::kStarting);
  process->state = ProcessState::kReady;
  process->incarnation = 100 * process->instance + static_cast<uint64_t>(process->index);
  process->address = "unix:/" + name;
  process->heard_ms = observed.now_ms;
}

void World::ready_all() {
  for (Process& process : observed.processes) {
    if (process.state == ProcessState::kStarting) ready(process_name(process.role, process.index));
  }
}

void World::exits(const std::string& name, int code, int signal) {
  Process* process = find(name);
  CHECK(process != nullptr && process->state != ProcessState::kExited);
  process->state = ProcessState::kExited;
  process->exit_code = code;
  process->exit_signal = signal;
  process->ended_ms = observed.now_ms;
  if (observed.session && observed.session->name == name) disconnect();
}

void World::disconnect() {
  observed.session.reset();
  if (observed.checkpoints_by_servers) observed.in_hand.clear();
}

void World::stop_is_asked_for() {
  observed.stop_requested = true;
  observed.stop_requested_ms = observed.now_ms;
}

void World::connect() {
  disconnect();
  const auto peer = session_peer(observed, observed.status);
  if (!peer) return;
  observed.session = CoordinatorSession{};
  observed.session->name = peer->name;
  observed.session->incarnation = peer->incarnation;
}

void World::origin_asked() {
  observed.origin_request = OriginRequest{observed.status.term, observed.status.term};
}

void World::reports(CoordinatorPhase phase, int64_t step) {
  observed.report = CoordinatorReport{};
  observed.report->term = observed.status.term;
  observed.report->phase = phase;
  observed.report->step = step;
  observed.report->degraded = is_true(observed.status, api::ConditionType::kDegraded);
  observed.report->members_number = observed.status.members_number;
  observed.report->plan_number = observed.status.plan_number;
  observed.report->failure =
      phase == CoordinatorPhase::kFailed ? "ten steps in a row were not finite" : "";
}

void World::writes_checkpoint(const std::string& directory) {
  reports(CoordinatorPhase::kWorking, observed.status.progress.step);
  observed.report->checkpoint = directory;
}

void World::checked(const std::string& directory, const std::string& error) {
  std::erase(observed.in_hand, directory);
  observed.checked.push_back({directory, error});
}

void World::deleted(const std::string& directory) {
  std::erase(observed.in_hand, directory);
  observed.deleted.push_back(directory);
}

void World::found(const FoundCheckpoints& found) {
  std::erase(observed.in_hand, observed.job.spec.checkpoint.path);
  observed.found = found;
}

void World::replicas(bool all) {
  reports(CoordinatorPhase::kWorking, observed.status.progress.step);
  observed.report->degraded = !all;
}

void World::heard(const std::string& name) { find(name)->heard_ms = observed.now_ms; }

void World::run_to_training() {
  settle();
  ready_all();
  settle();
  connect();
  if (seeks_checkpoint(observed, observed.status)) {
    settle();
    found({});
    settle();
    connect();
  }
  ready_all();
  settle();
  origin_asked();
  settle();
}

}  // namespace ballast::decide
