// decide() under random histories: processes end in every way, coordinators speak truth and
// nonsense, time jumps. What its header promises holds at every moment.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <random>
#include <set>

#include "common/exit_code.h"
#include "operator/core/advance.h"
#include "operator/core/session_peer.h"
#include "tests/decide/world.h"

namespace ballast::decide {
namespace {

void is_taken(World& world, const std::string& name) {
  world.exits(name, *rc::gen::element(0, 1, 130));
  Process& process = *world.find(name);
  process.taken = true;
  process.lost = *rc::gen::arbitrary<bool>();
  process.trouble = {*rc::gen::element<std::string>("", "Evicted"), "m"};
}

void is_refused(Observed& observed) {
  observed.refusals.clear();
  for (int64_t i = *rc::gen::inRange(0, 3); i > 0; --i) {
    observed.refusals.push_back({*rc::gen::element(Role::kServer, Role::kWorker),
                                 i,
                                 {"QuotaExceeded", "m"},
                                 *rc::gen::inRange<int64_t>(1, 20),
                                 observed.now_ms});
  }
}

// Of what is in hand; or the session breaks before.
void answer_something(World& world) {
  Observed& observed = world.observed;
  if (observed.in_hand.empty()) return;
  if (*rc::gen::weightedElement<bool>({{3, false}, {1, true}})) return world.disconnect();
  const std::string what = *rc::gen::elementOf(observed.in_hand);
  const auto& deletable = observed.status.deletable;
  if (what == observed.job.spec.checkpoint.path) {
    FoundCheckpoints found;
    found.error = *rc::gen::weightedElement<std::string>({{9, ""}, {1, "of another model"}});
    found.highest_term = *rc::gen::inRange<uint64_t>(0, 4);
    if (*rc::gen::arbitrary<bool>()) {
      found.complete = {"/c/old-1", "/c/old-2", "/c/old-3"};
      found.newest = *rc::gen::element<std::string>("", "/c/old-2", "/c/old-3");
      if (found.newest != "/c/old-3") found.damaged = {{"/c/old-3", "torn"}};
    }
    world.found(found);
  } else if (std::find(deletable.begin(), deletable.end(), what) != deletable.end()) {
    world.deleted(what);
  } else {
    world.checked(what, *rc::gen::weightedElement<std::string>({{3, ""}, {1, "torn"}}));
  }
}

void something_happens(World& world) {
  auto& observed = world.observed;
  std::vector<std::string> starting;
  std::vector<std::string> running;
  for (const Process& process : observed.processes) {
    const std::string name = process_name(process.role, process.index);
    if (process.state == ProcessState::kStarting) starting.push_back(name);
    if (process.state != ProcessState::kExited) running.push_back(name);
  }
  switch (*rc::gen::weightedElement<int>({{8, 0},
                                          {2, 1},
                                          {2, 2},
                                          {3, 3},
                                          {2, 4},
                                          {2, 5},
                                          {1, 6},
                                          {1, 7},
                                          {1, 8},
                                          {2, 9},
                                          {1, 10},
                                          {1, 11},
                                          {1, 12},
                                          {2, 13},
                                          {2, 14}})) {
    case 0:
      if (!starting.empty()) world.ready(*rc::gen::elementOf(starting));
      break;
    case 1:
      if (!running.empty()) {
        const bool signalled = *rc::gen::arbitrary<bool>();
        world.exits(*rc::gen::elementOf(running),
                    signalled ? 0 : *rc::gen::element(0, 1, 1, 1, 2, 3, 130),
                    signalled ? *rc::gen::element(6, 9, 11, 15) : 0);
      }
      break;
    case 2:
      world.connect();
      break;
    case 3:
      observed.now_ms += *rc::gen::element<int64_t>(1, 100, 5'000, 60'000, 700'000);
      break;
    case 4:
      observed.origin_request =
          OriginRequest{*rc::gen::inRange<uint64_t>(0, 4), *rc::gen::inRange<uint64_t>(1, 4)};
      break;
    case 5:
      observed.report = CoordinatorReport{};
      observed.report->term = *rc::gen::inRange<uint64_t>(0, 4);
      observed.report->step = *rc::gen::inRange<int64_t>(0, 9);
      observed.report->phase =
          *rc::gen::weightedElement<CoordinatorPhase>({{8, CoordinatorPhase::kWorking},
                                                       {1, CoordinatorPhase::kDone},
                                                       {1, CoordinatorPhase::kFailed}});
      break;
    case 6:
      observed.remove_requests.push_back({*rc::gen::inRange<uint64_t>(0, 4),
                                          "ps-" + std::to_string(*rc::gen::inRange(0, 4)),
                                          *rc::gen::inRange<uint64_t>(0, 400), "silent"});
      break;
    case 7:
      observed.job.spec.workers.replicas = *rc::gen::inRange(1, 5);
      break;
    case 8:
      observed.stop_requested = *rc::gen::weightedElement<bool>({{9, false}, {1, true}});
      break;
    case 9:
      if (!running.empty()) is_taken(world, *rc::gen::elementOf(running));
      break;
    case 10:
      for (const std::string& name : starting) {
        world.find(name)->hindered = *rc::gen::arbitrary<bool>();
        world.find(name)->trouble = {*rc::gen::element<std::string>("", "Unschedulable"), "m"};
      }
      break;
    case 11:
      is_refused(observed);
      break;
    case 12:
      observed.job.spec.suspend = *rc::gen::arbitrary<bool>();
      break;
    case 13:
      if (observed.report)
        observed.report->checkpoint = *rc::gen::element<std::string>("/c/1", "/c/2", "/c/3");
      break;
    default:
      answer_something(world);
      break;
  }
}

// All is whole, and nothing was left by others.
void answer_all(World& world) {
  const auto in_hand = world.observed.in_hand;
  const auto deletable = world.observed.status.deletable;
  for (const std::string& what : in_hand) {
    if (what == world.observed.job.spec.checkpoint.path) {
      world.found({});
    } else if (std::find(deletable.begin(), deletable.end(), what) != deletable.end()) {
      world.deleted(what);
    } else {
      world.checked(what);
    }
  }
}

// Processes that were asked to end do, those that start are ready, and the coordinator works.
void all_is_well(World& world) {
  auto& observed = world.observed;
  for (Process& process : observed.processes) {
    process.hindered = false;
    const std::string name = process_name(process.role, process.index);
    if (process.state == ProcessState::kExited) continue;
    if (process.stopping_since_ms || process.killed) {
      world.exits(name, 130);
    } else if (process.state == ProcessState::kStarting) {
      process.started_ms = observed.now_ms;
      world.ready(name);
    }
    process.heard_ms = observed.now_ms;
  }
  observed.coordinator_heard_ms = observed.now_ms;
  observed.standing_since_ms.reset();
  const auto peer = session_peer(observed, observed.status);
  if (!peer || !observed.session || observed.session->name != peer->name ||
      observed.session->incarnation != peer->incarnation) {
    world.connect();
  }
  answer_all(world);
  if (observed.status.term == 0 || observed.status.coordinator.empty()) return;
  if (observed.status.origin == 0) world.origin_asked();
  world.reports(
      observed.status.planned_suspend ? CoordinatorPhase::kSuspended : CoordinatorPhase::kWorking,
      observed.status.progress.step + 1);
  observed.report->degraded = false;
}

// Only what the status lists is touched, and only somebody who is there is asked.
void check_question(const Observed& observed, const api::TrainingJobStatus& status,
                    const Action& action) {
  if (observed.checkpoints_by_servers) RC_ASSERT(observed.session.has_value());
  const auto& all = status.checkpoints;
  if (const auto* remove = std::get_if<DeleteCheckpoint>(&action)) {
    RC_ASSERT(std::find(status.deletable.begin(), status.deletable.end(), remove->directory) !=
              status.deletable.end());
    RC_ASSERT(std::none_of(all.begin(), all.end(),
                           [&](const auto& one) { return one.directory == remove->directory; }));
  } else if (const auto* verify = std::get_if<VerifyCheckpoint>(&action)) {
    RC_ASSERT(std::any_of(all.begin(), all.end(), [&](const auto& one) {
      return one.directory == verify->directory && !one.verified && !one.damaged;
    }));
  } else {
    RC_ASSERT((observed.job.spec.checkpoint.resume && status.term == 0U && !has_outcome(status)));
  }
}

// Parameters come from a checkpoint that was read and is whole, and from no older one than is
// known.
void check_beginning(const Observed& observed, const api::TrainingJobStatus& status) {
  if (status.start == api::StartMode::kContinue) return;
  if (observed.checkpoints_by_servers && observed.job.spec.checkpoint.resume) {
    RC_ASSERT(status.sought);
  }
  if (status.restore_from.empty()) return;
  const auto& all = status.checkpoints;
  RC_ASSERT(std::any_of(all.begin(), all.end(), [&](const auto& one) {
    return one.directory == status.restore_from && one.verified;
  }));
}

void check_actions(const Observed& observed, const Actions& actions) {
  api::TrainingJobStatus status = observed.status;
  for (size_t i = 0; i < actions.list.size(); ++i) {
    const Action& action = actions.list[i];
    if (const auto* write = std::get_if<WriteStatus>(&action)) {
      RC_ASSERT(i == 0U);
      RC_ASSERT(write->expected_version == observed.status.version);
      RC_ASSERT(
          (write->next.term >= status.term && write->next.members_number >= status.members_number));
      RC_ASSERT(write->next.plan_number >= status.plan_number);
      const bool goes_back = write->next.origin == 0;
      RC_ASSERT((goes_back || status.origin == 0U || write->next.origin == status.origin));
      if (write->next.members != status.members)
        RC_ASSERT(write->next.members_number > status.members_number);
      if (!write->next.coordinator.empty() &&
          write->next.coordinator_incarnation != status.coordinator_incarnation)
        RC_ASSERT(write->next.term > status.term);
      status = write->next;
    } else if (const auto* start = std::get_if<StartProcess>(&action)) {
      RC_ASSERT(!has_outcome(status));
      const Process* old = find_process(observed, start->role, start->index);
      RC_ASSERT((old == nullptr ||
                 (old->state == ProcessState::kExited && old->instance < start->instance)));
      for (const StartRefusal& refusal : observed.refusals) {
        if (refusal.role == start->role && refusal.index == start->index)
          RC_ASSERT(observed.now_ms - refusal.at_ms >= kFirstRefusalBackoffMs);
      }
      const auto& spec = observed.job.spec;
      RC_ASSERT(start->index <
                (start->role == Role::kServer ? spec.servers.replicas : spec.workers.replicas));
      // Who is told addresses is told those of members.
      RC_ASSERT((start->role == Role::kServer || observed.pods || !status.members.empty()));
    } else if (const auto* stop = std::get_if<StopProcess>(&action)) {
      const Process* process = find_process(observed, stop->name);
      RC_ASSERT(process != nullptr);
      RC_ASSERT((process->instance == stop->instance && process->state != ProcessState::kExited));
    } else if (std::holds_alternative<VerifyCheckpoint>(action) ||
               std::holds_alternative<DeleteCheckpoint>(action) ||
               std::holds_alternative<FindCheckpoint>(action)) {
      check_question(observed, status, action);
    } else if (const auto* appoint = std::get_if<SendAppoint>(&action)) {
      RC_ASSERT((appoint->term == status.term &&
                 appoint->to.incarnation == status.coordinator_incarnation));
      check_beginning(observed, status);
      RC_ASSERT(!has_outcome(status));
    } else if (std::holds_alternative<Finish>(action)) {
      RC_ASSERT((has_outcome(status) && i + 1 == actions.list.size()));
      const bool left = observed.pods && observed.job.spec.clean_pod_policy == "None";
      for (const Process& process : observed.processes)
        RC_ASSERT((left || process.state == ProcessState::kExited));
    } else if (std::holds_alternative<DeleteJob>(action) ||
               std::holds_alternative<RemoveEnded>(action)) {
      RC_ASSERT(observed.pods);
      RC_ASSERT((is_true(status, api::ConditionType::kSucceeded) ||
                 is_true(status, api::ConditionType::kFailed)));
    }
  }
}

// With pods or without.
World any_world(int64_t servers, int64_t workers, int64_t replication) {
  World world(servers, workers, replication);
  world.observed.pods = *rc::gen::arbitrary<bool>();
  auto& spec = world.observed.job.spec;
  world.observed.checkpoints_by_servers = world.observed.pods;
  spec.checkpoint.path = "/c";
  spec.checkpoint.resume = *rc::gen::arbitrary<bool>();
  spec.clean_pod_policy = *rc::gen::element<std::string>("All", "Running", "None");
  if (*rc::gen::arbitrary<bool>())
    spec.ttl_seconds_after_finished = *rc::gen::inRange<int64_t>(0, 100);
  return world;
}

RC_GTEST_PROP(DecideProperties, KeepsItsPromisesInAnyHistory, ()) {
  World world =
      any_world(*rc::gen::inRange(1, 4), *rc::gen::inRange(1, 4), *rc::gen::inRange(1, 3));
  if (*rc::gen::arbitrary<bool>()) world.run_to_training();
  const int events = *rc::gen::inRange(1, 40);
  for (int i = 0; i < events; ++i) {
    something_happens(world);
    check_actions(world.observed, decide(world.observed));
    if (*rc::gen::arbitrary<bool>()) world.round();
  }
}

// Nothing of what a cluster is asked for waits for anything else of it.
RC_GTEST_PROP(DecideProperties, AllPodsOfANewJobAreAskedForAtOnce, ()) {
  World world(*rc::gen::inRange(1, 4), *rc::gen::inRange(1, 9), 2);
  world.observed.pods = true;
  const auto& spec = world.observed.job.spec;
  const Actions actions = decide(world.observed);
  check_actions(world.observed, actions);
  const auto starts = std::count_if(
      actions.list.begin(), actions.list.end(),
      [](const Action& action) { return std::holds_alternative<StartProcess>(action); });
  RC_ASSERT(starts == spec.servers.replicas + spec.workers.replicas);
}

RC_GTEST_PROP(DecideProperties, TheOrderOfWhatIsSeenMeansNothing, (uint32_t seed)) {
  World world(3, 3, 2);
  world.run_to_training();
  for (int i = 0; i < 8; ++i) something_happens(world);
  const Actions actions = decide(world.observed);
  std::mt19937 random(seed);
  std::shuffle(world.observed.processes.begin(), world.observed.processes.end(), random);
  std::shuffle(world.observed.refusals.begin(), world.observed.refusals.end(), random);
  std::shuffle(world.observed.remove_requests.begin(), world.observed.remove_requests.end(),
               random);
  RC_ASSERT(decide(world.observed) == actions);
}

RC_GTEST_PROP(DecideProperties, ComesToRest, ()) {
  World world(2, 2, *rc::gen::inRange(1, 3));
  world.run_to_training();
  for (int i = 0; i < 10; ++i) {
    something_happens(world);
    world.settle();  // CHECKs that it ends
  }
}

// Whatever has happened, once nothing more does and processes start and answer, the job trains.
RC_GTEST_PROP(DecideProperties, ComesToTrainOnceNothingMoreHappens, ()) {
  World world = any_world(2, 2, *rc::gen::inRange(1, 3));
  world.observed.job.spec.backoff_limit = 1'000;
  world.run_to_training();
  for (int i = *rc::gen::inRange(0, 12); i > 0; --i) {
    something_happens(world);
    world.settle();
  }
  auto& observed = world.observed;
  RC_PRE(!is_true(observed.status, api::ConditionType::kSucceeded));
  RC_PRE(!is_true(observed.status, api::ConditionType::kFailed));
  RC_PRE(!observed.stop_requested);
  // An end that no other start can help, of a job that rests, is judged when the job goes on.
  for (const Process& process : observed.processes) {
    const bool for_good = process.exit_code == to_status(ExitCode::kUsage) ||
                          process.exit_code == to_status(ExitCode::kRefused);
    RC_PRE(process.state != ProcessState::kExited || process.exit_signal != 0 || !for_good);
  }
  observed.job.spec.suspend = false;
  // Nonsense of a term that has not begun would come true with it, and so would an end that was
  // told of a job that rests.
  if (observed.report && (observed.report->term > observed.status.term ||
                          observed.report->phase == CoordinatorPhase::kDone ||
                          observed.report->phase == CoordinatorPhase::kFailed)) {
    observed.report.reset();
  }
  for (int i = 0; i < 40; ++i) {
    observed.refusals.clear();
    observed.remove_requests.clear();
    observed.origin_request.reset();
    observed.now_ms += kLongestBackoffMs;
    all_is_well(world);
    world.settle();
  }
  RC_ASSERT(is_true(observed.status, api::ConditionType::kRunning));
  for (const auto type : {api::ConditionType::kRestarting, api::ConditionType::kScaling})
    RC_ASSERT(!is_true(observed.status, type));
  RC_ASSERT(observed.status.members.size() == 2U);
  RC_ASSERT(observed.status.origin > 0U);
}

RC_GTEST_PROP(DecideProperties, NothingIsDoneForAJobThatIsBeingDeleted, ()) {
  World world = any_world(2, 2, 2);
  world.run_to_training();
  for (int i = *rc::gen::inRange(0, 9); i > 0; --i) something_happens(world);
  world.observed.deleting = true;
  RC_ASSERT(decide(world.observed) == Actions{});
}

RC_GTEST_PROP(DecideProperties, AnOutcomeIsForEver, ()) {
  World world;
  world.run_to_training();
  world.reports(*rc::gen::element(CoordinatorPhase::kDone, CoordinatorPhase::kFailed), 10);
  world.settle();
  const auto conditions = world.observed.status.conditions;
  for (int i = 0; i < 20; ++i) {
    something_happens(world);
    for (const std::string& line : world.settle())
      RC_ASSERT((!line.starts_with("start") && !line.starts_with("appoint")));
  }
  RC_ASSERT(world.observed.status.conditions == conditions);
}

}  // namespace
}  // namespace ballast::decide
