#include "operator/api/read_training_job.h"

#include <algorithm>
#include <span>

#include "operator/api/field_reader.h"
#include "operator/api/override.h"
#include "operator/api/training_choices.h"
#include "operator/api/validate.h"

namespace ballast::api {
namespace {

Metadata read_metadata(FieldReader reader) {
  Metadata metadata;
  reader.text("name", metadata.name);
  reader.text("namespace", metadata.name_space);
  reader.text("uid", metadata.uid);
  reader.text_map("labels", metadata.labels);
  reader.text_map("annotations", metadata.annotations);
  // What the API server adds and `kubectl get -o yaml` shows.
  for (const char* name : {"generateName", "creationTimestamp", "generation", "resourceVersion",
                           "managedFields", "ownerReferences", "finalizers", "selfLink",
                           "deletionTimestamp", "deletionGracePeriodSeconds"}) {
    reader.ignore(name);
  }
  reader.finish();
  return metadata;
}

Model read_model(FieldReader reader) {
  Model model;
  reader.text("family", model.family);
  reader.integer("layers", model.layers);
  reader.integer("heads", model.heads);
  reader.integer("embedding", model.embedding);
  reader.integer("context", model.context);
  reader.text("activation", model.activation);
  reader.decimal("dropout", model.dropout);
  reader.finish();
  return model;
}

Data read_data(FieldReader reader) {
  Data data;
  reader.texts("train", data.train);
  reader.integer("validationPercent", data.validation_percent);
  reader.text("tokenizer", data.tokenizer);
  reader.text("vocabulary", data.vocabulary);
  reader.boolean("maskDocumentStarts", data.mask_document_starts);
  reader.finish();
  return data;
}

// Fields that only other choices have. A name that is not known is a problem of its own.
void refuse_fields_of_others(FieldReader& reader, std::span<const NamedChoice> choices,
                             const std::string& what, const std::string& name) {
  const NamedChoice* chosen = find_choice(choices, name);
  if (chosen == nullptr) return;
  for (const std::string& field : special_fields(choices)) {
    if (chosen->has(field) || !reader.has(field)) continue;
    reader.problem(field, "belongs to the " + what + " " + owners_of(choices, field) + "; " + name +
                              " has " + listed(chosen->fields) + " of its own");
  }
}

Optimizer read_optimizer(FieldReader reader) {
  Optimizer optimizer;
  reader.text("name", optimizer.name);
  reader.decimal("learningRate", optimizer.learning_rate);
  if (optimizer.name != "adamw") optimizer.weight_decay = "0";
  reader.decimal("weightDecay", optimizer.weight_decay);
  reader.decimal("beta1", optimizer.beta1);
  reader.decimal("beta2", optimizer.beta2);
  reader.decimal("epsilon", optimizer.epsilon);
  reader.decimal("momentum", optimizer.momentum);
  reader.boolean("nesterov", optimizer.nesterov);
  reader.decimal("alpha", optimizer.alpha);
  refuse_fields_of_others(reader, optimizer_choices(), "optimizer", optimizer.name);
  reader.finish();
  return optimizer;
}

Schedule read_schedule(FieldReader reader, int64_t steps) {
  Schedule schedule;
  reader.text("name", schedule.name);
  const NamedChoice* chosen = find_choice(schedule_choices(), schedule.name);
  const auto has = [&](const char* field) { return chosen != nullptr && chosen->has(field); };
  reader.integer("lengthSteps", schedule.length_steps);
  if (!reader.has("lengthSteps") && has("lengthSteps")) schedule.length_steps = steps;
  reader.integer("warmupSteps", schedule.warmup_steps);
  if (!reader.has("warmupSteps") && has("warmupSteps")) {
    const int64_t length = has("lengthSteps") ? schedule.length_steps : steps;
    schedule.warmup_steps = std::min<int64_t>(100, length / 10);
  }
  reader.integer("decaySteps", schedule.decay_steps);
  if (!reader.has("decaySteps") && has("decaySteps")) {
    schedule.decay_steps = schedule.length_steps / 5;
  }
  reader.decimal("minLearningRate", schedule.min_learning_rate);
  refuse_fields_of_others(reader, schedule_choices(), "schedule", schedule.name);
  reader.finish();
  return schedule;
}

Evaluation read_evaluation(FieldReader reader) {
  Evaluation evaluation;
  reader.integer("everySteps", evaluation.every_steps);
  reader.integer("batches", evaluation.batches);
  reader.finish();
  return evaluation;
}

Training read_training(FieldReader reader) {
  Training training;
  reader.integer("steps", training.steps);
  reader.integer("batch", training.batch);
  reader.integer("microbatches", training.microbatches);
  reader.integer("seed", training.seed);
  reader.text("mode", training.mode);
  training.optimizer = read_optimizer(reader.map("optimizer"));
  training.schedule = read_schedule(reader.map("schedule"), training.steps);
  reader.decimal("gradientClip", training.gradient_clip);
  training.evaluation = read_evaluation(reader.map("evaluation"));
  reader.boolean("recompute", training.recompute);
  reader.boolean("reproducible", training.reproducible);
  reader.integer("maxSkippedInARow", training.max_skipped_in_a_row);
  reader.finish();
  return training;
}

Servers read_servers(FieldReader reader) {
  Servers servers;
  reader.integer("replicas", servers.replicas);
  reader.integer("replication", servers.replication);
  if (!reader.has("replication")) servers.replication = servers.replicas >= 2 ? 2 : 1;
  reader.integer("segmentElements", servers.segment_elements);
  reader.any_map("template", servers.pod_template);
  reader.finish();
  return servers;
}

Workers read_workers(FieldReader reader, int64_t microbatches) {
  Workers workers;
  reader.integer("replicas", workers.replicas);
  reader.integer("minReplicas", workers.min_replicas);
  if (!reader.has("minReplicas")) workers.min_replicas = std::min<int64_t>(1, workers.replicas);
  reader.integer("maxReplicas", workers.max_replicas);
  if (!reader.has("maxReplicas")) workers.max_replicas = microbatches;
  reader.text("precision", workers.precision);
  reader.any_map("template", workers.pod_template);
  reader.finish();
  return workers;
}

Checkpoint read_checkpoint(FieldReader reader) {
  Checkpoint checkpoint;
  reader.integer("everySteps", checkpoint.every_steps);
  reader.integer("everySeconds", checkpoint.every_seconds);
  reader.integer("keep", checkpoint.keep);
  reader.text("path", checkpoint.path);
  reader.boolean("resume", checkpoint.resume);
  reader.finish();
  return checkpoint;
}

void belongs_to(FieldReader& reader, const char* field, const std::string& its_method,
                const std::string& method) {
  if (!reader.has(field) || method == its_method) return;
  reader.problem(field, "belongs to the method " + its_method + ", not to " + method);
}

WorkerBalance read_worker_balance(FieldReader reader) {
  WorkerBalance balance;
  reader.text("mode", balance.mode);
  reader.text("method", balance.method);
  reader.integer_map("weights", balance.weights);
  reader.integer_map("priorities", balance.priorities);
  belongs_to(reader, "weights", "weighted", balance.method);
  belongs_to(reader, "priorities", "priority", balance.method);
  reader.finish();
  return balance;
}

ServerBalance read_server_balance(FieldReader reader) {
  ServerBalance balance;
  reader.text("mode", balance.mode);
  reader.text("method", balance.method);
  reader.integer_map("weights", balance.weights);
  belongs_to(reader, "weights", "weighted", balance.method);
  reader.finish();
  return balance;
}

Policy read_policy(FieldReader reader) {
  Policy policy;
  policy.worker_balance = read_worker_balance(reader.map("workerBalance"));
  policy.server_balance = read_server_balance(reader.map("serverBalance"));
  FieldReader straggler = reader.map("straggler");
  straggler.text("mode", policy.straggler.mode);
  straggler.integer("replaceAfterSeconds", policy.straggler.replace_after_seconds);
  straggler.finish();
  FieldReader servers = reader.map("servers");
  servers.text("mode", policy.servers.mode);
  servers.integer("minReplicas", policy.servers.min_replicas);
  if (int64_t most = 0; servers.has("maxReplicas")) {
    servers.integer("maxReplicas", most);
    policy.servers.max_replicas = most;
  } else {
    servers.ignore("maxReplicas");
  }
  servers.finish();
  FieldReader workers = reader.map("workers");
  workers.text("mode", policy.workers.mode);
  workers.integer("leastMarginalPercent", policy.workers.least_marginal_percent);
  workers.finish();
  FieldReader memory = reader.map("memory");
  memory.text("mode", policy.memory.mode);
  memory.integer("factorPercent", policy.memory.factor_percent);
  memory.text("cap", policy.memory.cap);
  memory.finish();
  reader.finish();
  return policy;
}

bool read_network(FieldReader reader) {
  bool trusted = false;
  reader.boolean("trusted", trusted);
  reader.finish();
  return trusted;
}

TrainingJobSpec read_spec(FieldReader reader) {
  TrainingJobSpec spec;
  spec.model = read_model(reader.map("model"));
  spec.data = read_data(reader.map("data"));
  spec.training = read_training(reader.map("training"));
  spec.servers = read_servers(reader.map("servers"));
  spec.workers = read_workers(reader.map("workers"), spec.training.microbatches);
  spec.checkpoint = read_checkpoint(reader.map("checkpoint"));
  spec.policy = read_policy(reader.map("policy"));
  spec.trusted_network = read_network(reader.map("network"));
  reader.integer("backoffLimit", spec.backoff_limit);
  reader.integer("activeDeadlineSeconds", spec.active_deadline_seconds);
  if (int64_t seconds = 0; reader.has("ttlSecondsAfterFinished")) {
    reader.integer("ttlSecondsAfterFinished", seconds);
    spec.ttl_seconds_after_finished = seconds;
  } else {
    reader.ignore("ttlSecondsAfterFinished");
  }
  reader.text("cleanPodPolicy", spec.clean_pod_policy);
  reader.text("priorityClassName", spec.priority_class_name);
  reader.boolean("suspend", spec.suspend);
  reader.finish();
  return spec;
}

void expect_word(FieldReader& reader, const std::string& name, const std::string& expected) {
  std::string found;
  reader.text(name, found);
  if (found != expected)
    reader.problem(name, "found \"" + found + "\"; expected \"" + expected + "\"");
}

// The line of the deepest part of the path that the document has.
int line_of(const Node& document, const std::string& path) {
  const Node* node = &document;
  int line = document.line;
  size_t begin = 0;
  while (begin < path.size()) {
    size_t end = path.find_first_of(".[", begin);
    if (end == std::string::npos) end = path.size();
    node = node->find(path.substr(begin, end - begin));
    if (node == nullptr) break;
    line = node->line;
    if (end < path.size() && path[end] == '[') break;
    begin = end + 1;
  }
  return line;
}

}  // namespace

tl::expected<TrainingJob, Problems> read_training_job(const Node& document) {
  Problems problems;
  TrainingJob job;
  FieldReader reader(&document, "", problems);
  if (!problems.empty()) return tl::unexpected(problems);
  expect_word(reader, "apiVersion", kApiVersion);
  expect_word(reader, "kind", kKind);
  job.metadata = read_metadata(reader.map("metadata"));
  job.spec = read_spec(reader.map("spec"));
  reader.ignore("status");
  reader.finish();

  // A field of the wrong type kept its default: rules that involve it would accuse the wrong one.
  const auto already_wrong = [&, read = problems.size()](const std::string& path) {
    return std::any_of(problems.begin(), problems.begin() + static_cast<ptrdiff_t>(read),
                       [&](const Problem& known) { return path.starts_with(known.path); });
  };
  for (Violation& violation : validate(job)) {
    if (std::any_of(violation.paths.begin(), violation.paths.end(), already_wrong)) continue;
    problems.push_back(
        {violation.paths[0], line_of(document, violation.paths[0]), std::move(violation.message)});
  }
  std::stable_sort(problems.begin(), problems.end(),
                   [](const Problem& a, const Problem& b) { return a.line < b.line; });
  if (!problems.empty()) return tl::unexpected(problems);
  return job;
}

tl::expected<TrainingJob, Problems> read_training_job_yaml(
    std::string_view text, const std::vector<std::string>& overrides) {
  auto document = parse_yaml(text);
  if (!document) return tl::unexpected(Problems{{"", 0, document.error().message}});
  Problems problems;
  for (const std::string& assignment : overrides) {
    if (auto applied = apply_override(*document, assignment); !applied) {
      problems.push_back({"", 0, "--set " + assignment + ": " + applied.error().message});
    }
  }
  if (!problems.empty()) return tl::unexpected(problems);
  return read_training_job(*document);
}

tl::expected<TrainingJob, Problems> read_training_job_json(std::string_view text) {
  auto document = parse_json(text);
  if (!document) return tl::unexpected(Problems{{"", 0, document.error().message}});
  return read_training_job(*document);
}

}  // namespace ballast::api
