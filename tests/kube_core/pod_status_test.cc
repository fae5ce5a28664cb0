// What is seen of pods and nodes.
#include "operator/core/pod_status.h"

#include <gmock/gmock.h>

#include "operator/core/decide.h"
#include "operator/core/pod_template.h"

namespace ballast::kube {
namespace {

using decide::ProcessState;
using decide::Role;
using nlohmann::json;

json pod() {
  api::TrainingJob job;
  job.metadata.name = "j";
  return *pod_of(job, {Role::kServer, 1, 4, 9}, {"image:1"});
}

json seen(const std::string& phase, const json& terminated = nullptr) {
  json made = pod();
  made["metadata"]["creationTimestamp"] = "2026-01-31T12:00:00Z";
  made["status"] = {{"phase", phase}, {"podIP", "10.0.0.9"}};
  made["spec"]["nodeName"] = "node1";
  if (phase == "Running") {
    made["status"]["containerStatuses"] = {
        {{"name", "main"}, {"state", {{"running", json::object()}}}}};
  }
  if (!terminated.is_null()) {
    made["status"]["containerStatuses"] = {
        {{"name", "sidecar"}, {"state", {{"terminated", {{"exitCode", 9}}}}}},
        {{"name", "main"}, {"state", {{"terminated", terminated}}}}};
  }
  return made;
}

TEST(ProcessOf, APodThatRuns) {
  const auto process = process_of(seen("Running"), 5);
  ASSERT_TRUE(process);
  EXPECT_EQ(process->role, Role::kServer);
  EXPECT_EQ(process->index, 1);
  EXPECT_EQ(process->instance, 4U);
  EXPECT_EQ(process->status_version, 9U);
  EXPECT_EQ(process->address, "10.0.0.9:7600");
  EXPECT_EQ(process->node, "node1");
  EXPECT_EQ(process->state, ProcessState::kStarting) << "its life is not known from here";
  EXPECT_EQ(process->started_ms, 1'769'860'800'000);
  EXPECT_FALSE(process->stopping_since_ms);
  EXPECT_EQ(process_of(seen("Pending"), 5)->address, "");
}

TEST(ProcessOf, APodThatHasEnded) {
  const struct {
    int container_code, exit_code, exit_signal;
  } rows[] = {{0, 0, 0}, {1, 1, 0}, {2, 2, 0}, {3, 3, 0}, {130, 130, 0}, {137, 0, 9}, {139, 0, 11}};
  for (const auto& row : rows) {
    const auto process = process_of(
        seen("Failed", {{"exitCode", row.container_code}, {"finishedAt", "2026-01-31T12:00:01Z"}}),
        5);
    ASSERT_TRUE(process);
    EXPECT_EQ(process->state, ProcessState::kExited);
    EXPECT_EQ(process->exit_code, row.exit_code) << row.container_code;
    EXPECT_EQ(process->exit_signal, row.exit_signal) << row.container_code;
    EXPECT_EQ(process->ended_ms, 1'769'860'801'000);
  }
  const auto evicted = process_of(seen("Failed"), 5);
  EXPECT_EQ(evicted->exit_code, 1);
  EXPECT_EQ(evicted->ended_ms, 5);
}

TEST(ProcessOf, APodThatWasAskedToEnd) {
  json made = seen("Running");
  made["metadata"]["deletionTimestamp"] = "2026-01-31T12:00:30Z";
  EXPECT_EQ(process_of(made, 5)->stopping_since_ms, 1'769'860'830'000 - decide::kStopGraceMs);
}

TEST(ProcessOf, WhatIsNotOurs) {
  EXPECT_FALSE(process_of(json::object(), 5));
  EXPECT_FALSE(process_of({{"metadata", {{"name", "x"}}}}, 5));
  json made = seen("Running");
  made["metadata"]["labels"][kIndexLabel] = "-1";
  EXPECT_FALSE(process_of(made, 5));
  made["metadata"]["labels"][kIndexLabel] = "99999999999999999999";
  EXPECT_FALSE(process_of(made, 5));
}

json main_container(const json& state) {
  return json::array({{{"name", "sidecar"}, {"state", {{"running", json::object()}}}},
                      {{"name", "main"}, {"state", state}}});
}

TEST(ProcessOf, ItsContainerCountsAndNotItsSidecars) {
  json made = seen("Running");
  made["status"]["containerStatuses"] = main_container({{"terminated", {{"exitCode", 3}}}});
  EXPECT_EQ(process_of(made, 5)->state, ProcessState::kExited);
  EXPECT_EQ(process_of(made, 5)->exit_code, 3);
  made["status"]["containerStatuses"] =
      main_container({{"waiting", {{"reason", "ContainerCreating"}}}});
  const auto process = process_of(made, 5);
  EXPECT_TRUE(process->hindered);
  EXPECT_EQ(process->address, "");
}

TEST(ProcessOf, ItsLifeBeginsWithItsContainer) {
  json made = seen("Running");
  made["status"]["containerStatuses"] =
      main_container({{"running", {{"startedAt", "2026-01-31T12:10:00Z"}}}});
  EXPECT_EQ(process_of(made, 5)->started_ms, 1'769'860'800'000 + 600'000);
}

TEST(ProcessOf, WhatHindersAPod) {
  const struct {
    const char* status;
    const char* reason;
    const char* message;
  } rows[] = {
      {R"({"phase":"Pending"})", "", ""},
      {R"({"phase":"Pending","containerStatuses":[{"name":"main","state":
           {"waiting":{"reason":"ContainerCreating"}}}]})",
       "", ""},
      {R"({"phase":"Pending","conditions":[{"type":"PodScheduled","status":"False",
           "reason":"Unschedulable","message":"0/3 nodes are available"}]})",
       "Unschedulable", "0/3 nodes are available"},
      {R"({"phase":"Pending","containerStatuses":[{"name":"main","state":
           {"waiting":{"reason":"ErrImagePull","message":"no such image"}}}]})",
       "ImagePullBackOff", "no such image"},
      {R"({"phase":"Pending","containerStatuses":[{"name":"main","state":
           {"waiting":{"reason":"CreateContainerConfigError","message":"secret not found"}}}]})",
       "CreateContainerConfigError", "secret not found"},
      {R"({"phase":"Pending","initContainerStatuses":[{"name":"fetch","state":
           {"waiting":{"reason":"ImagePullBackOff","message":"m"}}}],
           "containerStatuses":[{"name":"main","state":{"waiting":
           {"reason":"PodInitializing"}}}]})",
       "ImagePullBackOff", "m"},
      {R"({"phase":"Pending","containerStatuses":[{"name":"main","state":
           {"waiting":{"reason":"not a \u0000 word!"}}}]})",
       "notaword", ""},
  };
  for (const auto& row : rows) {
    json made = seen("Pending");
    made["status"] = json::parse(row.status);
    const auto process = process_of(made, 5);
    EXPECT_TRUE(process->hindered) << row.status;
    EXPECT_EQ(process->trouble.reason, row.reason) << row.status;
    EXPECT_EQ(process->trouble.message, row.message) << row.status;
    EXPECT_EQ(process->state, ProcessState::kStarting) << row.status;
  }
}

