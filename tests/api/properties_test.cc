// Whatever bytes come, reading ends with a job or with problems; and a valid job survives JSON.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "operator/api/read_training_job.h"
#include "operator/api/training_choices.h"
#include "operator/api/validate.h"

namespace ballast::api {
namespace {

const char kSeedText[] =
    "apiVersion: ballast.dev/v1alpha1\nkind: TrainingJob\nmetadata: {name: a, labels: &l {a: b}}\n"
    "spec:\n  data: {train: [/a, \"/b\", '/c', *l]}\n  training:\n    steps: 3\n    optimizer: "
    "{learningRate: \"1e-3\"}\n"
    "  servers: {template: {spec: {containers: [{name: |\n    text\n  }]}}}\n";

bool ends(const std::string& text) {
  const auto yaml = read_training_job_yaml(text);
  const auto json = read_training_job_json(text);
  return (yaml || !yaml.error().empty()) && (json || !json.error().empty());
}

RC_GTEST_PROP(ReadProperties, AnyBytesEndInAJobOrProblems, (const std::string& bytes)) {
  RC_ASSERT(ends(bytes));
}

RC_GTEST_PROP(ReadProperties, AnyYamlLikeTextEndsInAJobOrProblems, ()) {
  const auto pieces = *rc::gen::container<std::vector<std::string>>(rc::gen::element<std::string>(
      "a", ":", " ", "\n", "- ", "? ", "[", "]", "{", "}", ",", "&x", "*x", "!", "!!str ", "|", ">",
      "|2-", "\"", "'", "#", "---", "...", "%", "%YAML 1.1", "\t", "  ", "spec", "~", "<<", "\\",
      "@", "`", "\xc3\xa4", "\r"));
  std::string text;
  for (const std::string& piece : pieces) text += piece;
  RC_ASSERT(ends(text));
}

RC_GTEST_PROP(ReadProperties, DamagedJobsEndInAJobOrProblems, ()) {
  std::string text = kSeedText;
  const auto edits = *rc::gen::inRange(1, 6);
  for (int i = 0; i < edits && !text.empty(); ++i) {
    const auto at = *rc::gen::inRange<size_t>(0, text.size());
    switch (*rc::gen::inRange(0, 4)) {
      case 0:
        text[at] = *rc::gen::arbitrary<char>();
        break;
      case 1:
        text.erase(at, *rc::gen::inRange<size_t>(1, 20));
        break;
      case 2:
        text.insert(at, text.substr(text.size() - at));
        break;
      default:
        text.resize(at);
        break;
    }
  }
  RC_ASSERT(ends(text));
}

RC_GTEST_PROP(ReadProperties, AnyOverrideEndsInAJobOrProblems,
              (const std::string& path, const std::string& value)) {
  const auto job =
      read_training_job_yaml(kSeedText, {path + "=" + value, "spec." + path + "=" + value});
  RC_ASSERT((job || !job.error().empty()));
}

TrainingJob any_valid_job() {
  TrainingJob job;
  job.metadata.name = "j" + std::to_string(*rc::gen::inRange(0, 100));
  for (const char* label : {"a", "b.c/d", "e"}) {
    if (*rc::gen::arbitrary<bool>()) {
      job.metadata.labels[label] = *rc::gen::element<std::string>("", "1", "yes", "x: y");
    }
  }
  job.spec.model.heads = *rc::gen::inRange(1, 9);
  job.spec.model.embedding = job.spec.model.heads * *rc::gen::inRange(1, 65);
  job.spec.model.layers = *rc::gen::inRange(1, 257);
  job.spec.data.train = *rc::gen::nonEmpty(rc::gen::container<std::vector<std::string>>(
      rc::gen::element<std::string>("/a", "true", "1", "\xc3\xa4 b", "~", "[x")));
  auto& training = job.spec.training;
  training.microbatches = int64_t{1} << *rc::gen::inRange(0, 13);
  training.batch = training.microbatches * *rc::gen::inRange(1, 9);
  training.steps = *rc::gen::inRange<int64_t>(1, int64_t{1} << 53);
  training.seed = *rc::gen::inRange<int64_t>(0, int64_t{1} << 53);
  training.gradient_clip = *rc::gen::element<std::string>("0", "1.0", "1e3");
  const auto one_of = [](std::span<const NamedChoice> choices) {
    return *rc::gen::elementOf(std::vector<NamedChoice>(choices.begin(), choices.end()));
  };
  const NamedChoice optimizer = one_of(optimizer_choices());
  training.optimizer.name = optimizer.name;
  training.optimizer.weight_decay = *rc::gen::element<std::string>("0", "0.1");
  if (optimizer.has("momentum")) training.optimizer.momentum = "0.9";
  if (optimizer.has("nesterov")) training.optimizer.nesterov = *rc::gen::arbitrary<bool>();
  if (optimizer.has("alpha")) training.optimizer.alpha = "0.5";
  const NamedChoice chosen = one_of(schedule_choices());
  auto& schedule = training.schedule;
  schedule.name = chosen.name;
  if (chosen.has("warmupSteps")) schedule.warmup_steps = *rc::gen::inRange<int64_t>(0, 5000);
  if (chosen.has("lengthSteps")) {
    schedule.length_steps = schedule.warmup_steps + *rc::gen::inRange<int64_t>(1, 5000);
  }
  if (chosen.has("decaySteps")) {
    schedule.decay_steps =
        *rc::gen::inRange<int64_t>(0, schedule.length_steps - schedule.warmup_steps + 1);
  }
  training.reproducible = *rc::gen::arbitrary<bool>();
  job.spec.workers.max_replicas = *rc::gen::inRange<int64_t>(1, training.microbatches + 1);
  job.spec.workers.replicas = *rc::gen::inRange<int64_t>(1, job.spec.workers.max_replicas + 1);
  job.spec.workers.precision = *rc::gen::element<std::string>("fp32", "bf16");
  job.spec.workers.min_replicas = *rc::gen::inRange<int64_t>(1, job.spec.workers.replicas + 1);
  job.spec.servers.pod_template = {
      {"spec", {{"nodeSelector", {{"gpu", "true"}}}, {"n", 0.5}, {"l", {1, nullptr}}}}};
  job.spec.checkpoint.path = *rc::gen::element<std::string>("", "/ck");
  job.spec.checkpoint.resume = !job.spec.checkpoint.path.empty() && *rc::gen::arbitrary<bool>();
  api::Policy& policy = job.spec.policy;
  policy.worker_balance.mode = *rc::gen::element<std::string>("off", "recommend", "act");
  policy.worker_balance.method = *rc::gen::element<std::string>("measured", "weighted");
  if (policy.worker_balance.method == "weighted") {
    policy.worker_balance.weights["worker-0"] = *rc::gen::inRange<int64_t>(0, 1'000'001);
  }
  policy.server_balance.mode = *rc::gen::element<std::string>("off", "recommend", "act");
  policy.server_balance.method = *rc::gen::element<std::string>("measured", "weighted");
  if (policy.server_balance.method == "weighted")
    policy.server_balance.weights["ps-0"] = *rc::gen::inRange<int64_t>(0, 1'000'001);
  policy.workers.least_marginal_percent = *rc::gen::inRange<int64_t>(0, 101);
  job.spec.trusted_network = *rc::gen::arbitrary<bool>();
  return job;
}

RC_GTEST_PROP(WriteProperties, AValidJobSurvivesJsonAndYaml, ()) {
  const TrainingJob job = any_valid_job();
  RC_ASSERT(validate(job).empty());
  const std::string text = to_json(job).dump();
  const auto from_json = read_training_job_json(text);
  RC_ASSERT(from_json.has_value());
  RC_ASSERT(*from_json == job);
  const auto from_yaml = read_training_job_yaml(text);  // JSON is YAML
  RC_ASSERT(from_yaml.has_value());
  RC_ASSERT(*from_yaml == job);
}

}  // namespace
}  // namespace ballast::api
