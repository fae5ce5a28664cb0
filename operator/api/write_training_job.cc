#include "operator/api/read_training_job.h"

namespace ballast::api {
namespace {

using nlohmann::json;

json write_optimizer(const Optimizer& optimizer) {
  json out = {{"name", optimizer.name},
              {"learningRate", optimizer.learning_rate},
              {"weightDecay", optimizer.weight_decay}};
  if (optimizer.name == "sgd") {
    out["momentum"] = optimizer.momentum;
  } else {
    out["beta1"] = optimizer.beta1;
    out["beta2"] = optimizer.beta2;
    out["epsilon"] = optimizer.epsilon;
  }
  return out;
}

json write_schedule(const Schedule& schedule) {
  json out = {{"name", schedule.name}};
  if (schedule.name == "constant") return out;
  out["warmupSteps"] = schedule.warmup_steps;
  out["lengthSteps"] = schedule.length_steps;
  out["minLearningRate"] = schedule.min_learning_rate;
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
      {"reproducible", training.reproducible},
      {"maxSkippedInARow", training.max_skipped_in_a_row}};
}

json write_spec(const TrainingJobSpec& spec) {
  json out = {
      {"model",
       {{"family", spec.model.family},
        {"layers", spec.model.layers},
        {"heads", spec.model.heads},
        {"embedding", spec.model.embedding},
        {"context", spec.model.context}}},
      {"data",
       {{"train", spec.data.train},
        {"validationPercent", spec.data.validation_percent},
        {"tokenizer", spec.data.tokenizer}}},
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
        {"template", spec.workers.pod_template}}},
      {"checkpoint", {{"everySteps", spec.checkpoint.every_steps}, {"keep", spec.checkpoint.keep}}},
      {"network", {{"trusted", spec.trusted_network}}},
      {"backoffLimit", spec.backoff_limit},
      {"activeDeadlineSeconds", spec.active_deadline_seconds},
      {"suspend", spec.suspend}};
  if (!spec.data.vocabulary.empty()) out["data"]["vocabulary"] = spec.data.vocabulary;
  if (!spec.checkpoint.path.empty()) out["checkpoint"]["path"] = spec.checkpoint.path;
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
