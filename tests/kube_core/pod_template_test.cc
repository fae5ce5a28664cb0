// The pods of a job, and what is seen of them.
#include "operator/core/pod_template.h"

#include <algorithm>

#include <gmock/gmock.h>

#include "operator/core/job_secrets.h"

namespace ballast::kube {
namespace {

using decide::Role;
using nlohmann::json;
using ::testing::ElementsAre;

api::TrainingJob some_job() {
  api::TrainingJob job;
  job.metadata.name = "j";
  job.metadata.name_space = "n";
  job.metadata.uid = "the-uid";
  job.spec.data.train = {"/data"};
  return job;
}

json pod(const api::TrainingJob& job, Role role) {
  return *pod_of(job, {role, 1, 4, 9}, {"image:1"});
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
  EXPECT_EQ(made["metadata"]["labels"], json({{kJobLabel, "j"},
                                              {kRoleLabel, "worker"},
                                              {kIndexLabel, "1"},
                                              {kInstanceLabel, "4"},
                                              {kStatusVersionLabel, "9"}}));
}

// The schema of the API server takes any map for a template.
TEST(PodTemplate, RefusesWhatIsNoTemplate) {
  for (const json& bad :
       {json{{"spec", "x"}}, json{{"spec", nullptr}}, json{{"metadata", "x"}},
        json{{"metadata", {{"labels", {1}}}}}, json{{"spec", {{"containers", "x"}}}},
        json{{"spec", {{"affinity", "x"}}}},
        json{{"spec", {{"affinity", {{"nodeAffinity", {1}}}}}}}}) {
    api::TrainingJob job = some_job();
    job.spec.workers.pod_template = bad;
    const auto made = pod_of(job, {Role::kWorker, 1, 4}, {"image"}, {{"n1", "n2"}, 1u << 30});
    if (made) continue;  // the API server says what is wrong with it
    EXPECT_THAT(made.error().message, ::testing::HasSubstr("spec.workers.template")) << bad;
  }
  api::TrainingJob job = some_job();
  job.spec.workers.pod_template = {{"spec", "x"}};
  EXPECT_FALSE(pod_of(job, {Role::kWorker, 1, 4}, {"image"}));
}

TEST(PodTemplate, TellsEachProcessWhatItNeeds) {
  const json server = pod(some_job(), Role::kServer);
  EXPECT_EQ(argument(server, "--name"), "ps-1");
  EXPECT_EQ(argument(server, "--job-uid"), "the-uid");
  EXPECT_EQ(argument(server, "--listen"), "$(POD_IP):7600");
  api::TrainingJob job = some_job();
  job.spec.servers.replicas = 2;
  const json worker = pod(job, Role::kWorker);
  EXPECT_EQ(argument(worker, "--name"), "worker-1");
  EXPECT_EQ(argument(worker, "--servers"), "j-ps-0.j.n.svc:7600,j-ps-1.j.n.svc:7600");
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
      EXPECT_EQ(argument(made, "--tls-key"), trusted ? "" : "/etc/ballast-tls/tls.key");
      EXPECT_EQ(made.dump().find("-tls") == std::string::npos, trusted);
    }
  }
}

