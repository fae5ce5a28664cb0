// The pods of a job, and what is seen of them.
#include "operator/core/pod_template.h"

#include <algorithm>

#include <gmock/gmock.h>

namespace ballast::kube {
namespace {

using decide::ProcessState;
using decide::Role;
using nlohmann::json;

api::TrainingJob some_job() {
  api::TrainingJob job;
  job.metadata.name = "j";
  job.metadata.name_space = "n";
  job.metadata.uid = "the-uid";
  job.spec.data.train = {"/data"};
  return job;
}

json pod(const api::TrainingJob& job, Role role) {
  return pod_of(job, {role, 1, 4},
                {{"ps-0", 7, "10.0.0.1:7600", ""}, {"ps-1", 8, "10.0.0.2:7600", ""}}, {"image:1"});
}

// The value after a flag.
std::string argument(const json& made, const std::string& flag) {
  const json& arguments = made["spec"]["containers"][0]["args"];
  for (size_t i = 0; i + 1 < arguments.size(); ++i) {
    if (arguments[i] == flag) return arguments[i + 1];
  }
  return "";
}

TEST(PodTemplate, NamesAndOwnsItsPods) {
  const json made = pod(some_job(), Role::kWorker);
  EXPECT_EQ(made["metadata"]["name"], "j-worker-1");
  EXPECT_EQ(made["metadata"]["namespace"], "n");
  EXPECT_EQ(made["metadata"]["ownerReferences"][0]["uid"], "the-uid");
  EXPECT_EQ(
      made["metadata"]["labels"],
      json({{kJobLabel, "j"}, {kRoleLabel, "worker"}, {kIndexLabel, "1"}, {kInstanceLabel, "4"}}));
}

TEST(PodTemplate, TellsEachProcessWhatItNeeds) {
  const json server = pod(some_job(), Role::kServer);
  EXPECT_EQ(argument(server, "--name"), "ps-1");
  EXPECT_EQ(argument(server, "--job-uid"), "the-uid");
  EXPECT_EQ(argument(server, "--listen"), "$(POD_IP):7600");
  const json worker = pod(some_job(), Role::kWorker);
  EXPECT_EQ(argument(worker, "--name"), "worker-1");
  EXPECT_EQ(argument(worker, "--servers"), "10.0.0.1:7600,10.0.0.2:7600");
}

TEST(PodTemplate, TrustsTheNetworkOnlyWhereTheJobSaysSo) {
  api::TrainingJob job = some_job();
  for (const bool trusted : {false, true}) {
    job.spec.trusted_network = trusted;
    for (const Role role : {Role::kServer, Role::kWorker}) {
      const json made = pod(job, role);
      const json& arguments = made["spec"]["containers"][0]["args"];
      EXPECT_EQ(std::count(arguments.begin(), arguments.end(), "--trusted-network"),
                trusted ? 1 : 0);
    }
  }
}

TEST(PodTemplate, IsRestricted) {
  for (const Role role : {Role::kServer, Role::kWorker}) {
    const json made = pod(some_job(), role);
    EXPECT_EQ(made["spec"]["automountServiceAccountToken"], false);
    EXPECT_EQ(made["spec"]["securityContext"]["runAsNonRoot"], true);
    EXPECT_EQ(made["spec"]["securityContext"]["seccompProfile"]["type"], "RuntimeDefault");
    const json& container = made["spec"]["containers"][0]["securityContext"];
    EXPECT_EQ(container["allowPrivilegeEscalation"], false);
    EXPECT_EQ(container["capabilities"]["drop"], json({"ALL"}));
    EXPECT_EQ(made["spec"]["restartPolicy"], "Never");
  }
}

TEST(PodTemplate, TheUsersTemplateGoesOverOurs) {
  api::TrainingJob job = some_job();
  job.spec.workers.pod_template = json::parse(R"({
      "metadata": {"labels": {"team": "a", "ballast.dev/job": "stolen"}, "name": "stolen"},
      "spec": {"nodeSelector": {"disk": "fast"},
               "volumes": [{"name": "data", "hostPath": {"path": "/d"}}],
               "tolerations": [{"key": "gpu"}],
               "containers": [{"name": "main", "resources": {"limits": {"nvidia.com/gpu": 1}},
                               "volumeMounts": [{"name": "data", "mountPath": "/data"}]},
                              {"name": "sidecar", "image": "other"}]}})");
  const json made = pod(job, Role::kWorker);
  EXPECT_EQ(made["metadata"]["labels"]["team"], "a");
  EXPECT_EQ(made["metadata"]["labels"][kJobLabel], "j") << "ours are ours";
  EXPECT_EQ(made["metadata"]["name"], "j-worker-1");
  EXPECT_EQ(made["spec"]["nodeSelector"]["disk"], "fast");
  EXPECT_EQ(made["spec"]["tolerations"].size(), 1U);
  EXPECT_EQ(made["spec"]["volumes"].size(), 3U);
  ASSERT_EQ(made["spec"]["containers"].size(), 2U);
  const json& main = made["spec"]["containers"][0];
  EXPECT_EQ(main["image"], "image:1");
  EXPECT_EQ(main["resources"]["limits"]["nvidia.com/gpu"], 1);
  EXPECT_EQ(main["volumeMounts"].size(), 3U);
}

TEST(PodTemplate, MergesItemByItem) {
  const auto merge = [](const char* ours, const char* theirs) {
    return merged(json::parse(ours), json::parse(theirs));
  };
  EXPECT_EQ(merge(R"({"a":1,"b":{"c":2}})", R"({"b":{"d":3},"a":4})"),
            json::parse(R"({"a":4,"b":{"c":2,"d":3}})"));
  EXPECT_EQ(merge(R"([{"name":"x","v":1},{"name":"y"}])", R"([{"name":"x","v":2},{"name":"z"}])"),
            json::parse(R"([{"name":"x","v":2},{"name":"y"},{"name":"z"}])"));
  EXPECT_EQ(merge(R"([1,2])", R"([3])"), json::parse("[3]"));
  EXPECT_EQ(merge(R"([{"name":"x"}])", R"([])"), json::parse(R"([{"name":"x"}])"));
}

json seen(const std::string& phase, const json& terminated = nullptr) {
  json made = pod(some_job(), Role::kServer);
  made["metadata"]["creationTimestamp"] = "2026-01-31T12:00:00Z";
  made["status"] = {{"phase", phase}, {"podIP", "10.0.0.9"}};
  made["spec"]["nodeName"] = "node1";
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

TEST(Time, ThereAndBack) {
  for (const char* text : {"1970-01-01T00:00:00Z", "1999-12-31T23:59:59Z", "2000-02-29T00:00:00Z",
                           "2026-01-31T12:00:00Z", "2100-03-01T00:00:00Z"}) {
    const auto parsed = parse_time(text);
    ASSERT_TRUE(parsed) << text;
    EXPECT_EQ(format_time(*parsed), text);
  }
  EXPECT_EQ(parse_time("1970-01-01T00:00:01.5Z"), 1000);
  EXPECT_EQ(parse_time("2000-02-29T00:00:00Z"), 951'782'400'000);
  for (const char* text : {"", "2026-01-31", "2026-13-01T00:00:00Z", "x026-01-01T00:00:00Z",
                           "2026-01-01T00:00:00+01:00"}) {
    EXPECT_FALSE(parse_time(text)) << text;
  }
}

}  // namespace
}  // namespace ballast::kube