TEST(ProcessOf, WhoTookItAndWhatItDied) {
  const struct {
    const char* status;
    bool taken;
    const char* reason;
  } rows[] = {
      {R"({"phase":"Failed","reason":"Evicted","message":"low on memory"})", true, "Evicted"},
      {R"({"phase":"Failed","reason":"OutOfcpu"})", true, "OutOfcpu"},
      {R"({"phase":"Failed","reason":"DeadlineExceeded"})", false, "DeadlineExceeded"},
      {R"({"phase":"Failed","conditions":[{"type":"DisruptionTarget","status":"True",
           "reason":"PreemptionByScheduler"}],"containerStatuses":[{"name":"main","state":
           {"terminated":{"exitCode":137,"reason":"Error"}}}]})",
       true, "PreemptionByScheduler"},
      {R"({"phase":"Failed","containerStatuses":[{"name":"main","state":
           {"terminated":{"exitCode":137,"reason":"OOMKilled"}}}]})",
       false, "OOMKilled"},
      {R"({"phase":"Failed","containerStatuses":[{"name":"main","state":
           {"terminated":{"exitCode":128,"reason":"StartError","message":"no such file"}}}]})",
       false, "StartError"},
      {R"({"phase":"Failed","containerStatuses":[{"name":"main","state":
           {"terminated":{"exitCode":1,"reason":"Error"}}}]})",
       false, ""},
  };
  for (const auto& row : rows) {
    json made = seen("Failed");
    made["status"] = json::parse(row.status);
    const auto process = process_of(made, 5);
    EXPECT_EQ(process->state, ProcessState::kExited) << row.status;
    EXPECT_EQ(process->taken, row.taken) << row.status;
    EXPECT_EQ(process->trouble.reason, row.reason) << row.status;
  }
}

TEST(ProcessOf, APodThatIsEndedWithoutGrace) {
  json made = seen("Running");
  made["metadata"]["deletionTimestamp"] = "2026-01-31T12:00:30Z";
  made["metadata"]["deletionGracePeriodSeconds"] = 30;
  EXPECT_FALSE(process_of(made, 5)->killed);
  made["metadata"]["deletionGracePeriodSeconds"] = 1;
  EXPECT_TRUE(process_of(made, 5)->killed);
}

TEST(ProcessOf, NothingOfAStrangeFormMatters) {
  for (const char* status :
       {"7", "[]", R"({"phase":7,"containerStatuses":7,"conditions":[7,{"type":1}]})",
        R"({"containerStatuses":[7,{"name":"main","state":7},{"name":"main"}]})",
        R"({"phase":"Failed","containerStatuses":[{"name":"main","state":{"terminated":
            {"exitCode":"x","finishedAt":7}}}]})"}) {
    json made = seen("Running");
    made["status"] = json::parse(status);
    EXPECT_TRUE(process_of(made, 5)) << status;
  }
}

TEST(NodeTrouble, ANodeThatIsReadyHasNone) {
  const auto node = [](const char* status) {
    return json({{"status",
                  {{"conditions",
                    {{{"type", "MemoryPressure"}, {"status", "True"}},
                     {{"type", "Ready"}, {"status", status}}}}}}});
  };
  const json ready = node("True"), unreachable = node("Unknown"), sick = node("False");
  EXPECT_FALSE(node_trouble("n", &ready));
  EXPECT_EQ(node_trouble("n", &unreachable)->reason, "NodeNotReady");
  EXPECT_EQ(node_trouble("n", &sick)->reason, "NodeNotReady");
  EXPECT_EQ(node_trouble("n", nullptr)->reason, "NodeGone");
}

}  // namespace
}  // namespace ballast::kube
