// What becomes of what policies say: their wishes in the plan, their words in the status.
#include <gmock/gmock.h>

#include "operator/core/advance.h"
#include "operator/core/decide.h"
#include "tests/decide/world.h"

namespace ballast::decide {
namespace {

using api::ConditionType;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

World training() {
  World world;
  world.observed.job.spec.policy.workers.mode = "act";
  world.observed.job.spec.workers.max_replicas = 4;
  world.run_to_training();
  return world;
}

TEST(Standing, IsWrittenOnceAndOnlyWhereItIsAnother) {
  World world = training();
  EXPECT_EQ(find_condition(world.observed.status, ConditionType::kPoliciesHeld), nullptr);
  world.observed.standing = PolicyStanding{};
  EXPECT_THAT(world.settle(), IsEmpty()) << "never of any interest";
  const uint64_t plan = world.observed.status.plan_number;
  world.observed.standing->held = Trouble{"PartialSamples", "workerBalance: no worker-0"};
  world.observed.standing->recommendations = {{"serverBalance", "LoadsDiffer", "m", 7}};
  EXPECT_THAT(world.settle(), ElementsAre("write PoliciesHeld PartialSamples"));
  EXPECT_THAT(world.settle(), IsEmpty());
  EXPECT_EQ(world.observed.status.recommendations, world.observed.standing->recommendations);
  EXPECT_EQ(world.observed.status.plan_number, plan) << "words are no plan";
  world.observed.standing.reset();
  EXPECT_THAT(world.settle(), IsEmpty()) << "what is not known yet stays as it was told";
  world.observed.standing = PolicyStanding{};
  EXPECT_THAT(world.settle(), ElementsAre("write PoliciesHeld off"));
  EXPECT_THAT(world.observed.status.recommendations, IsEmpty());
}

TEST(Standing, EndsWithTheJob) {
  World world = training();
  world.observed.standing =
      PolicyStanding{Trouble{"StaleSamples", "m"}, {{"serverBalance", "LoadsDiffer", "m", 7}}};
  world.settle();
  world.reports(CoordinatorPhase::kDone, 10);
  world.settle();
  EXPECT_FALSE(is_true(world.observed.status, ConditionType::kPoliciesHeld));
  EXPECT_THAT(world.observed.status.recommendations, IsEmpty());
}

TEST(Replacement, TheLifeGoesAndTheNextOneComesWithoutAFailure) {
  World world = training();
  world.observed.job.spec.policy.straggler.mode = "act";
  world.observed.job.spec.backoff_limit = 0;
  const uint64_t plan = world.observed.status.plan_number;
  world.observed.wish.replacements["worker-1"] = {world.find("worker-1")->instance, "node-a"};
  EXPECT_THAT(world.settle(), Contains("stop worker-1"));
  EXPECT_EQ(world.observed.status.plan_number, plan + 1) << "one change at a time";
  world.exits("worker-1", 0);
  EXPECT_THAT(world.settle(), Contains("start worker-1 #2"));
  EXPECT_FALSE(is_true(world.observed.status, ConditionType::kFailed));
  EXPECT_EQ(world.observed.status.replacements.at("worker-1").node, "node-a");
  world.ready_all();
  for (const std::string& action : world.settle()) EXPECT_EQ(action.find("stop"), action.npos);
  // Whoever gets that name later is another worker.
  world.observed.job.spec.workers.replicas = 1;
  world.settle();
  EXPECT_TRUE(world.observed.status.replacements.empty());
}

TEST(Replacement, APolicyThatActsNoMoreReplacesNobody) {
  World world = training();
  world.observed.wish.replacements["worker-1"] = {world.find("worker-1")->instance, ""};
  EXPECT_THAT(world.settle(), IsEmpty());
  EXPECT_TRUE(world.observed.status.replacements.empty());
}

TEST(Servers, AreAsManyAsAPolicyWishesWithinItsBounds) {
  World world(3, 2, 2);
  auto& policy = world.observed.job.spec.policy.servers;
  policy = {"act", 1, 4};
  world.run_to_training();
  world.observed.wish.servers = 4;
  EXPECT_THAT(world.settle(), Contains("start ps-3 #1"));
  world.ready("ps-3");
  world.settle();
  EXPECT_EQ(world.observed.status.members.size(), 4u);
  world.observed.wish.servers = 9;
  world.settle();
  EXPECT_EQ(world.observed.status.planned_servers, 4);
  world.observed.wish.servers = 1;
  world.settle();
  EXPECT_EQ(world.observed.status.planned_servers, 2) << "as many as replication needs";
  for (const std::string& action : world.settle()) EXPECT_EQ(action.find("stop ps"), action.npos);
  EXPECT_EQ(world.observed.status.members.size(), 4u) << "they give their segments away first";
  world.observed.job.spec.servers.replicas = 4;
  world.settle();
  EXPECT_EQ(world.observed.status.planned_servers, 4) << "who sets it anew is heard first";
  EXPECT_EQ(world.observed.status.desired_servers, 0);
  world.observed.wish.servers = 3;
  world.settle();
  policy.mode = "off";
  world.settle();
  EXPECT_EQ(world.observed.status.planned_servers, 4);
}

TEST(Memory, IsWrittenBeforeTheNextLifeIsStarted) {
  World world = training();
  world.exits("worker-0", 0, 9);
  world.observed.wish.memory["worker-0"] = {1, 768u << 20};
  const Actions actions = decide(world.observed);
  ASSERT_FALSE(actions.list.empty());
  const auto* write = std::get_if<WriteStatus>(&actions.list.front());
  ASSERT_NE(write, nullptr);
  EXPECT_EQ(write->next.memory.at("worker-0"), (api::MemoryStatus{1, 768u << 20}));
  world.settle();
  world.observed.job.spec.policy.memory.mode = "off";
  world.settle();
  EXPECT_TRUE(world.observed.status.memory.empty());
}

TEST(Autoscaler, TakesTheNumberOfWorkersFromThePolicy) {
  World world = training();
  world.observed.wish.workers = 3;
  world.settle();
  ASSERT_EQ(world.observed.status.planned_workers, 3);
  world.ready_all();
  world.observed.horizontal_autoscaler = true;
  EXPECT_THAT(world.settle(), Contains("stop worker-2"));
  EXPECT_EQ(world.observed.status.desired_workers, 0);
  world.observed.wish.workers = 4;
  world.settle();
  EXPECT_EQ(world.observed.status.planned_workers, 2) << "as the spec says, which it writes";
}

}  // namespace
}  // namespace ballast::decide
