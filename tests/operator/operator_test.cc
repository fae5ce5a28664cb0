// Whole operators within this process, with an API server in memory: what they make of jobs, and
// that nothing which the server or another operator does makes them do it twice.
#include "operator/cluster/operator.h"

#include <algorithm>
#include <atomic>
#include <set>

#include <gmock/gmock.h>

#include "operator/kube/resource.h"
#include "tests/local/wait.h"
#include "tests/operator/fake_api_server.h"

namespace ballast::cluster {
namespace {

using kube::HttpAnswer;
using kube::HttpRequest;
using local::eventually;
using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

using Answer = std::optional<Result<HttpAnswer>>;

// Ends the connection of one operator, and not that of another.
class Link : public kube::HttpTransport {
 public:
  explicit Link(std::shared_ptr<FakeApiServer> server) : server_(std::move(server)) {}
  Result<HttpAnswer> send(const HttpRequest& request, std::stop_token stop) override {
    if (cut_) return fail(ErrorCode::kUnavailable, "cut off");
    // The last write that is done; its answer is lost.
    const bool last = request.method != "GET" && --writes_left_ <= 0;
    if (last) cut_ = true;
    if (last && writes_left_ < 0) return fail(ErrorCode::kUnavailable, "cut off");
    auto answer = server_->send(request, std::move(stop));
    return last ? fail(ErrorCode::kUnavailable, "cut off") : answer;
  }
  Result<HttpAnswer> stream(const HttpRequest& request,
                            const std::function<bool(std::string_view)>& line,
                            std::stop_token stop) override {
    if (cut_) return fail(ErrorCode::kUnavailable, "cut off");
    ++watches_;
    return server_->stream(request, line, std::move(stop));
  }
  void cut() { cut_ = true; }
  void cut_after_writes(int writes) { writes_left_ = writes; }
  bool is_cut() const { return cut_; }
  int watches() const { return watches_; }  // begun so far

 private:
  std::shared_ptr<FakeApiServer> server_;
  std::atomic<int> writes_left_ = 1 << 30;
  std::atomic<bool> cut_ = false;
  std::atomic<int> watches_ = 0;
};

class Operators : public ::testing::Test {
 protected:
  struct One {
    std::shared_ptr<Link> link, lease_link;
    std::unique_ptr<Operator> running;
  };

  One start(const std::string& identity, bool election = false) {
    One one{std::make_shared<Link>(server_), std::make_shared<Link>(server_), nullptr};
    OperatorConfig config;
    config.image = "ballast:1";
    config.threads = 2;
    config.requests = 4;
    config.leader_election.enabled = election;
    one.running = std::make_unique<Operator>(OperatorOptions{
        config, one.link, one.lease_link, "https://host:1", "system", identity, Logger()});
    return one;
  }

  // With one worker.
  void apply(const std::string& name, int servers = 2) {
    server_->put("trainingjobs",
                 {{"apiVersion", "ballast.dev/v1alpha1"},
                  {"kind", "TrainingJob"},
                  {"metadata", {{"name", name}, {"namespace", "n"}, {"generation", 1}}},
                  {"spec",
                   {{"model", json::object()},
                    {"data", {{"train", {"/data"}}}},
                    {"training", {{"steps", 10}}},
                    {"network", {{"trusted", true}}},
                    {"servers", {{"replicas", servers}}}}}});
  }

  std::vector<std::string> pods() const { return server_->names("pods"); }
  // How often each path was written to; creates count for the object's own.
  int creates_of(const std::string& name) const {
    const auto writes = server_->writes();
    return static_cast<int>(
        std::count(writes.begin(), writes.end(), "POST /api/v1/namespaces/n/pods " + name));
  }

