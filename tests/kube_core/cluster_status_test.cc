// A status as the API server has it, and the record in it.
#include "operator/core/cluster_status.h"

#include <gmock/gmock.h>

namespace ballast::kube {
namespace {

using api::ConditionType;
using nlohmann::json;

api::TrainingJobStatus some_status() {
  api::TrainingJobStatus status;
  status.version = 3;
  status.start_ms = 1'769'860'800'000;
  status.term = 2;
  status.coordinator = "ps-0";
  status.coordinator_incarnation = 0xffff'ffff'ffff'fffeU;  // wider than the API server's numbers
  status.members = {{"ps-0", 0xffff'ffff'ffff'fffeU, "10.0.0.1:7600", "node1"}};
  status.progress = {40, 2.5, "/c/step-40", 1234, 7};
  status.restarts["ps-0"] = {1, 2, 0, 3, 0};
  status.restarts["worker-0"] = {1, 3, 1, 3, 0};
  status.replacements["worker-1"] = {4, "node2"};
  status.memory["worker-0"] = {2, 768u << 20};
  status.recommendations = {{"serverBalance", "LoadsDiffer", "ps-0 is hot", 1'769'860'803'000}};
  status.conditions = {
      {ConditionType::kRunning, true, "AllReady", "all is well", 1'769'860'801'000}};
  return status;
}

decide::Observed some_world() {
  decide::Observed observed;
  observed.job.metadata.name = "j";
  observed.job.spec.workers.replicas = 3;
  decide::Process process;
  process.role = decide::Role::kWorker;
  process.state = decide::ProcessState::kReady;
  observed.processes.push_back(process);
  process.index = 1;
  process.state = decide::ProcessState::kExited;
  observed.processes.push_back(process);
  return observed;
}

TEST(ClusterStatus, TheRecordComesBackExactly) {
  const api::TrainingJobStatus status = some_status();
  const auto back = record_of({{"status", status_object(some_world(), status, 1)}});
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_EQ(*back, status);
}

TEST(ClusterStatus, NothingWrittenYetIsAnEmptyStatus) {
  EXPECT_EQ(record_of(json::object()), api::TrainingJobStatus{});
  EXPECT_EQ(record_of({{"status", {{"state", "x"}}}}), api::TrainingJobStatus{});
}

TEST(ClusterStatus, ADamagedRecordIsAnErrorAndNeverAnEmptyStatus) {
  for (const char* authority : {"7", "{}", R"({"record":7})", R"({"record":"{"})"}) {
    EXPECT_FALSE(record_of({{"status", {{"authority", json::parse(authority)}}}})) << authority;
  }
}

TEST(ClusterStatus, ShowsFiguresAndConditionsForPeople) {
  const json shown = status_object(some_world(), some_status(), 9);
  EXPECT_EQ(shown["state"], "Running");
  EXPECT_EQ(shown["step"], 40);
  EXPECT_EQ(shown["loss"], "2.5000") << "the API carries no floats";
  EXPECT_EQ(shown["tokensPerSecond"], 1234);
  EXPECT_EQ(shown["restarts"], 5);
  EXPECT_EQ(shown["lastCheckpoint"], "/c/step-40");
  EXPECT_EQ(shown["startTime"], "2026-01-31T12:00:00Z");
  EXPECT_EQ(shown["workers"], json({{"desired", 3},
                                    {"replicas", 1},
                                    {"ready", 1},
                                    {"selector", "ballast.dev/job=j,ballast.dev/role=worker"}}));
  EXPECT_EQ(shown["conditions"], json::array({{{"type", "Running"},
                                               {"status", "True"},
                                               {"observedGeneration", 9},
                                               {"lastTransitionTime", "2026-01-31T12:00:01Z"},
                                               {"reason", "AllReady"},
                                               {"message", "all is well"}}}));
  EXPECT_EQ(shown["memory"], json({{"worker-0", "768Mi"}}));
  EXPECT_EQ(shown["recommendations"], json::array({{{"policy", "serverBalance"},
                                                    {"reason", "LoadsDiffer"},
                                                    {"message", "ps-0 is hot"},
                                                    {"since", "2026-01-31T12:00:03Z"}}}));
  EXPECT_FALSE(shown.contains("completionTime"));
}

TEST(ClusterStatus, TellsTheEnd) {
  api::TrainingJobStatus status = some_status();
  status.conditions.push_back({ConditionType::kSucceeded, true, "Done", "", 1'769'860'802'000});
  const json shown = status_object(some_world(), status, 9);
  EXPECT_EQ(shown["state"], "Succeeded");
  EXPECT_EQ(shown["completionTime"], "2026-01-31T12:00:02Z");
  EXPECT_EQ(shown["workers"]["ready"], 0) << "nothing is written when they are gone";
}

}  // namespace
}  // namespace ballast::kube
