// What processes are told of a job.
#include "operator/local/job_config.h"

#include <set>

#include <google/protobuf/util/json_util.h>
#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>

#include "operator/api/read_training_job.h"
#include "operator/api/training_choices.h"

namespace ballast::local {
namespace {

api::TrainingJob some_job() {
  return *api::read_training_job_yaml(
      "apiVersion: ballast.dev/v1alpha1\nkind: TrainingJob\nmetadata: {name: tiny, uid: u-1}\n"
      "spec:\n  model: {activation: gelu, dropout: \"0.25\"}\n"
      "  data: {train: [/a, /b], maskDocumentStarts: true}\n"
      "  training: {steps: 30, recompute: true, optimizer: {name: sgd, learningRate: \"0.5\", "
      "momentum: \"0.9\"}}\n"
      "  workers: {precision: bf16}\n"
      "  checkpoint: {path: /c}\n");
}

TEST(JobConfig, CarriesTheWholeSpec) {
  const v1::JobConfig config = job_config(some_job());
  EXPECT_EQ(config.name(), "tiny");
  EXPECT_EQ(config.uid(), "u-1");
  EXPECT_EQ(config.data().train(1), "/b");
  EXPECT_EQ(config.model().activation(), "gelu");
  EXPECT_EQ(config.model().dropout(), 0.25);
  EXPECT_TRUE(config.training().recompute());
  EXPECT_TRUE(config.data().mask_document_starts());
  EXPECT_EQ(config.training().steps(), 30U);
  EXPECT_EQ(config.training().optimizer().momentum(), 0.9);
  EXPECT_EQ(config.training().schedule().length_steps(), 30U);
  EXPECT_EQ(config.training().schedule().warmup_steps(), 3U);
  EXPECT_EQ(config.servers().segment_elements(), 262144U);
  EXPECT_EQ(config.workers().precision(), "bf16");
  EXPECT_EQ(config.checkpoint().path(), "/c");
}

// A worker of an older image takes no key that it does not know.
TEST(JobConfig, SaysNothingOfTheOrdinaryPrecision) {
  api::TrainingJob job = some_job();
  job.spec.workers.precision = "fp32";
  EXPECT_EQ(job_config_json(job).find("precision"), std::string::npos);
}

TEST(JobConfig, EveryOptimizerThatAJobMayNameIsOneOfTheWire) {
  api::TrainingJob job = some_job();
  std::set<v1::OptimizerKind> kinds;
  for (const std::string& name : api::names_of(api::optimizer_choices())) {
    for (const auto& [momentum, nesterov] :
         {std::pair{"0", false}, {"0.9", false}, {"0.9", true}}) {
      job.spec.training.optimizer.name = name;
      job.spec.training.optimizer.momentum = name == "sgd" ? momentum : "0";
      job.spec.training.optimizer.nesterov = name == "sgd" && nesterov;
      kinds.insert(training_settings(job).optimizer().kind());
    }
  }
  EXPECT_EQ(kinds.size(), static_cast<size_t>(v1::OptimizerKind_ARRAYSIZE));
}

TEST(JobConfig, EveryScheduleThatAJobMayNameIsOneOfTheWire) {
  api::TrainingJob job = some_job();
  std::set<v1::ScheduleKind> kinds;
  for (const std::string& name : api::names_of(api::schedule_choices())) {
    job.spec.training.schedule.name = name;
    job.spec.training.schedule.decay_steps = 7;
    const v1::TrainingSettings settings = training_settings(job);
    kinds.insert(settings.schedule().kind());
    EXPECT_EQ(settings.schedule().decay_steps(), 7U);
  }
  EXPECT_EQ(kinds.size(), static_cast<size_t>(v1::ScheduleKind_ARRAYSIZE));
}

TEST(JobConfig, SurvivesItsJsonForm) {
  v1::JobConfig read;
  ASSERT_TRUE(google::protobuf::util::JsonStringToMessage(job_config_json(some_job()), &read).ok());
  EXPECT_TRUE(google::protobuf::util::MessageDifferencer::Equals(read, job_config(some_job())));
}

TEST(JobConfig, AppointsWithTheStatus) {
  api::TrainingJobStatus status;
  status.term = 4;
  status.members = {{"ps-0", 7, "unix:/s", "node"}};
  status.members_number = 2;
  status.plan_number = 3;
  status.start = api::StartMode::kContinue;
  status.origin = 1;
  const v1::Appoint appoint = appoint_message(some_job(), status);
  EXPECT_EQ(appoint.term(), 4U);
  EXPECT_EQ(appoint.members().number(), 2U);
  EXPECT_EQ(appoint.members().members(0).id().incarnation(), 7U);
  EXPECT_EQ(appoint.members().members(0).address(), "unix:/s");
  EXPECT_EQ(appoint.plan(), 3U);
  EXPECT_EQ(appoint.start(), v1::START_CONTINUE);
  EXPECT_EQ(appoint.training().optimizer().kind(), v1::OPTIMIZER_MOMENTUM);
  EXPECT_EQ(appoint.training().checkpoint_path(), "/c");
  EXPECT_EQ(appoint.training().job_name(), "tiny");
  EXPECT_EQ(appoint.training().seed(), 1337U);
  v1::JobConfig config;
  ASSERT_TRUE(
      google::protobuf::util::JsonStringToMessage(appoint.training().job_config(), &config).ok());
  EXPECT_TRUE(google::protobuf::util::MessageDifferencer::Equals(config, job_config(some_job())));
}

}  // namespace
}  // namespace ballast::local
