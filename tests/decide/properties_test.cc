// decide() under random histories: processes end in every way, coordinators speak truth and
// nonsense, time jumps. What its header promises holds at every moment.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <random>
#include <set>

#include "operator/core/advance.h"
#include "tests/decide/world.h"

namespace ballast::decide {
namespace {

void something_happens(World& world) {
  auto& observed = world.observed;
  std::vector<std::string> starting;
  std::vector<std::string> running;
  for (const Process& process : observed.processes) {
    const std::string name = process_name(process.role, process.index);
    if (process.state == ProcessState::kStarting) starting.push_back(name);
    if (process.state != ProcessState::kExited) running.push_back(name);
  }
  switch (*rc::gen::weightedElement<int>(
      {{8, 0}, {2, 1}, {2, 2}, {3, 3}, {2, 4}, {2, 5}, {1, 6}, {1, 7}, {1, 8}})) {
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
      if (observed.status.term > 0) world.connect();
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
    default:
      observed.stop_requested = *rc::gen::weightedElement<bool>({{9, false}, {1, true}});
      break;
  }
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
      const auto& spec = observed.job.spec;
      RC_ASSERT(start->index <
                (start->role == Role::kServer ? spec.servers.replicas : spec.workers.replicas));
    } else if (const auto* stop = std::get_if<StopProcess>(&action)) {
      const Process* process = find_process(observed, stop->name);
      RC_ASSERT(process != nullptr);
      RC_ASSERT((process->instance == stop->instance && process->state != ProcessState::kExited));
    } else if (const auto* appoint = std::get_if<SendAppoint>(&action)) {
      RC_ASSERT((appoint->term == status.term &&
                 appoint->to.incarnation == status.coordinator_incarnation));
      RC_ASSERT(!has_outcome(status));
    } else if (std::holds_alternative<Finish>(action)) {
      RC_ASSERT((has_outcome(status) && i + 1 == actions.list.size()));
      for (const Process& process : observed.processes)
        RC_ASSERT(process.state == ProcessState::kExited);
    }
  }
}

RC_GTEST_PROP(DecideProperties, KeepsItsPromisesInAnyHistory, ()) {
  World world(*rc::gen::inRange(1, 4), *rc::gen::inRange(1, 4), *rc::gen::inRange(1, 3));
  if (*rc::gen::arbitrary<bool>()) world.run_to_training();
  const int events = *rc::gen::inRange(1, 40);
  for (int i = 0; i < events; ++i) {
    something_happens(world);
    check_actions(world.observed, decide(world.observed));
    if (*rc::gen::arbitrary<bool>()) world.round();
  }
}

RC_GTEST_PROP(DecideProperties, TheOrderOfWhatIsSeenMeansNothing, (uint32_t seed)) {
  World world(3, 3, 2);
  world.run_to_training();
  for (int i = 0; i < 8; ++i) something_happens(world);
  const Actions actions = decide(world.observed);
  std::mt19937 random(seed);
  std::shuffle(world.observed.processes.begin(), world.observed.processes.end(), random);
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
