// Which transitions of a status are worth an event, and what an event looks like.
#include "operator/core/events.h"

#include <gmock/gmock.h>

namespace ballast::kube {
namespace {

using api::Condition;
using api::ConditionType;
using api::TrainingJobStatus;
using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

TrainingJobStatus with(ConditionType type, bool status, const std::string& reason,
                       const std::string& message = "m") {
  TrainingJobStatus made;
  made.conditions = {{type, status, reason, message, 0}};
  return made;
}

TEST(Events, EachTransitionOnce) {
  const struct {
    TrainingJobStatus next;
    std::vector<JobEvent> events;
  } rows[] = {
      {with(ConditionType::kCreated, true, "AllCreated"), {}},
      {with(ConditionType::kCreated, false, "QuotaExceeded"), {{true, "QuotaExceeded", "m"}}},
      {with(ConditionType::kRunning, true, "AllReady"), {{false, "Running", "m"}}},
      {with(ConditionType::kRunning, false, "Waiting"), {}},
      {with(ConditionType::kRunning, false, "Ended"), {}},
      {with(ConditionType::kRunning, false, "Unschedulable"), {{true, "Unschedulable", "m"}}},
      {with(ConditionType::kRestarting, true, "Evicted"), {{true, "Evicted", "m"}}},
      {with(ConditionType::kRestarting, false, "AllReady"), {}},
      {with(ConditionType::kDegraded, true, "ServerLost"), {{true, "ServerLost", "m"}}},
      {with(ConditionType::kDegraded, false, "AllReplicas"), {{false, "Recovered", "m"}}},
      {with(ConditionType::kScaling, true, "ReplicasChanged"), {{false, "Scaling", "m"}}},
      {with(ConditionType::kPoliciesHeld, true, "PartialSamples"), {{true, "PartialSamples", "m"}}},
      {with(ConditionType::kPoliciesHeld, false, "SoundSamples"), {{false, "PoliciesFree", "m"}}},
      {with(ConditionType::kPoliciesHeld, false, "Ended"), {}},
      {with(ConditionType::kSuspended, true, "SuspendedBySpec"), {{false, "Suspended", "m"}}},
      {with(ConditionType::kSuspended, false, "Resumed"), {{false, "Resumed", "m"}}},
      {with(ConditionType::kSucceeded, true, "Trained"), {{false, "Succeeded", "m"}}},
      {with(ConditionType::kFailed, true, "Refused"), {{true, "Refused", "m"}}},
  };
  for (const auto& row : rows) {
    const std::string& reason = row.next.conditions[0].reason;
    EXPECT_EQ(events_between({}, row.next), row.events) << reason;
    EXPECT_THAT(events_between(row.next, row.next), IsEmpty()) << reason;
  }
}

TEST(Events, AnotherLossWhileOneIsMendedIsNews) {
  EXPECT_THAT(events_between(with(ConditionType::kRestarting, true, "Evicted", "worker-0"),
                             with(ConditionType::kRestarting, true, "Evicted", "worker-1")),
              ElementsAre(JobEvent{true, "Evicted", "worker-1"}));
}

TEST(Events, FiguresAreNone) {
  TrainingJobStatus next = with(ConditionType::kRunning, true, "AllReady");
  const TrainingJobStatus before = next;
  next.version = 9;
  next.progress.step = 40;
  EXPECT_THAT(events_between(before, next), IsEmpty());
}

TEST(Events, WhoCoordinatesAndWhatIsLost) {
  TrainingJobStatus before;
  TrainingJobStatus next;
  next.term = 1;
  EXPECT_THAT(events_between(before, next), IsEmpty()) << "the first is no news";
  before = next;
  before.origin = 1;
  next = before;
  next.term = 2;
  next.coordinator = "ps-1";
  EXPECT_THAT(events_between(before, next),
              ElementsAre(JobEvent{false, "CoordinatorAppointed", "ps-1 coordinates, in term 2"}));
  next.origin = 0;
  next.restore_from = "/c/9";
  ASSERT_EQ(events_between(before, next).size(), 1U);
  EXPECT_EQ(events_between(before, next)[0].reason, "WentBack");
}

TEST(Events, TheSameOneHasTheSameName) {
  api::TrainingJob job;
  job.metadata = {"j", "n", "the-uid", {}, {}};
  const JobEvent event{true, "Evicted", std::string(5'000, 'x')};
  const json made = event_object(job, event, 1'769'860'801'234, "operator-1");
  EXPECT_EQ(made["metadata"]["name"],
            event_object(job, event, 7, "operator-2")["metadata"]["name"]);
  EXPECT_NE(made["metadata"]["name"],
            event_object(job, {true, "Evicted", "y"}, 7, "o")["metadata"]["name"]);
  EXPECT_EQ(made["eventTime"], "2026-01-31T12:00:01.234000Z");
  EXPECT_EQ(made["type"], "Warning");
  EXPECT_EQ(made["regarding"]["uid"], "the-uid");
  EXPECT_LE(made["note"].get<std::string>().size(), 1'024U);
}

TEST(Events, ARepeatCounts) {
  EXPECT_EQ(
      series_patch(2, 1'769'860'801'234),
      json::parse(R"({"series":{"count":2,"lastObservedTime":"2026-01-31T12:00:01.234000Z"}})"));
}

}  // namespace
}  // namespace ballast::kube
