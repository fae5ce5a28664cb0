// What an operator makes of a server that refuses: told in a condition and in an event, tried again
// in its own time, and nothing of others touched.
#include <algorithm>
#include <atomic>

#include <gmock/gmock.h>

#include "operator/cluster/operator.h"
#include "tests/local/wait.h"
#include "tests/operator/fake_api_server.h"

namespace ballast::cluster {
namespace {

using kube::HttpAnswer;
using kube::HttpRequest;
using local::eventually;
using nlohmann::json;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr const char* kPodPath = "/api/v1/namespaces/n/pods";
constexpr const char* kJobPath = "/apis/ballast.dev/v1alpha1/namespaces/n/trainingjobs/j";

class Reconcile : public ::testing::Test {
 protected:
  void start() {
    OperatorConfig config;
    config.image = "ballast:1";
    config.leader_election.enabled = false;
    operator_ = std::make_unique<Operator>(
        OperatorOptions{config, server_, server_, "https://host:1", "system", "a", Logger()});
  }

  void apply(const json& spec = json::object()) {
    json job = {{"apiVersion", "ballast.dev/v1alpha1"},
                {"kind", "TrainingJob"},
                {"metadata", {{"name", "j"}, {"namespace", "n"}, {"generation", 1}}},
                {"spec", {{"data", {{"train", {"/data"}}}}, {"servers", {{"replicas", 2}}}}}};
    job["spec"].merge_patch(spec);
    server_->put("trainingjobs", job);
  }

  // Answers creations of pods with this code and text; how often: in tries_.
  void refuse_pods(int code, const std::string& text) {
    server_->set_fault([this, code, text](const HttpRequest& request) {
      std::optional<Result<HttpAnswer>> answer;
      if (request.method != "POST" || !request.path.starts_with(kPodPath)) return answer;
      ++tries_;
      const json status = {{"kind", "Status"}, {"code", code}, {"message", text}};
      answer = HttpAnswer{code, status.dump(), std::nullopt};
      return answer;
    });
  }

  // Has the kubelet tell something of the pod, and the operator take note of it.
  void wait_until_seen(const std::string& pod) {
    const std::string path = std::string(kPodPath) + "/" + pod;
    ASSERT_TRUE(eventually([&] { return server_->find(path).has_value(); }));
    const json state = {{"waiting", {{"reason", "ErrImagePull"}, {"message", "no such image"}}}};
    server_->set_status(path, {{"phase", "Pending"},
                               {"containerStatuses", {{{"name", "main"}, {"state", state}}}}});
    ASSERT_TRUE(eventually([&] { return condition("Running") == "False ImagePullBackOff"; }));
  }

  // "False QuotaExceeded"; empty: the job has no such condition.
  std::string condition(const std::string& type) const {
    const auto job = server_->find(kJobPath);
    const json::json_pointer path("/status/conditions");
    if (!job || !job->contains(path)) return "";
    for (const json& one : (*job)[path]) {
      if (one["type"] == type)
        return one["status"].get<std::string>() + " " + one["reason"].get<std::string>();
    }
    return "";
  }

  bool has_event(const std::string& reason) const {
    const auto names = server_->names("events");
    return std::any_of(names.begin(), names.end(), [&](const std::string& name) {
      const auto event = server_->find("/apis/events.k8s.io/v1/namespaces/n/events/" + name);
      return event && (*event)["reason"] == reason;
    });
  }

