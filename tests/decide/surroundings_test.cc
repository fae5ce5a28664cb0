// What a cluster does to processes, as decide() takes it: taken away, hindered, refused; and what
// the conditions of the status tell of it.
#include <gmock/gmock.h>

#include "operator/core/advance.h"
#include "operator/core/conditions.h"
#include "operator/core/decide.h"
#include "tests/decide/world.h"

namespace ballast::decide {
namespace {

using api::ConditionType;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

std::string told(const World& world, ConditionType type) {
  const api::Condition* condition = find_condition(world.observed.status, type);
  if (condition == nullptr) return "nothing";
  return (condition->status ? "yes " : "no ") + condition->reason + ": " + condition->message;
}

void is_taken(World& world, const std::string& name, const Trouble& why) {
  world.exits(name, 1);
  world.find(name)->taken = true;
  world.find(name)->trouble = why;
}

TEST(Taken, ComesBackAtOnceAndIsNoFailure) {
  World world;
  world.observed.job.spec.backoff_limit = 0;
  world.run_to_training();
  is_taken(world, "worker-1", {"Evicted", "the node was low on memory"});
  EXPECT_THAT(
      world.settle(),
      ElementsAre("write worker-1 failures 0 Running off Restarting Evicted", "start worker-1 #2"));
  EXPECT_EQ(told(world, ConditionType::kRestarting),
            "yes Evicted: worker-1 was taken away (Evicted: the node was low on memory)");
  EXPECT_EQ(world.observed.status.restarts["worker-1"].total, 1);
  world.ready("worker-1");
  EXPECT_THAT(world.settle(), ElementsAre("write Running AllReady Restarting off"));
}

TEST(Taken, AgainAndAgainComesBackSlower) {
  World world;
  world.observed.job.spec.backoff_limit = 0;
  world.run_to_training();
  TimeMs waited_ms = 0;
  for (int i = 0; i < 12; ++i) {
    is_taken(world, "worker-1", {"Evicted", ""});
    world.settle();
    const auto wake_ms = decide(world.observed).wake_at_ms;
    waited_ms = world.observed.status.restarts["worker-1"].not_before_ms - world.observed.now_ms;
    EXPECT_TRUE(waited_ms == 0 || wake_ms.value_or(0) <= world.observed.now_ms + waited_ms);
    world.observed.now_ms += waited_ms;
    world.settle();
  }
  EXPECT_EQ(waited_ms, kLongestBackoffMs);
  EXPECT_FALSE(has_outcome(world.observed.status));
}

TEST(Taken, AServerOnALostNodeThatComesBackIsNoMemberAgain) {
  World world(3, 1, 2);
  world.run_to_training();
  Process& server = *world.find("ps-2");
  const Process before = server;
  is_taken(world, "ps-2", {"NodeNotReady", "the node n is not ready"});
  server.lost = true;
  EXPECT_THAT(world.settle(), Contains(HasSubstr("write members 2: ps-0/100 ps-1/101")));
  *world.find("ps-2") = before;  // the node is back before anything was started
  world.observed.now_ms += kRemovedGraceMs;
  world.observed.coordinator_heard_ms = world.observed.now_ms;
  for (const char* name : {"ps-0", "ps-1", "ps-2", "worker-0"}) world.heard(name);
  const auto log = world.settle();
  EXPECT_THAT(log, Contains("kill ps-2"));
  EXPECT_EQ(world.observed.status.members.size(), 2U);
}

// An operator that was stopped, or has too much to do, hears what was said only afterwards.
TEST(Excused, NobodyIsSilentWhileNobodyListens) {
  World world(3, 1, 2);
  world.run_to_training();
  const TimeMs heard_ms = world.observed.now_ms;
  world.observed.coordinator_heard_ms = heard_ms;
  world.observed.standing_since_ms = heard_ms;
  world.observed.now_ms += 10 * kStandingMs;
  excuse(world.observed, 10 * kStandingMs - 1'000);  // it was due after a second
  EXPECT_EQ(world.observed.coordinator_heard_ms, world.observed.now_ms - 1'000);
  EXPECT_EQ(world.observed.standing_since_ms, world.observed.now_ms - 1'000);
  EXPECT_THAT(world.settle(), IsEmpty());
  world.observed.now_ms += kCoordinatorSilenceMs;
  for (const char* name : {"ps-1", "ps-2"}) world.heard(name);
  EXPECT_THAT(world.settle(), Contains(HasSubstr("term 2"))) << "now it is silent";
  world.observed.coordinator_heard_ms.reset();
  excuse(world.observed, 1'000);
  EXPECT_EQ(world.observed.coordinator_heard_ms, std::nullopt);
}

TEST(Hindered, IsToldAndLeftAlone) {
  World world;
  world.settle();
  for (const char* name : {"ps-0", "ps-1"}) {
    world.find(name)->hindered = true;
    world.find(name)->trouble = {"ImagePullBackOff", "no such image"};
  }
  world.settle();
  EXPECT_EQ(told(world, ConditionType::kRunning), "no ImagePullBackOff: ps-0: no such image");
  world.observed.now_ms += 100 * kServerStartDeadlineMs;
  world.find("ps-0")->trouble.message = "no such image, tried again";
  EXPECT_THAT(world.settle(), IsEmpty()) << "what goes on is told once, and nothing is ended";
  world.find("ps-0")->trouble = {};
  world.settle();
  EXPECT_EQ(told(world, ConditionType::kRunning), "no ImagePullBackOff: ps-1: no such image");
  world.find("ps-1")->trouble = {};
  world.settle();
  EXPECT_EQ(told(world, ConditionType::kRunning), "no Waiting: not every process is ready");
}

// Their servers wait for a node, say, for longer than a worker looks for them.
TEST(Workers, ThatFindNobodyToJoinAreNoFailures) {
  World world(1, 1);
  world.observed.pods = true;
  world.observed.job.spec.backoff_limit = 0;
  EXPECT_THAT(world.settle(), ElementsAre("write plan 1", "start ps-0 #1", "start worker-0 #1"));
  world.exits("worker-0", 1);
  EXPECT_THAT(world.settle(),
              ElementsAre("write worker-0 failures 0 Created AllCreated Restarting ProcessEnded",
                          "start worker-0 #2"));
  world.exits("worker-0", 1);
  world.settle();
  EXPECT_GT(world.observed.status.restarts["worker-0"].not_before_ms, world.observed.now_ms);
  world.observed.now_ms += kLongestBackoffMs;
  world.settle();
  world.exits("worker-0", 2);
  world.settle();
  EXPECT_THAT(told(world, ConditionType::kFailed), HasSubstr("BadConfiguration"));
}

TEST(Created, OfPodsIsToldWithSomethingElseOrAfterAWhile) {
  World world(1, 1);
  world.observed.pods = true;
  const TimeMs begin_ms = world.observed.now_ms;
  EXPECT_THAT(world.settle(), ElementsAre("write plan 1", "start ps-0 #1", "start worker-0 #1"));
  EXPECT_EQ(decide(world.observed).wake_at_ms, begin_ms + kCreatedPatienceMs);
  world.observed.now_ms = begin_ms + kCreatedPatienceMs;
  World other = world;
  EXPECT_THAT(world.settle(), ElementsAre("write Created AllCreated"));
  other.observed.now_ms = begin_ms + 1;
  EXPECT_THAT(other.settle(), IsEmpty());
  other.exits("worker-0", 1);
  other.settle();
  EXPECT_TRUE(is_true(other.observed.status, ConditionType::kCreated));
}

TEST(Refused, IsToldAndTriedAgainSlowerAndSlower) {
  World world(1, 2);
  world.run_to_training();
  world.exits("worker-1", 1);
  world.settle();
  world.observed.now_ms += kFirstBackoffMs;
  for (int64_t times = 1; times < 9; ++times) {
    ASSERT_THAT(decide(world.observed).list,
                Contains(Action(StartProcess{Role::kWorker, 1, 2, world.observed.status.version})));
    world.observed.refusals = {
        {Role::kWorker, 1, {"QuotaExceeded", "no more pods"}, times, world.observed.now_ms}};
    EXPECT_THAT(world.settle(), Not(Contains(HasSubstr("start"))));
    EXPECT_EQ(told(world, ConditionType::kCreated), "no QuotaExceeded: worker-1: no more pods");
    const auto again_ms = decide(world.observed).wake_at_ms;
    ASSERT_TRUE(again_ms);
    EXPECT_LE(*again_ms, world.observed.now_ms + doubled(kFirstRefusalBackoffMs, times));
    world.observed.now_ms += doubled(kFirstRefusalBackoffMs, times);
    for (const char* name : {"ps-0", "worker-0"}) world.heard(name);
  }
  world.observed.refusals.clear();
  EXPECT_THAT(world.settle(), ElementsAre("write Created AllCreated", "start worker-1 #2"));
}

TEST(Refused, ANameThatIsTakenKeepsNobodyElseFromTraining) {
  World world(1, 3);
  world.observed.refusals = {{Role::kWorker, 1, {"NameTaken", "not ours"}, 1, 1'000'000}};
  world.run_to_training();
  EXPECT_EQ(world.find("worker-1"), nullptr);
  EXPECT_NE(world.find("worker-2"), nullptr);
  EXPECT_EQ(world.observed.status.origin, 1U);
  EXPECT_EQ(told(world, ConditionType::kCreated), "no NameTaken: worker-1: not ours");
}

TEST(Deleting, NothingIsDone) {
  World world;
  world.observed.deleting = true;
  EXPECT_EQ(decide(world.observed), Actions{});
  world.observed.deleting = false;
  world.run_to_training();
  world.observed.deleting = true;
  world.exits("worker-1", 1);
  world.reports(CoordinatorPhase::kDone, 9);
  EXPECT_EQ(decide(world.observed), Actions{});
}

// Trains to the end, with pods.
World done(const std::string& policy, std::optional<int64_t> ttl_seconds = {}) {
  World world;
  world.observed.pods = true;
  world.observed.job.spec.clean_pod_policy = policy;
  world.observed.job.spec.ttl_seconds_after_finished = ttl_seconds;
  world.run_to_training();
  world.reports(CoordinatorPhase::kDone, 10);
  return world;
}

TEST(CleanPods, WorkersEndByThemselvesAndServersAreStopped) {
  World world = done("Running");
  EXPECT_THAT(world.settle(), ElementsAre(HasSubstr("Succeeded")));
  world.exits("worker-0", 0);
  EXPECT_THAT(world.settle(), IsEmpty());
  EXPECT_EQ(decide(world.observed).wake_at_ms, world.observed.now_ms + kDoneWorkerMs);
  world.observed.now_ms += kDoneWorkerMs;
  EXPECT_THAT(world.settle(), ElementsAre("stop worker-1"));
  world.exits("worker-1", 130);
  EXPECT_THAT(world.settle(), ElementsAre("stop ps-0", "stop ps-1"));
  world.exits("ps-0", 0);
  world.exits("ps-1", 0);
  EXPECT_THAT(world.settle(), ElementsAre("finish 0"));
  EXPECT_EQ(decide(world.observed).wake_at_ms, std::nullopt);
}

TEST(CleanPods, AllTakesTheEndedAwayToo) {
  World world = done("All");
  world.settle();
  for (const char* name : {"worker-0", "worker-1"}) world.exits(name, 0);
  world.settle();
  for (const char* name : {"ps-0", "ps-1"}) world.exits(name, 0);
  EXPECT_THAT(world.settle(), ElementsAre("remove ps-0", "remove ps-1", "remove worker-0",
                                          "remove worker-1", "finish 0"));
}

TEST(CleanPods, NoneLeavesAllAsTheyAre) {
  World world = done("None");
  EXPECT_THAT(world.settle(), ElementsAre(HasSubstr("Succeeded"), "finish 0"));
}

TEST(CleanPods, ASuspendedJobHasNoSay) {
  World world;
  world.observed.pods = true;
  world.observed.job.spec.clean_pod_policy = "None";
  world.run_to_training();
  world.observed.job.spec.suspend = true;
  world.settle();
  world.reports(CoordinatorPhase::kSuspended, 3);
  EXPECT_THAT(world.settle(), Contains("stop worker-0"));
}

TEST(Ttl, DeletesTheJobInTimeAndNotBefore) {
  World world = done("None", 60);
  world.settle();
  const TimeMs due_ms = world.observed.now_ms + 60'000;
  EXPECT_EQ(decide(world.observed).wake_at_ms, due_ms);
  world.observed.now_ms = due_ms - 1;
  EXPECT_THAT(world.settle(), ElementsAre("finish 0"));
  world.observed.now_ms = due_ms;
  EXPECT_THAT(world.settle(), ElementsAre("delete the job", "finish 0"));
  EXPECT_EQ(decide(world.observed), Actions{}) << "it is being deleted";
}

TEST(Ttl, CountsForAFailedJobAndNotForASuspendedOne) {
  World world;
  world.observed.pods = true;
  world.observed.job.spec.ttl_seconds_after_finished = 0;
  world.observed.job.spec.suspend = true;
  EXPECT_THAT(world.settle(), ElementsAre("write plan 1 Suspended SuspendedBySpec"));
  world.observed.job.spec.suspend = false;
  world.settle();
  world.exits("ps-0", 2);
  world.settle();
  for (const char* name : {"worker-0", "worker-1", "ps-1"}) world.exits(name, 0);
  EXPECT_THAT(world.settle(), Contains("delete the job"));
}

TEST(Conditions, ScalingIsOverWhenAllAreThereAndNoneIsTooMany) {
  World world;
  world.run_to_training();
  world.observed.job.spec.workers.replicas = 3;
  world.settle();
  EXPECT_EQ(told(world, ConditionType::kScaling), "yes ReplicasChanged: workers: 2 to 3");
  world.ready("worker-2");
  EXPECT_THAT(world.settle(), ElementsAre("write Running AllReady Scaling off"));
  world.observed.job.spec.workers.replicas = 2;
  world.settle();
  EXPECT_TRUE(is_true(world.observed.status, ConditionType::kScaling));
  world.exits("worker-2", 0);
  EXPECT_THAT(world.settle(), ElementsAre("write worker-2 failures 0 Scaling off"));
}

TEST(Conditions, AnOutcomeEndsWhatIsUnderWay) {
  World world;
  world.run_to_training();
  world.observed.job.spec.workers.replicas = 3;
  world.exits("worker-1", 1);
  world.settle();
  world.reports(CoordinatorPhase::kDone, 10);
  world.settle();
  for (const ConditionType type :
       {ConditionType::kRunning, ConditionType::kRestarting, ConditionType::kScaling}) {
    EXPECT_FALSE(is_true(world.observed.status, type));
  }
}

TEST(Progress, TellsTokensPerSecondBetweenTwoWrites) {
  World world;
  world.run_to_training();
  const auto reports_step = [&](int64_t step) {
    world.reports(CoordinatorPhase::kWorking, step);
    world.observed.report->step_tokens = 1000;
    world.settle();
    return world.observed.status.progress.tokens_per_second;
  };
  EXPECT_EQ(reports_step(5), 0) << "since when is not known";
  world.observed.now_ms += kProgressEveryMs;
  EXPECT_EQ(reports_step(25), 2000);
  world.observed.now_ms += kProgressEveryMs;
  EXPECT_EQ(reports_step(3), 2000) << "it went back";
}

}  // namespace
}  // namespace ballast::decide
