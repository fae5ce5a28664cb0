#include "operator/api/read_training_job.h"

#include <span>

#include "operator/api/training_choices.h"

namespace ballast::api {
namespace {

using nlohmann::json;

// Of all values those that the chosen one has.
void write_fields(std::span<const NamedChoice> choices, const std::string& name, const json& values,
                  json& out) {
  const NamedChoice* chosen = find_choice(choices, name);
  if (chosen == nullptr) return;
  for (const std::string& field : chosen->fields) out[field] = values.at(field);
}

json write_optimizer(const Optimizer& optimizer) {
  json out = {{"name", optimizer.name},
              {"learningRate", optimizer.learning_rate},
              {"weightDecay", optimizer.weight_decay}};
  write_fields(optimizer_choices(), optimizer.name,
               {{"beta1", optimizer.beta1},
                {"beta2", optimizer.beta2},
                {"epsilon", optimizer.epsilon},
                {"momentum", optimizer.momentum},
                {"nesterov", optimizer.nesterov},
                {"alpha", optimizer.alpha}},
               out);
  return out;
}

json write_schedule(const Schedule& schedule) {
  json out = {{"name", schedule.name}};
  write_fields(schedule_choices(), schedule.name,
               {{"warmupSteps", schedule.warmup_steps},
                {"lengthSteps", schedule.length_steps},
                {"decaySteps", schedule.decay_steps},
                {"minLearningRate", schedule.min_learning_rate}},
               out);
  return out;
}

json write_training(const Training& training) {
  return {
      {"steps", training.steps},
      {"batch", training.batch},
      {"microbatches", training.microbatches},
      {"seed", training.seed},
      {"mode", training.mode},
      {"optimizer", write_optimizer(training.optimizer)},
      {"schedule", write_schedule(training.schedule)},
      {"gradientClip", training.gradient_clip},
      {"evaluation",
       {{"everySteps", training.evaluation.every_steps}, {"batches", training.evaluation.batches}}},
      {"recompute", training.recompute},
      {"reproducible", training.reproducible},
      {"maxSkippedInARow", training.max_skipped_in_a_row}};
}

json write_policy(const Policy& policy) {
  json balance = {{"mode", policy.worker_balance.mode}, {"method", policy.worker_balance.method}};
  if (!policy.worker_balance.weights.empty()) balance["weights"] = policy.worker_balance.weights;
  if (!policy.worker_balance.priorities.empty()) {
    balance["priorities"] = policy.worker_balance.priorities;
  }
  const ServerBalance& placed = policy.server_balance;
  json server_balance = {{"mode", placed.mode}, {"method", placed.method}};
  if (!placed.weights.empty()) server_balance["weights"] = placed.weights;
  json memory = {{"mode", policy.memory.mode}, {"factorPercent", policy.memory.factor_percent}};
  if (!policy.memory.cap.empty()) memory["cap"] = policy.memory.cap;
  json servers = {{"mode", policy.servers.mode}, {"minReplicas", policy.servers.min_replicas}};
  if (policy.servers.max_replicas) servers["maxReplicas"] = *policy.servers.max_replicas;
  return {{"workerBalance", balance},
          {"serverBalance", server_balance},
          {"straggler",
           {{"mode", policy.straggler.mode},
            {"replaceAfterSeconds", policy.straggler.replace_after_seconds}}},
          {"servers", servers},
          {"workers",
           {{"mode", policy.workers.mode},
            {"leastMarginalPercent", policy.workers.least_marginal_percent}}},
          {"memory", memory}};
}

json write_spec(const TrainingJobSpec& spec) {
  json out = {{"model",
               {{"family", spec.model.family},
                {"layers", spec.model.layers},
                {"heads", spec.model.heads},
                {"embedding", spec.model.embedding},
                {"context", spec.model.context},
                {"activation", spec.model.activation},
                {"dropout", spec.model.dropout}}},
              {"data",
               {{"train", spec.data.train},
                {"validationPercent", spec.data.validation_percent},
                {"tokenizer", spec.data.tokenizer},
                {"maskDocumentStarts", spec.data.mask_document_starts}}},
              {"training", write_training(spec.training)},
              {"servers",
               {{"replicas", spec.servers.replicas},
                {"replication", spec.servers.replication},
                {"segmentElements", spec.servers.segment_elements},
                {"template", spec.servers.pod_template}}},
              {"workers",
               {{"replicas", spec.workers.replicas},
                {"minReplicas", spec.workers.min_replicas},
                {"maxReplicas", spec.workers.max_replicas},
                {"precision", spec.workers.precision},
                {"template", spec.workers.pod_template}}},
              {"checkpoint",
               {{"everySteps", spec.checkpoint.every_steps},
                {"everySeconds", spec.checkpoint.every_seconds},
                {"keep", spec.checkpoint.keep},
                {"resume", spec.checkpoint.resume}}},
              {"policy", write_policy(spec.policy)},
              {"network", {{"trusted", spec.trusted_network}}},
              {"backoffLimit", spec.backoff_limit},
              {"activeDeadlineSeconds", spec.active_deadline_seconds},
              {"cleanPodPolicy", spec.clean_pod_policy},
              {"suspend", spec.suspend}};
  if (!spec.data.vocabulary.empty()) out["data"]["vocabulary"] = spec.data.vocabulary;
  if (!spec.checkpoint.path.empty()) out["checkpoint"]["path"] = spec.checkpoint.path;
  if (spec.ttl_seconds_after_finished)
    out["ttlSecondsAfterFinished"] = *spec.ttl_seconds_after_finished;
  if (!spec.priority_class_name.empty()) out["priorityClassName"] = spec.priority_class_name;
  return out;
}

}  // namespace

json to_json(const TrainingJob& job) {
  json metadata = {{"name", job.metadata.name}, {"namespace", job.metadata.name_space}};
  if (!job.metadata.uid.empty()) metadata["uid"] = job.metadata.uid;
  if (!job.metadata.labels.empty()) metadata["labels"] = job.metadata.labels;
  if (!job.metadata.annotations.empty()) metadata["annotations"] = job.metadata.annotations;
  return {{"apiVersion", kApiVersion},
          {"kind", kKind},
          {"metadata", metadata},
          {"spec", write_spec(job.spec)}};
}

}  // namespace ballast::api
