// One job's turns, with an API server in memory.
#include "operator/cluster/job_backend.h"

#include <stdexcept>

#include <gtest/gtest.h>

#include "operator/api/read_training_job.h"
#include "operator/cluster/kept.h"
#include "operator/core/pod_template.h"
#include "tests/operator/fake_api_server.h"

namespace ballast::cluster {
namespace {

using nlohmann::json;

constexpr decide::TimeMs kNowMs = 1'769'860'800'000;

// A job "j" of one server on that server's API.
class Turns : public ::testing::Test {
 protected:
  Turns() {
    server_->put("trainingjobs",
                 {{"apiVersion", "ballast.dev/v1alpha1"},
                  {"kind", "TrainingJob"},
                  {"metadata", {{"name", "j"}, {"namespace", "n"}, {"generation", 1}}},
                  {"spec",
                   {{"data", {{"train", {"/data"}}}},
                    {"servers", {{"replicas", 1}}},
                    {"network", {{"trusted", true}}}}}});
  }

  kube::Object job() const {
    auto job = client_->get(kube::kTrainingJobs, {"n", "j"});
    if (!job) throw std::runtime_error(job.error().error.message);
    return *job;
  }

  // All that a backend needs; the pods that are there now are known.
  JobBackendOptions options(const PodScraperOptions& scraping = {}) const {
    kube::InformerOptions of_pods;
    of_pods.kind = kube::kPods;
    of_pods.keep = packed_pod;
    of_pods.group_of = job_of_pod;
    const auto pods =
        std::make_shared<kube::Informer>(client_, std::make_shared<SteadyClock>(), of_pods);
    if (!pods->wait_until_synced({})) throw std::runtime_error("no pods");
    JobBackendOptions options;
    options.client = client_;
    options.pods = pods;
    options.scraper = std::make_shared<PodScraper>(scraping);
    options.parallel = std::make_shared<Parallel>(2);
    options.settings.image = "ballast:1";
    options.notify = [] {};
    return options;
  }

  const std::shared_ptr<FakeApiServer> server_ = std::make_shared<FakeApiServer>();
  const std::shared_ptr<kube::KubeClient> client_ =
      std::make_shared<kube::KubeClient>(server_, "tester", wanted_fields());
};

// How many jobs share what is written of progress changes while a job's own status does not.
TEST_F(Turns, AskEachTimeHowOftenProgressIsTold) {
  int asked = 0;
  JobBackendOptions with = options();
  with.progress_every_ms = [&asked] {
    ++asked;
    return decide::kProgressEveryMs;
  };
  JobBackend backend(std::move(with));
  decide::TimeMs now_ms = kNowMs;
  for (int turn = 0; turn < 5; ++turn) {
    const int before = asked;
    const auto again = backend.turn(packed(job()), now_ms += 1'000);
    ASSERT_TRUE(again) << again.error().message;
    EXPECT_GT(asked, before) << "turn " << turn;
  }
}

// Of an operator that has just begun: that a process has not answered yet says nothing of it, and a
// thousand jobs are asked for longer than one.
TEST_F(Turns, NothingIsWrittenBeforeItIsKnownWhoAnswers) {
  const auto read = api::read_training_job_json(job().body->dump());
  ASSERT_TRUE(read);
  json pod = *kube::pod_of(*read, {decide::Role::kServer, 0, 1}, {"ballast:1"});
  // At this port of this address nobody listens.
  pod["status"] = {
      {"phase", "Running"},
      {"podIP", "127.255.255.254"},
      {"containerStatuses", {{{"name", "main"}, {"state", {{"running", json::object()}}}}}}};
  server_->put("pods", pod);
  const size_t before = server_->writes().size();
  JobBackend backend(options({.first_retry_ms = 600'000}));
  for (const decide::TimeMs after_ms : {0, 1'000, 5'000, 29'000}) {
    const auto again = backend.turn(packed(job()), kNowMs + after_ms);
    ASSERT_TRUE(again && *again) << after_ms;
    EXPECT_LE(**again, kNowMs + after_ms + 1'000);
  }
  EXPECT_EQ(server_->writes().size(), before);
  EXPECT_TRUE(backend.turn(packed(job()), kNowMs + 31'000));
  EXPECT_GT(server_->writes().size(), before) << "one that stays silent holds up nothing for ever";
}

// What the pace of all jobs' progress is made of.
TEST_F(Turns, TellHowLongEachWriteOfAStatusTook) {
  int written = 0;
  server_->set_fault([&](const kube::HttpRequest& request) {
    if (request.method == "PUT") ++written;
    return std::nullopt;
  });
  int told = 0;
  JobBackendOptions with = options();
  with.status_written = [&told](int64_t took_ms) {
    EXPECT_GE(took_ms, 0);
    ++told;
  };
  JobBackend backend(std::move(with));
  const auto again = backend.turn(packed(job()), kNowMs);
  server_->set_fault(nullptr);
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_GT(written, 0);
  EXPECT_EQ(told, written);
}

// What a server keeps as it has it costs it time to read.
TEST_F(Turns, AStatusIsWrittenWithoutTheSpec) {
  json labelled = *job().body;
  labelled["metadata"]["labels"] = {{"team", "t"}};
  server_->put("trainingjobs", labelled);
  std::vector<json> written;
  server_->set_fault([&](const kube::HttpRequest& request) {
    if (request.method == "PUT") written.push_back(json::parse(request.body));
    return std::nullopt;
  });
  const kube::Object before = job();
  JobBackend backend(options());
  const auto again = backend.turn(packed(before), kNowMs);
  server_->set_fault(nullptr);
  ASSERT_TRUE(again) << again.error().message;
  ASSERT_FALSE(written.empty());
  for (const json& one : written) {
    EXPECT_FALSE(one.contains("spec")) << one.dump();
    EXPECT_TRUE(one.contains("status")) << one.dump();
    EXPECT_EQ(one.at("metadata").at("uid"), before.uid);
    EXPECT_EQ(one.at("metadata").at("labels"), before.body->at("metadata").at("labels"))
        << "whoever manages them would be forgotten";
  }
  EXPECT_EQ(written.front().at("metadata").at("resourceVersion"), before.resource_version);
  EXPECT_EQ(job().body->at("spec"), before.body->at("spec"));
  EXPECT_EQ(server_->names("pods").size(), 2U) << "it was decided from the whole job";
}

}  // namespace
}  // namespace ballast::cluster
