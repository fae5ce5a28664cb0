// The story of a job as decide() tells it: each test is what happens and the actions that follow.
#include "operator/core/decide.h"

#include <algorithm>
#include <utility>

#include <gmock/gmock.h>

#include "operator/core/advance.h"
#include "tests/decide/world.h"

namespace ballast::decide {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

std::string failure(const World& world) {
  const auto* condition = find_condition(world.observed.status, api::ConditionType::kFailed);
  return condition == nullptr ? "" : condition->reason + ": " + condition->message;
}

TEST(Decide, StartsServersThenAppointsThenStartsWorkers) {
  World world;
  EXPECT_THAT(world.settle(), ElementsAre("write plan 1", "start ps-0 #1", "start ps-1 #1"));
  world.ready("ps-1");
  EXPECT_THAT(world.settle(), IsEmpty()) << "one server is not the job's";
  world.ready("ps-0");
  EXPECT_THAT(world.settle(),
              ElementsAre("write members 1: ps-0/100 ps-1/101 term 1 ps-0 initialise",
                          "start worker-0 #1", "start worker-1 #1", "write Created AllCreated"));
  world.connect();
  EXPECT_THAT(world.settle(), ElementsAre("appoint ps-0 1"));
  world.ready_all();
  EXPECT_THAT(world.settle(), ElementsAre("write Running AllReady"));
  world.origin_asked();
  EXPECT_THAT(world.settle(), ElementsAre("write origin 1", "origin 1"));
  EXPECT_THAT(world.settle(), IsEmpty());
}

TEST(Decide, TellsANewSessionEverythingAgain) {
  World world;
  world.run_to_training();
  world.connect();
  EXPECT_THAT(world.settle(), ElementsAre("appoint ps-0 1", "origin 1"));
}

TEST(Decide, AnswersARepeatedQuestionForTheOrigin) {
  World world;
  world.run_to_training();
  world.origin_asked();
  EXPECT_THAT(world.settle(), ElementsAre("origin 1"));
}

TEST(Decide, IgnoresWhatAnEarlierTermAsksAndReports) {
  World world;
  world.run_to_training();
  world.observed.origin_request = OriginRequest{0, 9};
  world.reports(CoordinatorPhase::kFailed, 3);
  world.observed.report->term = 0;
  EXPECT_THAT(world.settle(), IsEmpty());
}

TEST(Decide, StartsALostWorkerAgainAfterItsBackoff) {
  World world;
  world.run_to_training();
  world.exits("worker-1", 0, 9);
  EXPECT_THAT(world.settle(),
              ElementsAre("write worker-1 failures 1 Running off Restarting ProcessEnded"));
  EXPECT_EQ(decide(world.observed).wake_at_ms, world.observed.now_ms + kFirstBackoffMs);
  world.observed.now_ms += kFirstBackoffMs;
  EXPECT_THAT(world.settle(), ElementsAre("start worker-1 #2"));
  world.exits("worker-1", 1);
  world.settle();
  EXPECT_EQ(decide(world.observed).wake_at_ms, world.observed.now_ms + 2 * kFirstBackoffMs);
}

TEST(Decide, ALongHealthyLifeForgivesEarlierFailures) {
  World world;
  world.run_to_training();
  for (int i = 0; i < 3; ++i) {
    world.exits("worker-0", 1);
    world.settle();
    world.observed.now_ms += kLongestBackoffMs;
    world.settle();
    world.ready("worker-0");
  }
  EXPECT_EQ(world.observed.status.restarts["worker-0"].failures, 3);
  world.observed.now_ms += kHealthyLifeMs;
  world.exits("worker-0", 1);
  world.settle();
  EXPECT_EQ(world.observed.status.restarts["worker-0"].failures, 1);
  EXPECT_EQ(world.observed.status.restarts["worker-0"].total, 4);
}

TEST(Decide, GivesUpAtTheBackoffLimit) {
  World world;
  world.observed.job.spec.backoff_limit = 2;
  world.run_to_training();
  for (int i = 0; i < 3; ++i) {
    world.exits("worker-0", 1);
    world.settle();
    world.observed.now_ms += kLongestBackoffMs;
    if (i < 2) {
      EXPECT_THAT(world.settle(), ElementsAre("start worker-0 #" + std::to_string(i + 2)));
    }
  }
  EXPECT_THAT(failure(world),
              HasSubstr("BackoffLimitExceeded: worker-0 ended with code 1 after 2 restarts"));
}

TEST(Decide, NeverRetriesWhatCannotHelp) {
  const struct {
    int code;
    const char* reason;
  } rows[] = {{2, "BadConfiguration: worker-0 ended with code 2"},
              {3, "Refused: worker-0 ended with code 3"}};
  for (const auto& row : rows) {
    World world;
    world.run_to_training();
    world.exits("worker-0", row.code);
    world.settle();
    EXPECT_THAT(failure(world), HasSubstr(row.reason));
    for (const char* name : {"worker-1", "ps-0", "ps-1"}) {
      world.exits(name, 0);
      world.settle();
    }
    EXPECT_THAT(world.finished, ElementsAre(row.code));
  }
}

TEST(Decide, AWorkerThatIsDoneEarlyIsNotStartedAtOnce) {
  World world;
  world.run_to_training();
  world.exits("worker-0", 0);
  world.settle();
  EXPECT_EQ(decide(world.observed).wake_at_ms, world.observed.now_ms + kUnexpectedDoneBackoffMs);
  world.reports(CoordinatorPhase::kDone, 10);
  world.settle();
  EXPECT_TRUE(is_true(world.observed.status, api::ConditionType::kSucceeded));
}

TEST(Decide, SuccessIsRecordedBeforeAnythingStops) {
  World world;
  world.run_to_training();
  world.reports(CoordinatorPhase::kDone, 10);
  EXPECT_THAT(world.settle(), ElementsAre("write Running off Succeeded Trained step 10",
                                          "stop worker-0", "stop worker-1"));
  world.exits("worker-1", 1);
  EXPECT_THAT(world.settle(), IsEmpty()) << "servers wait for the last worker";
  world.exits("worker-0", 0);
  EXPECT_THAT(world.settle(), ElementsAre("stop ps-0", "stop ps-1"));
  world.exits("ps-0", 0);
  world.exits("ps-1", 0);
  EXPECT_THAT(world.settle(), ElementsAre("finish 0"));
}

TEST(Decide, KillsWhatDoesNotEndInTime) {
  World world;
  world.run_to_training();
  world.stop_is_asked_for();
  world.settle();
  world.reports(CoordinatorPhase::kSuspended, 3);
  world.settle();
  EXPECT_EQ(decide(world.observed).wake_at_ms, world.observed.now_ms + kStopGraceMs);
  world.observed.now_ms += kStopGraceMs;
  EXPECT_THAT(world.settle(), ElementsAre("kill worker-0", "kill worker-1"));
}

TEST(Decide, ARequestedStopEndsInOrderWith130) {
  World world;
  world.run_to_training();
  world.stop_is_asked_for();
  EXPECT_THAT(world.settle(), ElementsAre("write plan 2", "plan 2"));
  world.writes_checkpoint("/c/1");
  EXPECT_THAT(world.settle(), ElementsAre("write checkpoint /c/1 step 0", "verify /c/1"));
  world.observed.report->phase = CoordinatorPhase::kSuspended;
  EXPECT_THAT(world.settle(), ElementsAre("write Running off Suspended StopRequested",
                                          "stop worker-0", "stop worker-1"));
  world.checked("/c/1");
  EXPECT_THAT(world.settle(), ElementsAre("write checkpoint /c/1 whole"));
  world.exits("worker-0", 130);
  world.exits("worker-1", 130);
  EXPECT_THAT(world.settle(), ElementsAre("stop ps-0", "stop ps-1"));
  world.exits("ps-0", 0);
  world.exits("ps-1", 0);
  EXPECT_THAT(world.settle(), ElementsAre("finish 130"));
}

TEST(Decide, AStopBeforeAnythingStartedFinishesAtOnce) {
  World world;
  world.stop_is_asked_for();
  EXPECT_THAT(world.settle(), ElementsAre("write plan 1 Suspended StopRequested", "finish 130"));
}

TEST(Decide, AStopWaitsForItsCheckpointOnlySoLong) {
  for (const bool disk_is_full : {false, true}) {
    World world;
    world.run_to_training();
    world.stop_is_asked_for();
    world.reports(CoordinatorPhase::kWorking, 3);
    world.settle();
    EXPECT_EQ(decide(world.observed).wake_at_ms, world.observed.now_ms + kStopPatienceMs);
    if (disk_is_full) {
      world.reports(CoordinatorPhase::kWorking, 3);
      world.observed.report->checkpoint_failure = "No space left";
    } else {
      world.observed.now_ms += kStopPatienceMs;
      world.observed.coordinator_heard_ms = world.observed.now_ms;
    }
    EXPECT_THAT(world.settle(), Contains("stop worker-0")) << disk_is_full;
  }
}

TEST(Decide, AStopDoesNotTakeAFailureOfBeforeForThatOfItsCheckpoint) {
  World world;
  world.run_to_training();
  world.reports(CoordinatorPhase::kWorking, 3);
  world.observed.report->checkpoint_failure = "No space left";
  world.settle();
  world.stop_is_asked_for();
  EXPECT_THAT(world.settle(), Not(Contains("stop worker-0")));
}

TEST(Decide, WhatTheCoordinatorCallsFailedIsFailed) {
  World world;
  world.run_to_training();
  world.reports(CoordinatorPhase::kFailed, 3);
  world.settle();
  EXPECT_THAT(failure(world), HasSubstr("TrainingFailed: ten steps in a row were not finite"));
}

TEST(Decide, AServerLostWithReplicationOneBringsTheJobBackToTheBeginning) {
  World world;
  world.run_to_training();
  world.exits("ps-1", 0, 9);
  EXPECT_THAT(world.settle(),
              ElementsAre("write members 2: ps-0/100 back origin 0 ps-1 failures 1 "
                          "Running off Restarting ProcessEnded Degraded ServerLost"));
  world.observed.session.reset();
  world.observed.now_ms += kFirstBackoffMs;
  EXPECT_THAT(world.settle(), ElementsAre("start ps-1 #2"));
  world.ready("ps-1");
  EXPECT_THAT(world.settle(), ElementsAre("write members 3: ps-0/100 ps-1/201 term 2 ps-0 "
                                          "initialise Running AllReady Restarting off"));
  world.connect();
  EXPECT_THAT(world.settle(), ElementsAre("appoint ps-0 2"));
  world.origin_asked();
  EXPECT_THAT(world.settle(), ElementsAre("write origin 2", "origin 2"));
}

TEST(Decide, AQuestionFromBeforeTheLossDoesNotBringTheOldOriginBack) {
  World world;
  world.run_to_training();
  world.origin_asked();  // again, because the answer was slow
  world.exits("ps-1", 0, 9);
  world.settle();
  EXPECT_EQ(world.observed.status.origin, 0U);
}

TEST(Decide, WhereThereIsACheckpointTheJobGoesBackToIt) {
  World world;
  world.run_to_training();
  world.writes_checkpoint("c1");
  EXPECT_THAT(world.settle(), ElementsAre("write checkpoint c1 step 0", "verify c1"));
  world.checked("c1");
  EXPECT_THAT(world.settle(), ElementsAre("write checkpoint c1 whole"));
  world.writes_checkpoint("c2");
  world.settle();
  world.checked("c2", "a flipped bit");
  EXPECT_THAT(world.settle(), ElementsAre("write checkpoint c2 damaged"));
  world.exits("ps-0", 0, 9);
  world.settle();
  world.observed.now_ms += kFirstBackoffMs;
  world.settle();
  world.ready("ps-0");
  EXPECT_THAT(world.settle().front(), HasSubstr("term 2 ps-0 restore c1"));
}

TEST(Decide, SegmentsThatAreLostBringTheJobBack) {
  World world(3, 1, 2);
  world.run_to_training();
  world.writes_checkpoint("c1");
  world.settle();
  world.checked("c1");
  world.settle();
  world.reports(CoordinatorPhase::kLost, 7);
  EXPECT_THAT(world.settle().front(), HasSubstr("term 2 ps-0 restore c1 back origin 0"));
  EXPECT_EQ(world.observed.status.term, 2U);
  EXPECT_EQ(world.observed.status.start, api::StartMode::kRestore);
  EXPECT_EQ(world.observed.status.restore_from, "c1");
}

TEST(Decide, GoesBackToTheNewestCheckpointThoughItIsStillBeingRead) {
  World world(1, 1, 1);
  world.run_to_training();
  world.writes_checkpoint("c1");
  world.settle();
  world.checked("c1");
  world.settle();
  world.writes_checkpoint("c2");
  world.settle();
  world.exits("ps-0", 0, 9);
  world.settle();
  world.observed.now_ms += kFirstBackoffMs;
  world.settle();
  world.ready("ps-0");
  world.settle();
  EXPECT_EQ(world.observed.status.term, 1U) << "nobody knows yet whether c2 is whole";
  world.checked("c2");
  EXPECT_THAT(world.settle().front(), HasSubstr("term 2 ps-0 restore c2"));
}

TEST(Decide, KeepsAsManyWholeCheckpointsAsTheSpecSays) {
  World world;
  world.observed.job.spec.checkpoint.keep = 2;
  world.run_to_training();
  for (const char* name : {"c1", "c2"}) {
    world.writes_checkpoint(name);
    world.settle();
    world.checked(name);
    world.settle();
  }
  world.writes_checkpoint("c3");
  EXPECT_THAT(world.settle(), ElementsAre("write checkpoint c3", "verify c3"))
      << "nothing goes before it is known to be whole";
  world.checked("c3");
  EXPECT_THAT(world.settle(), ElementsAre("write checkpoint c3 whole deletable c1", "delete c1"));
  world.deleted("c1");
  EXPECT_THAT(world.settle(), ElementsAre("write"));
  EXPECT_THAT(world.observed.status.deletable, IsEmpty());
  world.reports(CoordinatorPhase::kDone, 10);
  world.observed.report->checkpoint = "c4";
  world.settle();
  for (const char* name : {"worker-0", "worker-1"}) world.exits(name, 0);
  world.settle();
  for (const char* name : {"ps-0", "ps-1"}) world.exits(name, 0);
  EXPECT_THAT(world.settle(), Not(Contains("finish 0"))) << "the last one is being read back";
  world.checked("c4");
  EXPECT_THAT(world.settle(), Contains("delete c2"));
  world.deleted("c2");
  EXPECT_THAT(world.settle(), ElementsAre("write", "finish 0"));
}

TEST(Decide, AServerThatFailsBeforeItIsAMemberIsStartedAgain) {
  World world;
  world.settle();
  world.exits("ps-0", 1);
  world.settle();
  world.observed.now_ms += kFirstBackoffMs;
  EXPECT_THAT(world.settle(), ElementsAre("start ps-0 #2"));
}

TEST(Decide, AServerThatNeverBecomesReadyIsEnded) {
  World world;
  world.settle();
  world.ready("ps-1");
  world.observed.now_ms += kServerStartDeadlineMs;
  EXPECT_THAT(world.settle(), ElementsAre("kill ps-0"));
  world.exits("ps-0", 0, 9);
  EXPECT_THAT(world.settle(), ElementsAre("write ps-0 failures 1 Restarting ProcessEnded"));
}

// A new operator knows a life only when it has answered, and that may take a while.
TEST(Decide, AServerThatDoesNotAnswerANewOperatorAtOnceIsNotEnded) {
  World world(3, 1, 2);
  world.run_to_training();
  world.observed.now_ms += 10 * kServerStartDeadlineMs;
  world.observed.watching_since_ms = world.observed.now_ms;
  for (Process& process : world.observed.processes) process.heard_ms = world.observed.now_ms;
  Process* slow = world.find("ps-1");
  slow->state = ProcessState::kStarting;
  slow->incarnation = 0;
  slow->heard_ms = 0;
  const auto ends_it = [&] {
    const auto log = world.settle();
    return std::find(log.begin(), log.end(), "kill ps-1") != log.end();
  };
  EXPECT_FALSE(ends_it());
  world.observed.now_ms += kServerStartDeadlineMs;
  EXPECT_TRUE(ends_it()) << "it has had its time";
}

// It may be the member that the status names, which gives its segments away first.
TEST(Decide, AServerThatIsNotWantedAndHasNotAnsweredANewOperatorIsNotEnded) {
  World world(3, 1, 2);
  world.run_to_training();
  world.observed.job.spec.servers.replicas = 2;
  Process* leaving = world.find("ps-2");
  const uint64_t incarnation = std::exchange(leaving->incarnation, 0);
  leaving->state = ProcessState::kStarting;
  EXPECT_THAT(world.settle(), Not(Contains("stop ps-2")));
  leaving->incarnation = incarnation + 1;  // another life, which holds nothing
  leaving->state = ProcessState::kReady;
  leaving->heard_ms = world.observed.now_ms;
  EXPECT_THAT(world.settle(), Contains("stop ps-2"));
}

TEST(Decide, WithReplicationTwoALostServerIsRemovedBeforeAnybodyHears) {
  World world(3, 1, 2);
  world.run_to_training();
  world.exits("ps-1", 0, 9);
  EXPECT_THAT(
      world.settle(),
      ElementsAre(
          "write members 2: ps-0/100 ps-2/102 ps-1 failures 1 Running off Restarting ProcessEnded "
          "Degraded ServerLost",
          "members 2"));
  world.observed.now_ms += kFirstBackoffMs;
  EXPECT_THAT(world.settle(), ElementsAre("start ps-1 #2"));
  world.ready("ps-1");
  EXPECT_THAT(
      world.settle(),
      ElementsAre("write members 3: ps-0/100 ps-1/201 ps-2/102 Running AllReady Restarting off",
                  "members 3"));
  world.replicas(false);
  EXPECT_THAT(world.settle(), IsEmpty());
  world.replicas(true);
  world.observed.report->members_number = 2;
  EXPECT_THAT(world.settle(), IsEmpty()) << "said before it knew of the loss";
  world.replicas(true);
  EXPECT_THAT(world.settle(), ElementsAre("write Degraded off"));
}

TEST(Decide, WithReplicationTwoALostCoordinatorIsReplacedUnderANewTerm) {
  World world(3, 1, 2);
  world.run_to_training();
  world.exits("ps-0", 0, 9);
  EXPECT_THAT(
      world.settle(),
      ElementsAre(
          "write members 2: ps-1/101 ps-2/102 term 2 ps-1 continue ps-0 failures 1 Running off "
          "Restarting ProcessEnded Degraded ServerLost"));
  world.connect();
  EXPECT_THAT(world.settle(), ElementsAre("appoint ps-1 2", "origin 1"));
}

TEST(Decide, BeforeTheOriginIsCompleteANewCoordinatorInitialises) {
  World world(3, 1, 2);
  world.settle();
  world.ready_all();
  world.settle();
  world.exits("ps-0", 0, 9);
  EXPECT_THAT(world.settle().front(), HasSubstr("term 2 ps-1 initialise"));
}

TEST(Decide, GrantsARemovalOnlyOfAProcessThatIsGone) {
  World world(3, 1, 2);
  world.run_to_training();
  world.observed.remove_requests = {{1, "ps-2", 102, "silent for 3000 ms"}};
  EXPECT_THAT(world.settle(), IsEmpty());
  world.exits("ps-2", 0, 9);
  EXPECT_THAT(
      world.settle(),
      ElementsAre(
          "write members 2: ps-0/100 ps-1/101 ps-2 failures 1 Running off Restarting ProcessEnded "
          "Degraded ServerLost",
          "members 2"));
  EXPECT_THAT(world.observed.remove_requests, IsEmpty());
}

TEST(Decide, GrantsTheRemovalOfAServerThatAnswersNobody) {
  World world(3, 1, 2);
  world.run_to_training();
  world.observed.now_ms += kSilenceToAgreeMs;
  world.observed.coordinator_heard_ms = world.observed.now_ms;
  world.heard("ps-0");
  world.heard("ps-1");
  EXPECT_THAT(world.settle(), IsEmpty()) << "nobody asked";
  world.observed.remove_requests = {{1, "ps-2", 102, "it has not answered"}};
  EXPECT_THAT(world.settle(),
              ElementsAre("write members 2: ps-0/100 ps-1/101 Degraded ServerLost", "members 2"));
  EXPECT_THAT(world.settle(), IsEmpty()) << "it is no member again, though it is there";
  world.observed.now_ms += kRemovedGraceMs - 1;
  world.observed.coordinator_heard_ms = world.observed.now_ms;
  EXPECT_THAT(world.settle(), IsEmpty()) << "it is given time to find out";
  world.observed.now_ms += 1;
  EXPECT_THAT(world.settle(), ElementsAre("kill ps-2"));
  world.exits("ps-2", 0, 9);
  EXPECT_THAT(world.settle(),
              ElementsAre("write ps-2 failures 1 Running off Restarting ProcessEnded"));
  EXPECT_THAT(world.observed.status.removed, IsEmpty());
}

TEST(Decide, NeverRemovesALivingServerThatMayHoldTheLastReplica) {
  World world(3, 1, 2);
  world.run_to_training();
  world.replicas(false);
  world.settle();
  world.observed.now_ms += kSilenceToAgreeMs;
  world.observed.coordinator_heard_ms = world.observed.now_ms;
  world.observed.remove_requests = {{1, "ps-2", 102, "it has not answered"}};
  EXPECT_THAT(world.settle(), IsEmpty());
  world.replicas(true);
  world.heard("ps-0");
  world.heard("ps-1");
  EXPECT_THAT(world.settle(),
              ElementsAre("write Degraded off",
                          "write members 2: ps-0/100 ps-1/101 Degraded ServerLost", "members 2"));
}

// Parameters that only one server holds from the beginning on.
TEST(Decide, AnOriginWithTooFewServersIsDegraded) {
  World world(2, 1, 2);
  world.settle();
  world.ready_all();
  world.settle();
  world.connect();
  world.settle();
  world.exits("ps-1", 1);
  world.settle();
  EXPECT_FALSE(is_true(world.observed.status, api::ConditionType::kDegraded));
  world.origin_asked();
  world.settle();
  ASSERT_GT(world.observed.status.origin, 0U);
  EXPECT_TRUE(is_true(world.observed.status, api::ConditionType::kDegraded));
}

TEST(Decide, RemovesOneLivingServerAtATime) {
  World world(4, 1, 2);
  world.run_to_training();
  world.observed.now_ms += kSilenceToAgreeMs;
  world.heard("ps-0");
  world.heard("ps-1");
  world.observed.remove_requests = {{1, "ps-2", 102, "silent"}, {1, "ps-3", 103, "silent"}};
  EXPECT_THAT(world.settle().front(), HasSubstr("members 2: ps-0/100 ps-1/101 ps-3/103"));
  EXPECT_THAT(world.settle(), IsEmpty());
}

TEST(Decide, ReplacesACoordinatorThatSaysNothing) {
  World world(3, 1, 2);
  world.run_to_training();
  world.observed.now_ms += kCoordinatorSilenceMs - 1;
  for (const char* name : {"ps-1", "ps-2"}) world.heard(name);
  EXPECT_THAT(world.settle(), IsEmpty());
  world.observed.now_ms += 1;
  EXPECT_THAT(world.settle(), ElementsAre("write members 2: ps-1/101 ps-2/102 term 2 ps-1 continue "
                                          "Degraded ServerLost"))
      << "it does not answer us, either";
}

TEST(Decide, ReplacesACoordinatorThatSpeaksAndCommitsNothing) {
  World world(3, 1, 2);
  world.run_to_training();
  world.observed.standing_since_ms = world.observed.now_ms;
  const auto later = [&](TimeMs by) {
    world.observed.now_ms += by;
    world.observed.coordinator_heard_ms = world.observed.now_ms;
    for (const char* name : {"ps-0", "ps-1", "ps-2", "worker-0"}) world.heard(name);
    return world.settle();
  };
  EXPECT_EQ(decide(world.observed).wake_at_ms, world.observed.now_ms + kCoordinatorSilenceMs);
  EXPECT_THAT(later(kStandingMs - 1), IsEmpty());
  EXPECT_THAT(later(1), ElementsAre("write term 2 ps-1 continue"));
}

TEST(Decide, ACoordinatorThatStandsAloneIsNotReplaced) {
  World world(2, 1, 2);
  world.run_to_training();
  world.observed.standing_since_ms = world.observed.now_ms;
  world.observed.now_ms += kStandingMs;
  world.observed.coordinator_heard_ms = world.observed.now_ms;
  for (const char* name : {"ps-0", "worker-0"}) world.heard(name);
  EXPECT_THAT(world.settle(), IsEmpty()) << "no other server answers";
}

TEST(Decide, EndsAWorkerThatAnswersNobody) {
  World world(1, 2);
  world.run_to_training();
  world.observed.now_ms += kSilentWorkerMs - 1;
  for (const char* name : {"ps-0", "worker-1"}) world.heard(name);
  EXPECT_THAT(world.settle(), IsEmpty());
  world.observed.now_ms += 1;
  EXPECT_THAT(world.settle(), ElementsAre("kill worker-0"));
  EXPECT_THAT(world.settle(), IsEmpty()) << "once";
  world.exits("worker-0", 0, 9);
  EXPECT_THAT(world.settle(),
              ElementsAre("write worker-0 failures 1 Running off Restarting ProcessEnded"));
}

TEST(Decide, EndsNoWorkerWhereNobodyAnswers) {
  World world(1, 2);
  world.run_to_training();
  world.observed.now_ms += 10 * kSilentWorkerMs;
  EXPECT_THAT(world.settle(), IsEmpty());
}

TEST(Decide, ACoordinatorThatAnswersUsStaysAMember) {
  World world(3, 1, 2);
  world.run_to_training();
  world.observed.now_ms += kCoordinatorSilenceMs;
  for (const char* name : {"ps-0", "ps-1", "ps-2"}) world.heard(name);
  EXPECT_THAT(world.settle(), ElementsAre("write term 2 ps-1 continue"));
  world.observed.now_ms += kCoordinatorSilenceMs;
  EXPECT_THAT(world.settle(), IsEmpty()) << "nobody else answers";
}

TEST(Decide, AppliesANewNumberOfWorkers) {
  World world;
  world.run_to_training();
  world.observed.job.spec.workers.replicas = 3;
  EXPECT_THAT(world.settle(), ElementsAre("write plan 2 Running off Scaling ReplicasChanged",
                                          "plan 2", "start worker-2 #1"));
  world.observed.job.spec.workers.replicas = 1;
  world.settle();
  EXPECT_TRUE(world.find("worker-1")->stopping_since_ms);
  world.exits("worker-1", 0);
  world.exits("worker-2", 0);
  world.settle();
  EXPECT_EQ(world.observed.status.restarts["worker-1"].failures, 0) << "it was asked to end";
}

TEST(Decide, EndsAtTheDeadline) {
  World world;
  world.observed.job.spec.active_deadline_seconds = 60;
  world.run_to_training();
  const TimeMs deadline_ms = world.observed.status.start_ms + 60'000;
  world.observed.now_ms = deadline_ms - 1;
  for (Process& process : world.observed.processes) process.heard_ms = world.observed.now_ms;
  EXPECT_EQ(decide(world.observed).wake_at_ms, deadline_ms);
  world.observed.now_ms = deadline_ms;
  world.settle();
  EXPECT_THAT(failure(world),
              HasSubstr("DeadlineExceeded: spec.activeDeadlineSeconds, which is 60"));
}

TEST(Decide, WritesProgressNowAndThen) {
  World world;
  world.run_to_training();
  world.reports(CoordinatorPhase::kWorking, 5);
  world.observed.status.progress.at_ms = world.observed.now_ms;
  EXPECT_THAT(world.settle(), IsEmpty());
  EXPECT_EQ(decide(world.observed).wake_at_ms, world.observed.now_ms + kProgressEveryMs);
  world.observed.now_ms += kProgressEveryMs;
  EXPECT_THAT(world.settle(), ElementsAre("write step 5"));
}

TEST(Decide, ASuspendedSpecStopsAndResumes) {
  World world;
  world.run_to_training();
  world.observed.job.spec.suspend = true;
  world.reports(CoordinatorPhase::kSuspended, 3);
  EXPECT_THAT(world.settle(), ElementsAre("write plan 2 step 3", "plan 2"))
      << "said of another plan";
  world.writes_checkpoint("/c/1");
  world.observed.report->phase = CoordinatorPhase::kSuspended;
  EXPECT_THAT(world.settle().front(), HasSubstr("Suspended SuspendedBySpec"));
  EXPECT_EQ(find_process(world.observed, "ps-0")->stopping_since_ms, std::nullopt);
  for (const char* name : {"worker-0", "worker-1", "ps-0", "ps-1"}) {
    world.settle();
    world.exits(name, 130);
  }
  EXPECT_THAT(world.settle(), IsEmpty()) << "it is parked";
  world.observed.job.spec.suspend = false;
  EXPECT_THAT(world.settle(), ElementsAre("write plan 3")) << "not before it is known";
  world.checked("/c/1");
  const auto log = world.settle();
  EXPECT_THAT(log, ElementsAre(HasSubstr("Suspended off"), "start ps-0 #2", "start ps-1 #2"));
  EXPECT_THAT(log.front(), HasSubstr("back"));
  world.ready_all();
  EXPECT_THAT(world.settle().front(), HasSubstr("restore /c/1"));
}

// Who saw the rest, and wakes up when the job goes on, would end the processes of the new life.
TEST(Decide, WhoSeesAnOlderStatusThanAProcessWasStartedByDoesNothing) {
  World world;
  world.run_to_training();
  world.observed.job.spec.suspend = true;
  world.settle();
  world.reports(CoordinatorPhase::kSuspended, 3);
  for (const char* name : {"worker-0", "worker-1", "ps-0", "ps-1"}) {
    world.settle();
    world.exits(name, 130);
  }
  world.settle();
  const api::TrainingJobStatus resting = world.observed.status;
  ASSERT_TRUE(is_true(resting, api::ConditionType::kSuspended));
  world.observed.job.spec.suspend = false;
  world.settle();
  world.ready_all();
  world.settle();
  world.observed.status = resting;
  EXPECT_TRUE(decide(world.observed).list.empty());
}

TEST(Decide, AServerThatIsNotWantedLeavesWhenItHasGivenAllAway) {
  World world(3, 1, 2);
  world.run_to_training();
  world.replicas(true);
  world.observed.job.spec.servers.replicas = 2;
  EXPECT_THAT(world.settle(), ElementsAre("write plan 2 Scaling ReplicasChanged", "plan 2"))
      << "it holds segments";
  world.observed.remove_requests.push_back({1, "ps-2", 102, "given away", true, 2});
  EXPECT_THAT(world.settle(),
              ElementsAre("write members 2: ps-0/100 ps-1/101", "members 2", "stop ps-2"));
  EXPECT_FALSE(is_true(world.observed.status, api::ConditionType::kDegraded));
  world.exits("ps-2", 1);
  world.settle();
  EXPECT_EQ(world.observed.status.restarts["ps-2"].failures, 0);
}

// Between the two plans that do not want it one did, and brought segments back to it.
TEST(Decide, AServerThatHasGivenAllAwayByAnEarlierPlanDoesNotLeave) {
  World world(3, 1, 2);
  world.run_to_training();
  world.replicas(true);
  for (const int64_t servers : {2, 3, 2}) {
    world.observed.job.spec.servers.replicas = servers;
    world.settle();
  }
  world.observed.remove_requests.push_back({1, "ps-2", 102, "given away", true, 2});
  EXPECT_THAT(world.settle(), IsEmpty());
  remember(world.observed, {1, "ps-2", 102, "given away", true, 4});
  EXPECT_THAT(world.settle().front(), HasSubstr("members 2: ps-0/100 ps-1/101"));
}

TEST(Decide, WhatWasBegunAndNeverCompletedIsListedAndThenDeleted) {
  World world;
  world.run_to_training();
  world.writes_checkpoint("/c/2");
  world.settle();
  world.checked("/c/2");
  world.observed.abandoned = {"/c/1", "/c/2"};
  EXPECT_THAT(world.settle(),
              ElementsAre("write checkpoint /c/2 whole deletable /c/1", "delete /c/1"));
}

TEST(Decide, AServerThatIsWantedAgainStays) {
  World world(3, 1, 2);
  world.run_to_training();
  world.observed.job.spec.servers.replicas = 2;
  world.settle();
  world.observed.job.spec.servers.replicas = 3;
  world.observed.remove_requests.push_back({1, "ps-2", 102, "given away", true, 2});
  EXPECT_THAT(world.settle(), ElementsAre("write plan 3 Scaling off", "plan 3"));
}

TEST(Decide, ACoordinatorThatIsNotWantedHandsItsRoleOverWhenAllIsWhole) {
  World world(3, 1, 2);
  world.run_to_training();
  world.exits("ps-0", 0, 9);  // ps-1 coordinates
  world.settle();
  world.exits("ps-1", 0, 9);
  world.settle();
  ASSERT_EQ(world.observed.status.coordinator, "ps-2");
  world.observed.now_ms += 2 * kFirstBackoffMs;
  world.settle();
  world.ready_all();
  world.settle();
  world.connect();
  world.observed.job.spec.servers.replicas = 2;
  world.settle();
  EXPECT_EQ(world.observed.status.coordinator, "ps-2") << "a loss is being mended";
  world.replicas(true);
  world.settle();
  EXPECT_NE(world.observed.status.coordinator, "ps-2");
  EXPECT_EQ(world.observed.status.start, api::StartMode::kContinue);
}

TEST(Decide, WorkersComeAndGoByThePlan) {
  World world;
  world.run_to_training();
  world.observed.job.spec.workers.replicas = 3;
  EXPECT_THAT(world.settle(), ElementsAre("write plan 2 Running off Scaling ReplicasChanged",
                                          "plan 2", "start worker-2 #1"));
  world.observed.job.spec.workers.replicas = 1;
  EXPECT_THAT(world.settle(),
              ElementsAre(HasSubstr("write plan 3"), "plan 3", "stop worker-1", "stop worker-2"));
}

World with_autoscaling() {
  World world;
  world.observed.job.spec.policy.workers.mode = "act";
  world.observed.job.spec.workers.max_replicas = 4;
  world.run_to_training();
  return world;
}

TEST(Decide, AWishOfAPolicyIsWrittenWithANumberAndThenSent) {
  World world;
  world.run_to_training();
  world.observed.wish.worker_shares = {{"worker-0", 6}, {"worker-1", 2}};
  const uint64_t before = world.observed.status.plan_number;
  world.settle();
  EXPECT_EQ(world.observed.status.plan_number, before + 1);
  EXPECT_EQ(world.observed.status.planned_worker_shares.at("worker-0"), 6);
  EXPECT_EQ(world.observed.session->told_plan_number, before + 1);
  EXPECT_THAT(world.settle(), IsEmpty()) << "once is enough";
}

TEST(Decide, APolicyThatIsSwitchedOffLeavesNothingBehind) {
  World world;
  world.observed.job.spec.policy.server_balance.mode = "act";
  world.run_to_training();
  world.observed.wish.worker_shares = {{"worker-0", 6}, {"worker-1", 2}};
  world.observed.wish.server_shares = {{"ps-0", 6}, {"ps-1", 2}};
  world.settle();
  world.observed.wish = {};
  EXPECT_EQ(world.observed.status.planned_server_shares.size(), 2u);
  world.observed.job.spec.policy.worker_balance.mode = "off";
  world.observed.job.spec.policy.server_balance.mode = "recommend";
  world.settle();
  EXPECT_TRUE(world.observed.status.planned_worker_shares.empty());
  EXPECT_TRUE(world.observed.status.planned_server_shares.empty());
}

TEST(Decide, GivenWeightsOfServersAreInTheFirstPlan) {
  World world;
  auto& balance = world.observed.job.spec.policy.server_balance;
  balance = {.mode = "act", .method = "weighted", .weights = {{"ps-1", 5}, {"ps-9", 7}}};
  world.run_to_training();
  const std::map<std::string, int64_t> expected = {{"ps-0", 1}, {"ps-1", 5}};
  EXPECT_EQ(world.observed.status.planned_server_shares, expected);
  world.observed.wish.server_shares = {{"ps-0", 6}, {"ps-1", 2}};
  world.settle();
  EXPECT_EQ(world.observed.status.planned_server_shares, expected) << "nobody else decides";
  world.observed.wish = {};
  balance.mode = "off";
  world.settle();
  EXPECT_TRUE(world.observed.status.planned_server_shares.empty());
}

TEST(Decide, APolicyWishesWorkersWithinTheBoundsOfTheSpec) {
  World world = with_autoscaling();
  world.observed.wish.workers = 3;
  EXPECT_THAT(world.settle(), Contains("start worker-2 #1"));
  EXPECT_EQ(world.observed.status.desired_workers, 3);
  world.observed.wish.workers = 9;
  world.settle();
  EXPECT_EQ(world.observed.status.planned_workers, 4);
  world.observed.wish.workers = 1;
  EXPECT_THAT(world.settle(), Contains("stop worker-3"));
  EXPECT_EQ(world.observed.job.spec.workers.replicas, 2) << "the spec is nobody's but the user's";
}

TEST(Decide, WhoSetsTheNumberOfWorkersAnewIsHeardFirst) {
  World world = with_autoscaling();
  world.observed.wish.workers = 4;
  world.settle();
  world.observed.wish = {};
  world.observed.job.spec.workers.replicas = 1;
  world.settle();
  EXPECT_EQ(world.observed.status.planned_workers, 1);
  EXPECT_EQ(world.observed.status.desired_workers, 0);
}

}  // namespace
}  // namespace ballast::decide