  const std::shared_ptr<FakeApiServer> server_ = std::make_shared<FakeApiServer>();
  std::atomic<int> tries_ = 0;
  std::unique_ptr<Operator> operator_;  // ends before what it uses
};

TEST_F(Reconcile, AQuotaIsToldAndTriedAgainInItsOwnTime) {
  refuse_pods(403, "pods \"j-ps-0\" is forbidden: exceeded quota: few");
  start();
  apply();
  ASSERT_TRUE(eventually([&] { return condition("Created") == "False QuotaExceeded"; }));
  ASSERT_TRUE(eventually([&] { return has_event("QuotaExceeded"); }));
  EXPECT_LE(tries_, 4) << "what holds for one pod holds for all";
  server_->set_fault(nullptr);
  ASSERT_TRUE(eventually([&] { return server_->names("pods").size() == 3; }));
}

TEST_F(Reconcile, EveryRefusalHasItsReason) {
  const struct {
    int code;
    const char* text;
    const char* condition;
  } rows[] = {
      {403, "unable to create new content in namespace n because it is being terminated",
       "False NamespaceTerminating"},
      {403, "pods is forbidden: violates PodSecurity \"restricted:latest\"",
       "False PodSecurityViolated"},
      {403, "User \"x\" cannot create resource \"pods\"", "False Forbidden"},
      {422, "Pod is invalid: spec.containers[0].image: Required value", "False Invalid"},
  };
  for (const auto& row : rows) {
    refuse_pods(row.code, row.text);
    start();
    apply();
    EXPECT_TRUE(eventually([&] { return condition("Created") == row.condition; }))
        << row.text << ": " << condition("Created");
    operator_.reset();
    for (const char* path : {kJobPath, "/api/v1/namespaces/n/services/j",
                             "/api/v1/namespaces/n/configmaps/j-config"}) {
      server_->erase(path);
    }
  }
}

TEST_F(Reconcile, APodOfSomebodyElseIsLeftAloneAndKeepsNobodyElseFromRunning) {
  const json theirs = {{"metadata", {{"name", "j-ps-0"}, {"namespace", "n"}}}, {"spec", "theirs"}};
  server_->put("pods", theirs);
  start();
  apply();
  ASSERT_TRUE(eventually([&] { return condition("Created") == "False NameTaken"; }));
  ASSERT_TRUE(eventually([&] { return server_->names("pods").size() == 3; }));
  EXPECT_EQ((*server_->find(std::string(kPodPath) + "/j-ps-0"))["spec"], "theirs");
  EXPECT_THAT(server_->writes(), Not(Contains("DELETE " + std::string(kPodPath) + "/j-ps-0")));
}

TEST_F(Reconcile, ServicesAndConfigMapsOfSomebodyElseAreNeverTaken) {
  for (const auto& [collection, name] :
       {std::pair("services", "j"), std::pair("configmaps", "j-config")}) {
    const json theirs = {{"metadata", {{"name", name}, {"namespace", "n"}}}, {"data", "theirs"}};
    server_->put(collection, theirs);
    start();
    apply();
    EXPECT_TRUE(eventually([&] { return condition("Created") == "False NameTaken"; })) << name;
    const std::string path = "/api/v1/namespaces/n/" + std::string(collection) + "/" + name;
    EXPECT_EQ((*server_->find(path))["data"], "theirs");
    EXPECT_THAT(server_->names("pods"), IsEmpty());
    operator_.reset();
    server_->erase(path);
    server_->erase(kJobPath);
  }
}

TEST_F(Reconcile, APodThatIsDeletedByHandIsToldAndNoFailure) {
  start();
  apply({{"backoffLimit", 0}});
  wait_until_seen("j-ps-1");
  server_->erase(std::string(kPodPath) + "/j-ps-1");
  ASSERT_TRUE(eventually([&] { return condition("Restarting") == "True PodDeleted"; }));
  ASSERT_TRUE(eventually([&] { return server_->names("pods").size() == 3; }));
  EXPECT_EQ(condition("Failed"), "");
  EXPECT_EQ((*server_->find(kJobPath))["status"]["restarts"], 1);
}

TEST_F(Reconcile, NothingWaitsForEvents) {
  server_->set_fault([](const HttpRequest& request) {
    std::optional<Result<HttpAnswer>> answer;
    if (request.path.find("/events") != std::string::npos)
      answer = Result<HttpAnswer>(fail(ErrorCode::kUnavailable, "no answer"));
    return answer;
  });
  start();
  apply();
  wait_until_seen("j-ps-1");
  server_->erase(std::string(kPodPath) + "/j-ps-1");
  ASSERT_TRUE(eventually([&] { return condition("Restarting") == "True PodDeleted"; }));
}

TEST_F(Reconcile, AJobThatIsBeingDeletedGetsNothing) {
  json job = {{"apiVersion", "ballast.dev/v1alpha1"},
              {"kind", "TrainingJob"},
              {"metadata",
               {{"name", "gone"},
                {"namespace", "n"},
                {"generation", 1},
                {"deletionTimestamp", "2026-01-31T12:00:00Z"}}},
              {"spec", {{"data", {{"train", {"/data"}}}}}}};
  server_->put("trainingjobs", job);
  start();
  apply();
  ASSERT_TRUE(eventually([&] { return server_->names("pods").size() == 3; }));
  EXPECT_THAT(server_->names("pods"), ElementsAre("j-ps-0", "j-ps-1", "j-worker-0"));
}

}  // namespace
}  // namespace ballast::cluster