  const std::shared_ptr<FakeApiServer> server_ = std::make_shared<FakeApiServer>();
};

TEST_F(Operators, MakeThePodsOfAJobOnce) {
  const One one = start("a");
  apply("j", 3);
  ASSERT_TRUE(eventually([&] { return pods().size() == 4; }));
  EXPECT_THAT(pods(), ElementsAre("j-ps-0", "j-ps-1", "j-ps-2", "j-worker-0"));
  EXPECT_TRUE(one.running->ready());
  // Whatever else changes, it asks for none twice.
  for (const std::string& name : pods()) {
    server_->set_status("/api/v1/namespaces/n/pods/" + name, {{"phase", "Pending"}});
  }
  apply("k", 1);
  ASSERT_TRUE(eventually([&] { return pods().size() == 6; }));
  for (const std::string& name : pods()) EXPECT_EQ(creates_of(name), 1) << name;
}

TEST_F(Operators, ReplaceAPodThatIsLost) {
  const One one = start("a");
  apply("j");
  ASSERT_TRUE(eventually([&] { return pods().size() == 3; }));
  const auto before = server_->find("/api/v1/namespaces/n/pods/j-ps-1");
  server_->erase("/api/v1/namespaces/n/pods/j-ps-1");
  ASSERT_TRUE(eventually([&] { return pods().size() == 3; }));
  EXPECT_NE((*server_->find("/api/v1/namespaces/n/pods/j-ps-1"))["metadata"]["uid"],
            (*before)["metadata"]["uid"]);
}

// Killed after its first write, after its second, ...: whoever comes next makes what is missing,
// and nothing twice.
TEST_F(Operators, WhoeverIsKilledBetweenTwoWritesIsFollowedByAnother) {
  for (int writes = 1; writes <= 6; ++writes) {
    const std::string name = "j" + std::to_string(writes);
    One first = start("first-" + name);
    first.link->cut_after_writes(writes);
    apply(name, 4);
    ASSERT_TRUE(eventually([&] { return first.link->is_cut(); })) << writes;
    first.running.reset();
    const One second = start("second-" + name);
    ASSERT_TRUE(eventually([&] { return pods().size() == static_cast<size_t>(5 * writes); }))
        << writes << ": " << ::testing::PrintToString(pods());
  }
  for (const std::string& name : pods()) EXPECT_EQ(creates_of(name), 1) << name;
}

TEST_F(Operators, TwoAtOnceMakeEachPodOnce) {
  const One first = start("a"), second = start("b");
  for (int i = 0; i < 8; ++i) apply("j" + std::to_string(i), 3);
  ASSERT_TRUE(eventually([&] { return pods().size() == 32; }));
  std::set<std::string> names;
  for (const std::string& name : pods()) EXPECT_TRUE(names.insert(name).second) << name;
  const auto writes = server_->writes();
  EXPECT_EQ(std::count_if(writes.begin(), writes.end(),
                          [](const std::string& write) { return write.starts_with("DELETE"); }),
            0);
}

TEST_F(Operators, WaitWhileTheServerFailsAndConverge) {
  std::atomic<int> asked = 0;
  const std::vector<HttpAnswer> answers = {
      {500, "", std::nullopt},
      {429, R"({"kind":"Status","code":429,"details":{"retryAfterSeconds":1}})", std::nullopt},
      {200, R"({"metadata":{"resourceVersion":"1"},"ite)", std::nullopt},
      {503, "", 10},
      {410, R"({"kind":"Status","code":410,"reason":"Expired"})", std::nullopt}};
  server_->set_fault([&](const HttpRequest&) -> Answer {
    return answers[static_cast<size_t>(asked++) % answers.size()];
  });
  const One one = start("a");
  apply("j");
  ASSERT_TRUE(eventually([&] { return asked > 8; }));
  EXPECT_TRUE(one.running->healthy()) << "a restart would not help";
  EXPECT_FALSE(one.running->ready());
  EXPECT_THAT(pods(), IsEmpty());
  server_->set_fault(nullptr);
  EXPECT_TRUE(eventually([&] { return pods().size() == 3; }));
  EXPECT_TRUE(one.running->ready());
}

// A server that has run for an hour, of which a new operator knows nothing yet, and which does not
// answer it at once.
TEST_F(Operators, ANewOneEndsNoProcessThatItHasNotAskedForLong) {
  apply("old", 1);
  const json job = *server_->find("/apis/ballast.dev/v1alpha1/namespaces/n/trainingjobs/old");
  server_->put(
      "pods",
      {{"metadata",
        {{"name", "old-ps-0"},
         {"namespace", "n"},
         {"labels",
          {{"ballast.dev/job", "old"},
           {"ballast.dev/role", "ps"},
           {"ballast.dev/index", "0"},
           {"ballast.dev/instance", "1"}}},
         {"ownerReferences", json::array({{{"uid", job["metadata"]["uid"]}}})},
         {"creationTimestamp", "2026-01-01T00:00:00Z"}}},
       {"status",
        {{"phase", "Running"},
         {"podIP", "127.0.0.1"},
         {"containerStatuses",
          json::array({{{"name", "main"},
                        {"state", {{"running", {{"startedAt", "2026-01-01T00:00:00Z"}}}}}}})}}}});
  const One one = start("a");
  const auto written = [&](const std::string& what) {
    const auto writes = server_->writes();
    return std::any_of(writes.begin(), writes.end(),
                       [&](const std::string& write) { return write.starts_with(what); });
  };
  ASSERT_TRUE(eventually([&] { return written("PUT"); })) << "it has decided";
  apply("k");
  ASSERT_TRUE(eventually([&] { return pods().size() == 5; }));
  EXPECT_FALSE(written("DELETE"));
}

TEST_F(Operators, AConflictIsDecidedAnew) {
  std::atomic<int> conflicts = 3;
  server_->set_fault([&](const HttpRequest& request) -> Answer {
    if (request.method != "PUT" || --conflicts < 0) return std::nullopt;
    return HttpAnswer{409, R"({"kind":"Status","code":409,"reason":"Conflict"})", std::nullopt};
  });
  const One one = start("a");
  apply("j");
  ASSERT_TRUE(eventually([&] { return pods().size() == 3; }));
  EXPECT_LT(conflicts, 0);
}

// The watch ends, and what happened meanwhile is forgotten by the server: a list finds it.
TEST_F(Operators, FindWhatHappenedWhileNobodyWatched) {
  const One one = start("a");
  apply("j");
  ASSERT_TRUE(eventually([&] { return pods().size() == 3; }));
  server_->erase("/api/v1/namespaces/n/pods/j-ps-0");
  server_->forget_history();
  apply("k");
  EXPECT_TRUE(eventually([&] { return pods().size() == 6; }));
}

TEST_F(Operators, OneLeadsAndTheOtherFollowsWhenItGoes) {
  One first = start("a", true);
  ASSERT_TRUE(eventually([&] { return bool(first.running->ready()); }));
  const One second = start("b", true);
  ASSERT_TRUE(eventually([&] { return bool(second.running->ready()); })) << "it stands by";
  ASSERT_TRUE(eventually([&] { return second.link->watches() >= 4; })) << "and reads along";
  apply("j");
  ASSERT_TRUE(eventually([&] { return pods().size() == 3; }));
  const std::string lease =
      "/apis/coordination.k8s.io/v1/namespaces/system/leases/ballast-operator";
  EXPECT_EQ((*server_->find(lease))["spec"]["holderIdentity"], "a");
  const auto before = std::chrono::steady_clock::now();
  // Whoever had to read now what there is would know nothing.
  server_->set_fault([](const HttpRequest& request) -> Answer {
    if (request.path.find("limit=") == std::string::npos) return std::nullopt;
    return HttpAnswer{500, "", std::nullopt};
  });
  first.running.reset();
  EXPECT_EQ((*server_->find(lease))["spec"]["holderIdentity"], "") << "it was given up";
  apply("k");
  ASSERT_TRUE(eventually([&] { return pods().size() == 6; }));
  EXPECT_LT(std::chrono::steady_clock::now() - before, std::chrono::seconds(14))
      << "it waited until the Lease was over";
  EXPECT_EQ((*server_->find(lease))["spec"]["holderIdentity"], "b");
}

// What a paused or cut-off leader still wants to write when its time is over does not go out.
TEST_F(Operators, ALeaderThatCannotRenewWritesNothingMore) {
  const One one = start("a", true);
  apply("j");
  ASSERT_TRUE(eventually([&] { return pods().size() == 3; }));
  one.lease_link->cut();
  ASSERT_TRUE(eventually([&] {
    const auto families = one.running->collectables().front()->Collect();
    return std::any_of(families.begin(), families.end(), [](const auto& family) {
      return family.name == "leader_election_master_status" &&
             family.metric.front().gauge.value == 0;
    });
  }));
  apply("k");
  EXPECT_EQ(pods().size(), 3U);
}

}  // namespace
}  // namespace ballast::cluster
