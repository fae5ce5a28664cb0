// One job's turns, with an API server in memory.
#include "operator/cluster/job_backend.h"

#include <gtest/gtest.h>

#include "operator/cluster/kept.h"
#include "tests/local/wait.h"
#include "tests/operator/fake_api_server.h"

namespace ballast::cluster {
namespace {

using nlohmann::json;

// How many jobs share what is written of progress changes while a job's own status does not.
TEST(JobBackend, HowOftenProgressIsToldIsAskedAtEachTurn) {
  const auto server = std::make_shared<FakeApiServer>();
  const auto client = std::make_shared<kube::KubeClient>(server, "tester", wanted_fields());
  server->put("trainingjobs",
              {{"apiVersion", "ballast.dev/v1alpha1"},
               {"kind", "TrainingJob"},
               {"metadata", {{"name", "j"}, {"namespace", "n"}, {"generation", 1}}},
               {"spec", {{"data", {{"train", {"/data"}}}}, {"network", {{"trusted", true}}}}}});
  kube::InformerOptions of_pods;
  of_pods.kind = kube::kPods;
  of_pods.group_of = job_of_pod;
  const auto pods =
      std::make_shared<kube::Informer>(client, std::make_shared<SteadyClock>(), of_pods);
  ASSERT_TRUE(local::eventually([&] { return pods->synced(); }));
  JobBackendOptions options;
  options.client = client;
  options.pods = pods;
  options.scraper = std::make_shared<PodScraper>();
  options.parallel = std::make_shared<Parallel>(2);
  options.settings.image = "ballast:1";
  options.notify = [] {};
  int asked = 0;
  options.progress_every_ms = [&asked] {
    ++asked;
    return decide::kProgressEveryMs;
  };
  JobBackend backend(std::move(options));
  decide::TimeMs now_ms = 1'769'860'800'000;
  for (int turn = 0; turn < 5; ++turn) {
    const auto job = client->get(kube::kTrainingJobs, {"n", "j"});
    ASSERT_TRUE(job);
    const int before = asked;
    const auto again = backend.turn(*job, now_ms += 1'000);
    ASSERT_TRUE(again) << again.error().message;
    EXPECT_GT(asked, before) << "turn " << turn;
  }
}

}  // namespace
}  // namespace ballast::cluster
