// What becomes of processes when their pods vanish and their nodes are lost, as time goes by.
#include "operator/cluster/pod_view.h"

#include <gmock/gmock.h>

#include "common/clock.h"
#include "operator/cluster/kept.h"
#include "operator/core/pod_template.h"
#include "operator/core/time_text.h"
#include "tests/local/wait.h"
#include "tests/operator/fake_api_server.h"

namespace ballast::cluster {
namespace {

using decide::Process;
using decide::ProcessState;
using decide::TimeMs;
using local::eventually;
using nlohmann::json;

class View : public ::testing::Test {
 protected:
  View() {
    job_.metadata.name = "j";
    job_.metadata.name_space = "n";
    job_.metadata.uid = "the-uid";
    job_.spec.servers.replicas = 2;
    put_node("True");
    put_pod(0);
    put_pod(1);
    EXPECT_TRUE(eventually([&] { return pods_->all().size() == 2 && nodes_->synced(); }));
  }

  void put_node(const char* ready) {
    server_->put("nodes", {{"metadata", {{"name", "node1"}}},
                           {"status", {{"conditions", {{{"type", "Ready"}, {"status", ready}}}}}}});
  }

  void put_pod(int64_t index) {
    json pod = *kube::pod_of(job_, {decide::Role::kServer, index, 1}, {"image"});
    pod["spec"]["nodeName"] = "node1";
    pod["status"] = {{"phase", "Running"}};
    server_->put("pods", pod);
  }

  std::string path(int64_t index) const {
    return "/api/v1/namespaces/n/pods/j-ps-" + std::to_string(index);
  }

  // Once the watch has told of a change; at that time.
  Process look(int64_t index, TimeMs now_ms) {
    for (const Process& process : view_.observe(job_, status_, now_ms)) {
      if (process.index == index) return process;
    }
    return {};
  }

  std::shared_ptr<kube::Informer> informer(const kube::Resource& kind) {
    kube::InformerOptions options;
    options.kind = kind;
    if (kind.plural == kube::kPods.plural) {
      options.keep = packed_pod;
      options.group_of = job_of_pod;
    }
    return std::make_shared<kube::Informer>(client_, std::make_shared<SteadyClock>(), options);
  }

