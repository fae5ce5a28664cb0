// Checkpoints that servers alone see, as decide() has them read back, deleted and gone on from.
#include <gmock/gmock.h>

#include "operator/core/advance.h"
#include "operator/core/events.h"
#include "operator/core/session_peer.h"
#include "tests/decide/world.h"

namespace ballast::decide {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

World in_cluster(int64_t replication = 2) {
  World world(2, 1, replication);
  world.observed.pods = world.observed.checkpoints_by_servers = true;
  world.observed.job.spec.checkpoint.path = "/c";
  return world;
}

World resuming() {
  World world = in_cluster();
  world.observed.job.spec.checkpoint.resume = true;
  return world;
}

TEST(Checkpoints, AreReadAndDeletedByTheServerThatCoordinates) {
  World world = in_cluster();
  world.observed.job.spec.checkpoint.keep = 1;
  world.run_to_training();
  world.writes_checkpoint("/c/1");
  EXPECT_THAT(world.settle(), ElementsAre(HasSubstr("write checkpoint /c/1"), "verify /c/1"));
  world.checked("/c/1");
  EXPECT_THAT(world.settle(), ElementsAre("write checkpoint /c/1 whole"));
  world.writes_checkpoint("/c/2");
  world.settle();
  world.checked("/c/2");
  EXPECT_THAT(world.settle(),
              ElementsAre("write checkpoint /c/2 whole deletable /c/1", "delete /c/1"));
  world.deleted("/c/1");
  world.settle();
  EXPECT_THAT(world.observed.status.deletable, IsEmpty());
}

TEST(Checkpoints, NobodyIsAskedWithoutASessionAndTheNextCoordinatorIsAskedAgain) {
  World world = in_cluster();
  world.run_to_training();
  world.writes_checkpoint("/c/1");
  world.disconnect();
  EXPECT_THAT(world.settle(), ElementsAre(HasSubstr("write checkpoint /c/1")));
  world.connect();
  EXPECT_THAT(world.settle(), Contains("verify /c/1"));
  world.exits("ps-0", 0, 9);
  EXPECT_THAT(world.settle(), Not(Contains("verify /c/1"))) << "ps-1 has no session yet";
  world.connect();
  ASSERT_EQ(world.observed.session->name, "ps-1");
  EXPECT_THAT(world.settle(), Contains("verify /c/1"));
}

TEST(Checkpoints, AJobThatIsOverSpeaksToNobodyUnlessThereIsSomethingToAsk) {
  World world = in_cluster();
  world.run_to_training();
  world.writes_checkpoint("/c/1");
  world.settle();
  world.reports(CoordinatorPhase::kDone, 7);
  world.settle();
  ASSERT_TRUE(has_outcome(world.observed.status));
  EXPECT_TRUE(session_peer(world.observed, world.observed.status)) << "/c/1 is still to be read";
  world.checked("/c/1");
  world.settle();
  EXPECT_FALSE(session_peer(world.observed, world.observed.status));
}

TEST(Checkpoints, AFewAreInHandAtATime) {
  World world = in_cluster();
  world.run_to_training();
  for (int i = 0; i < 20; ++i)
    world.observed.status.checkpoints.push_back({"/c/" + std::to_string(i), false, false});
  world.settle();
  EXPECT_EQ(world.observed.in_hand.size(), kMostInHand);
  world.checked(world.observed.in_hand.front());
  world.settle();
  EXPECT_EQ(world.observed.in_hand.size(), kMostInHand);
}

TEST(Checkpoints, ServersOfAJobThatIsOverStayUntilTheyHaveAnswered) {
  World world = in_cluster();
  world.run_to_training();
  world.writes_checkpoint("/c/1");
  world.observed.report->phase = CoordinatorPhase::kDone;
  EXPECT_THAT(world.settle().back(), "verify /c/1");
  world.exits("worker-0", 0);
  EXPECT_THAT(world.settle(), IsEmpty());
  EXPECT_TRUE(decide(world.observed).wake_at_ms.has_value());
  world.checked("/c/1");
  EXPECT_THAT(world.settle(), ElementsAre("write checkpoint /c/1 whole", "stop ps-0", "stop ps-1"));
  for (const char* name : {"ps-0", "ps-1"}) world.exits(name, 130);
  EXPECT_THAT(world.settle(), ElementsAre("finish 0"));
}

TEST(Checkpoints, WhoeverIsLeftAnswersForACoordinatorThatIsGone) {
  World world = in_cluster();
  world.run_to_training();
  world.writes_checkpoint("/c/1");
  world.observed.report->phase = CoordinatorPhase::kDone;
  world.settle();
  world.exits("worker-0", 0);
  world.exits("ps-0", 0, 9);
  EXPECT_THAT(world.settle(), IsEmpty()) << "nothing is started";
  world.connect();
  ASSERT_TRUE(world.observed.session);
  EXPECT_EQ(world.observed.session->name, "ps-1");
  EXPECT_THAT(world.settle(), ElementsAre("verify /c/1"));
  world.exits("ps-1", 0, 9);
  EXPECT_THAT(world.settle(), ElementsAre("finish 0")) << "nobody is left to read it";
  EXPECT_FALSE(world.observed.status.checkpoints.back().verified);
}

TEST(Checkpoints, PatienceWithAServerThatDoesNotAnswerHasAnEnd) {
  World world = in_cluster();
  world.run_to_training();
  world.writes_checkpoint("/c/1");
  world.observed.report->phase = CoordinatorPhase::kFailed;
  world.observed.report->failure = "x";
  world.settle();
  world.exits("worker-0", 1);
  for (const TimeMs end_ms = world.observed.now_ms + kCheckpointPatienceMs;
       world.observed.now_ms < end_ms; world.observed.now_ms += 1'000) {
    for (const char* name : {"ps-0", "ps-1"}) world.heard(name);
    ASSERT_THAT(world.settle(), IsEmpty());
  }
  EXPECT_THAT(world.settle(), ElementsAre("stop ps-0", "stop ps-1"));
  for (const char* name : {"ps-0", "ps-1"}) world.exits(name, 130);
  EXPECT_THAT(world.settle(), ElementsAre("finish 1"));
}

TEST(Checkpoints, AJobThatGoesOnReadsFirstWhatNobodyHasRead) {
  World world = in_cluster();
  world.run_to_training();
  world.writes_checkpoint("/c/1");
  world.settle();
  world.checked("/c/1");
  world.settle();
  world.observed.job.spec.suspend = true;
  world.settle();
  world.writes_checkpoint("/c/2");
  world.observed.report->phase = CoordinatorPhase::kSuspended;
  world.settle();
  ASSERT_TRUE(is_true(world.observed.status, api::ConditionType::kSuspended));
  for (const char* name : {"worker-0", "ps-0", "ps-1"}) world.exits(name, 137);  // with their node
  EXPECT_THAT(world.settle(), IsEmpty()) << "it is parked, and /c/2 unread";
  world.observed.job.spec.suspend = false;
  world.settle();
  world.observed.now_ms += kFirstBackoffMs;
  EXPECT_THAT(world.settle(), Contains("start ps-0 #2"));
  world.ready_all();
  EXPECT_THAT(world.settle(), Not(Contains(HasSubstr("restore"))));
  world.connect();
  ASSERT_TRUE(world.observed.session);
  EXPECT_THAT(world.settle(), ElementsAre("verify /c/2"));
  world.checked("/c/2");
  EXPECT_THAT(world.settle().front(), HasSubstr("restore /c/2"));
}

TEST(Checkpoints, WhenTheNewestIsDamagedTheOneBeforeIsTaken) {
  World world = in_cluster();
  world.run_to_training();
  for (const char* directory : {"/c/1", "/c/2"}) {
    world.writes_checkpoint(directory);
    world.settle();
  }
  world.checked("/c/1");
  world.settle();
  world.exits("ps-0", 0, 9);
  world.exits("ps-1", 0, 9);
  const auto log = world.settle();
  EXPECT_THAT(log, Contains(HasSubstr("back")));
  world.observed.now_ms += kFirstBackoffMs;
  world.settle();
  world.ready_all();
  world.settle();
  world.connect();
  EXPECT_THAT(world.settle(), ElementsAre("verify /c/2"));
  const auto before = world.observed.status;
  world.checked("/c/2", "/c/2/ps-0.safetensors: damaged");
  EXPECT_THAT(world.settle().front(), HasSubstr("checkpoint /c/2 damaged"));
  EXPECT_EQ(world.observed.status.restore_from, "/c/1");
  EXPECT_THAT(
      kube::events_between(before, world.observed.status),
      Contains(kube::JobEvent{true, "CheckpointDamaged", "/c/2: /c/2/ps-0.safetensors: damaged"}));
}

TEST(Checkpoints, WhatMayGoGoesFirstAndTheNewestIsReadFirst) {
  World world = in_cluster();
  world.run_to_training();
  for (const char* directory : {"/c/1", "/c/2", "/c/3"}) {
    world.writes_checkpoint(directory);
    world.settle();
  }
  world.observed.status.deletable = {"/c/0"};
  world.observed.in_hand.clear();
  EXPECT_THAT(world.settle(),
              ElementsAre("delete /c/0", "verify /c/3", "verify /c/2", "verify /c/1"));
}

TEST(Resume, ANewJobAsksTheFirstServerAndGoesOnFromWhatIsWhole) {
  World world = resuming();
  world.settle();
  world.ready("ps-1");
  world.connect();
  ASSERT_TRUE(world.observed.session) << "any server will do";
  EXPECT_EQ(world.observed.session->name, "ps-1");
  EXPECT_THAT(world.settle(), ElementsAre("find /c"));
  world.ready("ps-0");
  EXPECT_THAT(world.settle(), IsEmpty()) << "nobody is appointed before it is known";
  const auto before = world.observed.status;
  world.found({"", "/c/2", {"/c/1", "/c/2", "/c/3"}, {{"/c/3", "torn"}}, {"/c/4"}, 7});
  const auto log = world.settle();
  EXPECT_THAT(log.front(), HasSubstr("term 8 ps-0 restore /c/2"));
  EXPECT_THAT(log, Not(Contains("verify /c/2"))) << "it was read when it was found";
  EXPECT_THAT(world.observed.status.deletable, ElementsAre("/c/4"));
  const auto events = kube::events_between(before, world.observed.status);
  ASSERT_EQ(events.size(), 2U);
  EXPECT_EQ(events[0].message, "/c/3: torn");
  EXPECT_EQ(events[1].message, "training goes on from /c/2");
  world.connect();
  EXPECT_THAT(world.settle(), Contains("verify /c/1")) << "it counts for spec.checkpoint.keep";
}

TEST(Resume, TheNewestWholeOneCountsThoughTheListHasNoRoomForIt) {
  World world = resuming();
  world.settle();
  world.ready_all();
  world.connect();
  world.settle();
  world.found({"", "/c/2", {"/c/3"}, {{"/c/3", "torn"}}, {}, 7});
  EXPECT_THAT(world.settle().front(), HasSubstr("term 8 ps-0 restore /c/2"));
}

TEST(Resume, WithoutAnyCheckpointItBeginsAtStepZero) {
  World world = resuming();
  world.settle();
  world.ready_all();
  world.settle();
  world.connect();
  world.settle();
  world.found({});
  EXPECT_THAT(world.settle().front(), HasSubstr("term 1 ps-0 initialise"));
  EXPECT_TRUE(world.observed.status.sought);
}

TEST(Resume, AnotherModelIsRefusedByName) {
  World world = resuming();
  world.settle();
  world.ready_all();
  world.connect();
  world.settle();
  world.found(
      {"spec.model.layers is 4, but the checkpoint is of a model with 2", "", {}, {}, {}, 0});
  world.settle();
  const auto* failed = find_condition(world.observed.status, api::ConditionType::kFailed);
  ASSERT_NE(failed, nullptr);
  EXPECT_EQ(failed->reason, "Refused");
  EXPECT_EQ(
      failed->message,
      "spec.checkpoint.resume: spec.model.layers is 4, but the checkpoint is of a model with 2");
}

TEST(Resume, WhoIsAskedMayBeLostAndAnotherIsAsked) {
  World world = resuming();
  world.settle();
  world.ready_all();
  world.connect();
  ASSERT_EQ(world.observed.session->name, "ps-0");
  EXPECT_THAT(world.settle(), Contains("find /c"));
  world.exits("ps-0", 0, 9);
  world.connect();
  ASSERT_EQ(world.observed.session->name, "ps-1");
  EXPECT_THAT(world.settle(), Contains("find /c"));
}

TEST(Resume, WhoIsAskedStaysWhileItAnswersAtAll) {
  World world = resuming();
  world.settle();
  world.ready("ps-1");
  world.connect();
  world.observed.now_ms += kSilenceToAgreeMs;
  world.ready("ps-0");
  EXPECT_EQ(session_peer(world.observed, world.observed.status)->name, "ps-1");
  world.observed.now_ms += kCoordinatorSilenceMs - kSilenceToAgreeMs;
  world.heard("ps-0");
  EXPECT_EQ(session_peer(world.observed, world.observed.status)->name, "ps-0");
}

TEST(Resume, IsOfABeginningAlone) {
  World world = in_cluster();
  world.run_to_training();
  world.observed.job.spec.checkpoint.resume = true;
  EXPECT_THAT(world.settle(), IsEmpty());
  World local(2, 1, 2);
  local.observed.job.spec.checkpoint.path = "/c";
  local.observed.job.spec.checkpoint.resume = true;  // `ballast run` has looked itself
  local.run_to_training();
  EXPECT_GT(local.observed.status.origin, 0U);
}

}  // namespace
}  // namespace ballast::decide