TEST(PodTemplate, MountsTheCertificatesOfItsRoleAlone) {
  for (const auto& [role, secret] :
       {std::pair{Role::kServer, "j-ps-tls"}, std::pair{Role::kWorker, "j-worker-tls"}}) {
    const json made = pod(some_job(), role);
    std::vector<json> volumes;
    for (const json& volume : made["spec"]["volumes"]) {
      if (volume.contains("secret")) volumes.push_back(volume);
    }
    // The process is nobody in particular, and the files belong to root.
    ASSERT_THAT(volumes,
                ElementsAre(json({{"name", "tls"},
                                  {"secret", {{"secretName", secret}, {"defaultMode", 0444}}}})));
    const json& mounts = made["spec"]["containers"][0]["volumeMounts"];
    EXPECT_NE(std::find(mounts.begin(), mounts.end(),
                        json({{"name", "tls"}, {"mountPath", kTlsFolder}, {"readOnly", true}})),
              mounts.end());
    EXPECT_EQ(argument(made, "--tls-certificate"), "/etc/ballast-tls/tls.crt");
    EXPECT_EQ(argument(made, "--tls-ca"), "/etc/ballast-tls/ca.crt");
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
  EXPECT_EQ(made["spec"]["volumes"].size(), 4U);
  ASSERT_EQ(made["spec"]["containers"].size(), 2U);
  const json& main = made["spec"]["containers"][0];
  EXPECT_EQ(main["image"], "image:1");
  EXPECT_EQ(main["resources"]["limits"]["nvidia.com/gpu"], 1);
  EXPECT_EQ(main["volumeMounts"].size(), 4U);
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

// A required one would bind a pod for life: were all nodes in trouble for a moment, it could never
// be placed.
TEST(PodTemplate, NodesInTroubleOrTooSlowAreTakenOnlyWhereThereIsNoOther) {
  api::TrainingJob job = some_job();
  job.spec.workers.pod_template = json::parse(R"({"spec":{"affinity":{"nodeAffinity":{
      "preferredDuringSchedulingIgnoredDuringExecution":[{"theirs":1}]}}}})");
  const auto affinity = [&](const std::vector<std::string>& shunned) {
    const json made = *pod_of(job, {Role::kWorker, 0, 1}, {"image"}, {shunned, 0});
    return made["spec"]["affinity"]["nodeAffinity"];
  };
  EXPECT_EQ(affinity({}), json::parse(R"({
      "preferredDuringSchedulingIgnoredDuringExecution":[{"theirs":1}]})"));
  EXPECT_EQ(affinity({"n1", "n2"}), json::parse(R"({
      "preferredDuringSchedulingIgnoredDuringExecution":[
        {"theirs":1},
        {"weight":100,"preference":{"matchFields":[
          {"key":"metadata.name","operator":"NotIn","values":["n1"]},
          {"key":"metadata.name","operator":"NotIn","values":["n2"]}]}}]})"));
}

TEST(PodTemplate, RaisedMemoryGoesOverTheTemplatesLimitAndNothingElse) {
  api::TrainingJob job = some_job();
  job.spec.workers.pod_template = json::parse(R"({"spec":{"containers":[
      {"name":"side","resources":{"limits":{"memory":"1Gi"}}},
      {"name":"main","resources":{"limits":{"memory":"512Mi","cpu":"2"},
                                  "requests":{"memory":"256Mi"}}}]}})");
  const auto resources = [&](uint64_t bytes) {
    std::map<std::string, json> found;
    const json made = *pod_of(job, {Role::kWorker, 0, 1}, {"image"}, {{}, bytes});
    for (const json& one : made["spec"]["containers"]) found[one["name"]] = one["resources"];
    return found;
  };
  EXPECT_EQ(resources(0)["main"]["limits"]["memory"], "512Mi");
  EXPECT_EQ(resources(768u << 20)["main"], json::parse(R"({
      "limits":{"memory":"768Mi","cpu":"2"},"requests":{"memory":"256Mi"}})"));
  EXPECT_EQ(resources(768u << 20)["side"]["limits"]["memory"], "1Gi");
}

TEST(PodTemplate, ServersKeepApartWhereTheyCan) {
  const json server = pod(some_job(), Role::kServer);
  const json& terms = server["spec"]["affinity"]["podAntiAffinity"]
                            ["preferredDuringSchedulingIgnoredDuringExecution"];
  ASSERT_EQ(terms.size(), 1U);
  EXPECT_EQ(terms[0]["podAffinityTerm"]["topologyKey"], "kubernetes.io/hostname");
  EXPECT_FALSE(pod(some_job(), Role::kWorker)["spec"].contains("affinity"));
}

TEST(PodTemplate, AnEndedProcessIsNeverStartedAgainByTheKubelet) {
  api::TrainingJob job = some_job();
  job.spec.workers.pod_template = {{"spec", {{"restartPolicy", "Always"}}}};
  EXPECT_EQ(pod(job, Role::kWorker)["spec"]["restartPolicy"], "Never");
}

TEST(Service, GivesServersNames) {
  const json service = service_of(some_job());
  EXPECT_EQ(service["metadata"]["name"], "j");
  EXPECT_EQ(service["metadata"]["ownerReferences"][0]["uid"], "the-uid");
  EXPECT_EQ(service["spec"]["clusterIP"], "None");
  const json server = pod(some_job(), Role::kServer);
  EXPECT_EQ(server["spec"]["subdomain"], "j");
  EXPECT_EQ(server["spec"]["hostname"], "j-ps-1");
  for (const auto& [label, value] : service["spec"]["selector"].items())
    EXPECT_EQ(server["metadata"]["labels"][label], value);
  EXPECT_NE(pod(some_job(), Role::kWorker)["metadata"]["labels"][kRoleLabel],
            service["spec"]["selector"][kRoleLabel])
      << "a thousand endpoints that nobody looks for";
}

}  // namespace
}  // namespace ballast::kube