  const std::shared_ptr<FakeApiServer> server_ = std::make_shared<FakeApiServer>();
  const std::shared_ptr<kube::KubeClient> client_ =
      std::make_shared<kube::KubeClient>(server_, "tester");
  api::TrainingJob job_;
  api::TrainingJobStatus status_;
  std::shared_ptr<kube::Informer> pods_ = informer(kube::kPods);
  std::shared_ptr<kube::Informer> nodes_ = informer(kube::kNodes);
  PodView view_{{pods_, nodes_, std::make_shared<PodScraper>(), 0, [] {}}};
};

// The news of a pod may come a minute late where all is busy: nobody has asked it yet.
TEST_F(View, SilenceCountsFromTheFirstQuestion) {
  json pod = *kube::pod_of(job_, {decide::Role::kServer, 0, 1}, {"image"});
  const json running = {{"running", {{"startedAt", "2026-01-31T12:00:00Z"}}}};
  pod["status"] = {{"phase", "Running"},
                   {"podIP", "127.0.0.2"},
                   {"containerStatuses", json::array({{{"name", "main"}, {"state", running}}})}};
  server_->put("pods", pod);
  const decide::TimeMs started_ms = *kube::parse_time("2026-01-31T12:00:00Z");
  const decide::TimeMs first_ms = started_ms + 70'000;
  ASSERT_TRUE(eventually([&] { return !look(0, first_ms).address.empty(); }));
  EXPECT_EQ(look(0, first_ms + 1'000).state, ProcessState::kStarting);
  EXPECT_EQ(look(0, first_ms + 1'000).started_ms, first_ms);
}

TEST_F(View, APodThatSomebodyDeletesWasTaken) {
  EXPECT_EQ(look(1, 5).state, ProcessState::kStarting);
  server_->erase(path(1));
  ASSERT_TRUE(eventually([&] { return pods_->all().size() == 1; }));
  const Process gone = look(1, 6);
  EXPECT_EQ(gone.state, ProcessState::kExited);
  EXPECT_TRUE(gone.taken);
  EXPECT_EQ(gone.trouble.reason, "PodDeleted");
  EXPECT_EQ(gone.ended_ms, 6);
  EXPECT_EQ(look(1, 7), gone) << "until there is another";
  put_pod(1);
  ASSERT_TRUE(eventually([&] { return pods_->all().size() == 2; }));
  EXPECT_EQ(look(1, 8).state, ProcessState::kStarting);
}

TEST_F(View, OneThatWeAskedToEndWasNot) {
  look(1, 5);
  view_.asked_to_end(*pods_->find("n/j-ps-1"), false, 6);
  EXPECT_EQ(look(1, 7).stopping_since_ms, 6) << "the watch has not told yet";
  server_->erase(path(1));
  ASSERT_TRUE(eventually([&] { return pods_->all().size() == 1; }));
  EXPECT_EQ(look(1, 8).state, ProcessState::kExited);
  EXPECT_FALSE(look(1, 8).taken);
  EXPECT_EQ(look(1, 8).stopping_since_ms, 6);
}

TEST_F(View, OneThatWeKilledEndedByItself) {
  look(1, 5);
  view_.asked_to_end(*pods_->find("n/j-ps-1"), true, 6);
  EXPECT_TRUE(look(1, 7).killed);
  server_->erase(path(1));
  ASSERT_TRUE(eventually([&] { return pods_->all().size() == 1; }));
  EXPECT_FALSE(look(1, 8).taken);
  EXPECT_FALSE(look(1, 8).stopping_since_ms) << "a failure, as the process was silent";
}

TEST_F(View, AServerThatIsNotWantedAnyMoreIsForgotten) {
  look(1, 5);
  server_->erase(path(1));
  ASSERT_TRUE(eventually([&] { return pods_->all().size() == 1; }));
  job_.spec.servers.replicas = 1;
  status_.planned_servers = 2;
  EXPECT_EQ(view_.observe(job_, status_, 6).size(), 2U) << "the plan has it yet";
  status_.planned_servers = 1;
  EXPECT_EQ(view_.observe(job_, status_, 7).size(), 1U);
}

TEST_F(View, ANodeThatIsNotReadyLosesItsSilentProcessesAfterAWhile) {
  look(0, 1'000'000);
  EXPECT_TRUE(view_.troubled_nodes().empty());
  put_node("Unknown");
  ASSERT_TRUE(eventually([&] { return view_.troubled_nodes().size() == 1; }));
  EXPECT_EQ(look(0, 1'000'000).state, ProcessState::kStarting);
  EXPECT_EQ(look(0, 1'009'999).state, ProcessState::kStarting) << "it may be its kubelet alone";
  EXPECT_FALSE(view_.is_lost(*pods_->find("n/j-ps-0")));
  const Process lost = look(0, 1'010'000);
  EXPECT_EQ(lost.state, ProcessState::kExited);
  EXPECT_TRUE(lost.taken && lost.lost);
  EXPECT_EQ(lost.trouble.reason, "NodeNotReady");
  EXPECT_TRUE(view_.is_lost(*pods_->find("n/j-ps-0")));
  put_node("True");
  ASSERT_TRUE(eventually([&] { return view_.troubled_nodes().empty(); }));
  EXPECT_EQ(look(0, 1'010'001).state, ProcessState::kStarting) << "it may have lived";
}

TEST_F(View, ANodeThatIsGoneLosesThemToo) {
  look(0, 1'000'000);
  server_->erase("/api/v1/nodes/node1");
  ASSERT_TRUE(eventually([&] { return nodes_->all().empty(); }));
  look(0, 1'000'000);
  EXPECT_EQ(look(0, 1'010'000).trouble.reason, "NodeGone");
}

}  // namespace
}  // namespace ballast::cluster
