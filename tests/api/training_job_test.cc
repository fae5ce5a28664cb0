// TrainingJobs: defaults, and one row for each rule with the sentence that the user reads.
#include <fstream>
#include <sstream>

#include <gmock/gmock.h>

#include "operator/api/read_training_job.h"

namespace ballast::api {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

const char kMinimal[] =
    "apiVersion: ballast.dev/v1alpha1\n"
    "kind: TrainingJob\n"
    "metadata: {name: tiny}\n"
    "spec:\n"
    "  data: {train: [/a.txt]}\n";

std::string example(const std::string& name) {
  std::ifstream file(std::string(BALLAST_EXAMPLES) + "/" + name);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

// The problems of the minimal job with these overrides, one a line.
std::string problems_with(const std::vector<std::string>& overrides) {
  const auto job = read_training_job_yaml(kMinimal, overrides);
  if (job) return "accepted";
  std::string text;
  for (const Problem& problem : job.error()) text += format(problem) + "\n";
  return text;
}

TEST(TrainingJob, HasADefaultForAllButTheText) {
  const auto job = read_training_job_yaml(kMinimal);
  ASSERT_TRUE(job) << format(job.error()[0]);
  TrainingJob expected;
  expected.metadata.name = "tiny";
  expected.spec.data.train = {"/a.txt"};
  expected.spec.training.schedule.length_steps = 1000;
  expected.spec.training.schedule.warmup_steps = 100;
  EXPECT_EQ(*job, expected);
}

TEST(TrainingJob, DefaultsFollowOtherFields) {
  const auto job =
      read_training_job_yaml(kMinimal, {"spec.training.steps=50", "spec.training.microbatches=4"});
  ASSERT_TRUE(job);
  EXPECT_EQ(job->spec.training.schedule.length_steps, 50);
  EXPECT_EQ(job->spec.training.schedule.warmup_steps, 5);
  EXPECT_EQ(job->spec.workers.max_replicas, 4);
}

TEST(TrainingJob, DefaultsFollowTheOptimizerAndTheSchedule) {
  const auto adam = read_training_job_yaml(kMinimal, {"spec.training.optimizer.name=adam"});
  ASSERT_TRUE(adam);
  EXPECT_EQ(adam->spec.training.optimizer.weight_decay, "0");
  const auto decay =
      read_training_job_yaml(kMinimal, {"spec.training.schedule.name=warmupStableDecay"});
  ASSERT_TRUE(decay);
  EXPECT_EQ(decay->spec.training.schedule.warmup_steps, 100);
  EXPECT_EQ(decay->spec.training.schedule.length_steps, 1000);
  EXPECT_EQ(decay->spec.training.schedule.decay_steps, 200);
  const auto root =
      read_training_job_yaml(kMinimal, {"spec.training.schedule.name=inverseSquareRoot"});
  ASSERT_TRUE(root);
  EXPECT_EQ(root->spec.training.schedule.warmup_steps, 100);
  EXPECT_EQ(root->spec.training.schedule.length_steps, 0);
}

TEST(TrainingJob, ExamplesAreValid) {
  for (const char* name : {"minimal.yaml", "quickstart.yaml", "full.yaml"}) {
    const auto job = read_training_job_yaml(example(name));
    EXPECT_TRUE(job) << name << ": " << (job ? "" : format(job.error()[0]));
  }
}

TEST(TrainingJob, FullExampleShowsTheDefaults) {
  auto full = read_training_job_yaml(example("full.yaml"));
  auto minimal = read_training_job_yaml(example("minimal.yaml"));
  ASSERT_TRUE(full && minimal);
  full->metadata = minimal->metadata;
  EXPECT_EQ(full->spec.servers.replication, 2);
  full->spec.servers.replicas = minimal->spec.servers.replicas;
  full->spec.servers.replication = minimal->spec.servers.replication;
  full->spec.workers.replicas = minimal->spec.workers.replicas;
  full->spec.checkpoint.path.clear();
  EXPECT_EQ(*full, *minimal);
}

TEST(TrainingJob, ReplicatesWhereThereAreTwoServers) {
  const auto replication = [](const std::vector<std::string>& overrides) {
    const auto job = read_training_job_yaml(example("minimal.yaml"), overrides);
    return job ? job->spec.servers.replication : -1;
  };
  EXPECT_EQ(replication({"spec.servers.replicas=1"}), 1);
  EXPECT_EQ(replication({"spec.servers.replicas=2"}), 2);
  EXPECT_EQ(replication({"spec.servers.replicas=5"}), 2);
  EXPECT_EQ(replication({"spec.servers.replicas=5", "spec.servers.replication=1"}), 1);
}

TEST(TrainingJob, ReportsAllProblemsInTheOrderOfTheirLines) {
  const auto job = read_training_job_yaml(
      "apiVersion: ballast.dev/v1\n"
      "kind: TrainingJob\n"
      "metadata: {name: Tiny_GPT}\n"
      "spec:\n"
      "  data: {train: /a.txt}\n"
      "  training:\n"
      "    microbatchs: 4\n"
      "    batch: 10\n"
      "    optimizer: {learningRate: 1e-3}\n"
      "  workers: {replicas: two}\n");
  ASSERT_FALSE(job);
  std::vector<std::string> lines;
  for (const Problem& problem : job.error()) lines.push_back(format(problem, "job.yaml"));
  EXPECT_THAT(
      lines,
      ElementsAre(
          AllOf(HasSubstr("job.yaml:1: apiVersion: "), HasSubstr("ballast.dev/v1alpha1")),
          HasSubstr("job.yaml:3: metadata.name: "),
          HasSubstr("job.yaml:5: spec.data.train: found the string \"/a.txt\"; expected a list"),
          HasSubstr(
              "job.yaml:7: spec.training.microbatchs: unknown field; did you mean microbatches?"),
          HasSubstr("job.yaml:8: spec.training.batch: found 10; expected a multiple of"),
          HasSubstr("job.yaml:9: spec.training.optimizer.learningRate: found the number 1e-3; "
                    "expected a decimal as a string: \"1e-3\", in quotes"),
          HasSubstr("job.yaml:10: spec.workers.replicas: found the string \"two\"; expected a "
                    "whole number")));
}

TEST(TrainingJob, NamesTheBrokenRule) {
  const struct {
    std::vector<std::string> overrides;
    const char* expected;
  } rows[] = {
      {{"metadata.name="}, "metadata.name: is missing"},
      {{"metadata.name=-a"}, "metadata.name: found \"-a\""},
      {{"metadata.namespace=A"}, "metadata.namespace: found"},
      {{"kind=Job"}, "kind: found \"Job\"; expected \"TrainingJob\""},
      {{"spec.model.family=custom"}, "custom is not available in this version"},
      {{"spec.model.family=gtp"}, "found \"gtp\"; expected gpt"},
      {{"spec.model.embedding=130"},
       "spec.model.embedding: found 130; expected a multiple of spec.model.heads, which is 4"},
      {{"spec.model.layers=0"}, "spec.model.layers: found 0; expected 1 to 256"},
      {{"spec.model.layers=99999999999999999999"},
       "spec.model.layers: found the number 99999999999999999999; expected a whole number"},
      {{"spec.model.activation=relu"},
       "spec.model.activation: found \"relu\"; expected geluTanh or gelu"},
      {{"spec.model.activation=gelutanh"}, "did you mean geluTanh?"},
      {{"spec.model.dropout=1"}, "spec.model.dropout: found \"1\"; expected \"0\" to below \"1\""},
      {{"spec.workers.precision=fp16"},
       "spec.workers.precision: found \"fp16\"; expected fp32 or bf16"},
      {{"spec.training.recompute=often"}, "spec.training.recompute: found the string \"often\""},
      {{"spec.data.maskDocumentStarts=1"}, "spec.data.maskDocumentStarts: found the number 1"},
      {{"spec.data.train=[]"}, "spec.data.train: is missing"},
      {{"spec.data.train="}, "spec.data.train: is missing"},
      {{"spec.data.train=['']"}, "spec.data.train[0]: is empty"},
      {{"spec.data.train=[[a]]"}, "spec.data.train[0]: found a list; expected a string"},
      {{"spec.data.validationPercent=51"}, "expected 0 to 50"},
      {{"spec.data.validationPercent=0"}, "leaves nothing to evaluate on"},
      {{"spec.data.tokenizer=bpe"}, "found \"bpe\"; expected byte or characters or gpt2"},
      {{"spec.data.tokenizer=gpt2"},
       "spec.data.vocabulary: is missing; expected a folder with GPT-2's vocab.json"},
      {{"spec.data.vocabulary=/x"}, "the tokenizer byte has no vocabulary"},
      {{"spec.training.microbatches=6"},
       "spec.training.microbatches: found 6; expected a power of two"},
      {{"spec.training.batch=12"},
       "spec.training.batch: found 12; expected a multiple of spec.training.microbatches, which is "
       "8"},
      {{"spec.training.seed=-1"}, "spec.training.seed: found -1"},
      {{"spec.training.mode=async"},
       "async is not available in this version; expected synchronous"},
      {{"spec.training.gradientClip=-1"}, "spec.training.gradientClip: found \"-1\""},
      {{"spec.training.gradientClip=inf"}, "expected a decimal such as"},
      {{"spec.training.maxSkippedInARow=0"}, "expected 1 to"},
      {{"spec.training.optimizer.name=lion"}, "lion is not available in this version"},
      {{"spec.training.optimizer.name=rmsporp"},
       "spec.training.optimizer.name: found \"rmsporp\"; expected sgd or adam or adamw or adagrad "
       "or rmsprop; did you mean rmsprop?"},
      {{"spec.training.optimizer.name=nesterov"},
       "expected sgd with momentum: \"0.9\" and nesterov: true"},
      {{"spec.training.optimizer.name=adamww"}, "did you mean adamw?"},
      {{"spec.training.optimizer.momentum=0.9"},
       "belongs to the optimizer sgd; adamw has beta1, beta2 and epsilon of its own"},
      {{"spec.training.optimizer.name=sgd", "spec.training.optimizer.beta1=0.9"},
       "belongs to the optimizer adam and adamw; sgd has momentum and nesterov of its own"},
      {{"spec.training.optimizer.name=adagrad", "spec.training.optimizer.alpha=0.9"},
       "spec.training.optimizer.alpha: belongs to the optimizer rmsprop; adagrad has epsilon"},
      {{"spec.training.optimizer.name=rmsprop", "spec.training.optimizer.alpha=1"},
       "spec.training.optimizer.alpha: found \"1\"; expected \"0\" to below \"1\""},
      {{"spec.training.optimizer.name=sgd", "spec.training.optimizer.nesterov=true"},
       "spec.training.optimizer.nesterov: found true, but momentum is \"0\""},
      {{"spec.training.optimizer.beta1=1"}, "expected \"0\" to below \"1\""},
      {{"spec.training.optimizer.epsilon=0"}, "expected above \"0\""},
      {{"spec.training.optimizer=fast"},
       "spec.training.optimizer: found the string \"fast\"; expected a map"},
      {{"spec.training.schedule.name=exponential"},
       "spec.training.schedule.name: found \"exponential\"; expected constant or linear or "
       "warmupCosine or warmupStableDecay or inverseSquareRoot"},
      {{"spec.training.schedule.decaySteps=5"},
       "belongs to the schedule warmupStableDecay; warmupCosine has"},
      {{"spec.training.schedule.name=inverseSquareRoot", "spec.training.schedule.lengthSteps=5"},
       "spec.training.schedule.lengthSteps: belongs to the schedule linear, warmupCosine and "
       "warmupStableDecay"},
      {{"spec.training.schedule.name=warmupStableDecay", "spec.training.schedule.decaySteps=901"},
       "spec.training.schedule.decaySteps: found 901; expected at most lengthSteps - warmupSteps, "
       "which is 900"},
      {{"spec.training.schedule.name=constant", "spec.training.schedule.warmupSteps=3"},
       "belongs to the schedule linear, warmupCosine, warmupStableDecay and inverseSquareRoot; "
       "constant has nothing of its own"},
      {{"spec.training.schedule.warmupSteps=2000"}, "expected at most lengthSteps, which is 1000"},
      {{"spec.training.schedule.minLearningRate=1"},
       "expected at most spec.training.optimizer.learningRate"},
      {{"spec.servers.replicas=2", "spec.servers.replication=3"},
       "spec.servers.replication: found 3; expected at most spec.servers.replicas, which is 2"},
      {{"spec.servers.replicas=9", "spec.servers.replication=4"},
       "spec.servers.replication: found 4; expected 1 to 3"},
      {{"spec.servers.replicas=3", "spec.servers.replication=3"}, "accepted"},
      {{"spec.servers.segmentElements=3000"}, "expected a power of two"},
      {{"spec.servers.template=x"},
       "spec.servers.template: found the string \"x\"; expected a map"},
      {{"spec.workers.maxReplicas=9"},
       "spec.workers.maxReplicas: found 9; expected at most spec.training.microbatches, which is "
       "8"},
      {{"spec.workers.replicas=9"},
       "spec.workers.replicas: found 9; expected at most spec.training.microbatches, which is 8 (9 "
       "workers need 16)"},
      {{"spec.workers.replicas=0"}, "spec.workers.replicas: found 0"},
      {{"spec.checkpoint.keep=0"}, "spec.checkpoint.keep: found 0"},
      {{"spec.checkpoint.resume=true", "spec.checkpoint.path=/c"}, "accepted"},
      {{"spec.checkpoint.resume=true"},
       "spec.checkpoint.path: is missing; spec.checkpoint.resume looks there"},
      {{"spec.policy.workerBalance.mode=on"}, "expected off or recommend or act"},
      {{"spec.policy.workerBalance.mode=off"}, "accepted"},
      {{"spec.policy.workerBalance.method=fastest"}, "spec.policy.workerBalance.method: found"},
      {{"spec.policy.workerBalance.weights.worker-0=2"},
       "spec.policy.workerBalance.weights: belongs to the method weighted, not to measured"},
      {{"spec.policy.workerBalance.method=weighted",
        "spec.policy.workerBalance.weights.worker-0=-1"},
       "spec.policy.workerBalance.weights.worker-0: found -1; expected 0 to 1000000"},
      {{"spec.policy.workerBalance.method=weighted",
        "spec.policy.workerBalance.weights.worker-0=fast"},
       "spec.policy.workerBalance.weights.worker-0: found the string \"fast\"; expected a whole "
       "number"},
      {{"spec.policy.straggler.replaceAfterSeconds=9"}, "found 9"},
      {{"spec.policy.workers.leastMarginalPercent=101"}, "found 101; expected 0 to 100"},
      {{"spec.suspend=1"}, "spec.suspend: found the number 1; expected true or false"},
      {{"spec.worker.replicas=3"}, "spec.worker: unknown field; did you mean workers?"},
      {{"status.step=3"}, "accepted"},
      {{"spec.training.optimizer.learningRate=3e-4"}, "accepted"},
      {{"metadata.labels.version=3"}, "accepted"},
      {{"spec.training.optimizer.name=sgd", "spec.training.optimizer.momentum=0.9"}, "accepted"},
      {{"spec.training.optimizer.name=rmsprop", "spec.training.optimizer.alpha=0.9"}, "accepted"},
      {{"spec.training.schedule.name=warmupStableDecay", "spec.training.schedule.decaySteps=900"},
       "accepted"},
  };
  for (const auto& row : rows) {
    EXPECT_THAT(problems_with(row.overrides), HasSubstr(row.expected)) << row.overrides[0];
  }
}

TEST(TrainingJob, AWrongTypeAccusesNoOtherField) {
  EXPECT_EQ(problems_with({"spec.training.microbatches=[32]", "spec.training.batch=12"}),
            "spec.training.microbatches: found a list; expected a whole number\n");
}

TEST(TrainingJob, RefusesDocumentsThatAreNoMap) {
  EXPECT_FALSE(read_training_job_yaml("[]"));
  EXPECT_FALSE(read_training_job_yaml("text"));
  EXPECT_FALSE(read_training_job_yaml("~"));
  EXPECT_FALSE(read_training_job_json("3"));
}

}  // namespace
}  // namespace ballast::api
