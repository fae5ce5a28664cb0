#include "operator/local/job_config.h"

#include <google/protobuf/util/json_util.h>

#include "common/check.h"
#include "operator/api/decimal.h"
#include "operator/core/advance.h"

namespace ballast::local {
namespace {

// validate() has read every decimal before.
double number(const std::string& decimal) {
  const auto value = api::parse_decimal(decimal);
  CHECK(value.has_value());
  return *value;
}

uint32_t small(int64_t value) { return static_cast<uint32_t>(value); }
uint64_t large(int64_t value) { return static_cast<uint64_t>(value); }

// "warmupCosine" as the wire's enums write it: "WARMUP_COSINE".
std::string enum_word(const std::string& name) {
  std::string word;
  for (const char c : name) {
    const bool upper = c >= 'A' && c <= 'Z';
    if (upper) word += '_';
    word += upper || c < 'a' || c > 'z' ? c : static_cast<char>(c - 'a' + 'A');
  }
  return word;
}

// validate() has seen the names, and a test holds its lists against the enums.
v1::OptimizerKind optimizer_kind(const v1::OptimizerConfig& optimizer) {
  if (optimizer.name() == "sgd" && optimizer.momentum() != 0) {
    return optimizer.nesterov() ? v1::OPTIMIZER_NESTEROV : v1::OPTIMIZER_MOMENTUM;
  }
  v1::OptimizerKind kind = v1::OPTIMIZER_SGD;
  CHECK(v1::OptimizerKind_Parse("OPTIMIZER_" + enum_word(optimizer.name()), &kind));
  return kind;
}

v1::ScheduleKind schedule_kind(const std::string& name) {
  v1::ScheduleKind kind = v1::SCHEDULE_CONSTANT;
  CHECK(v1::ScheduleKind_Parse("SCHEDULE_" + enum_word(name), &kind));
  return kind;
}

std::string json_of(const v1::JobConfig& config, bool add_whitespace) {
  google::protobuf::util::JsonPrintOptions options;
  options.add_whitespace = add_whitespace;
  options.preserve_proto_field_names = true;
  std::string text;
  CHECK(google::protobuf::util::MessageToJsonString(config, &text, options).ok());
  return text;
}

void fill_training(const api::Training& from, v1::TrainingConfig& to) {
  to.set_steps(large(from.steps));
  to.set_batch(small(from.batch));
  to.set_microbatches(small(from.microbatches));
  to.set_seed(large(from.seed));
  to.set_mode(from.mode);
  auto& optimizer = *to.mutable_optimizer();
  optimizer.set_name(from.optimizer.name);
  optimizer.set_learning_rate(number(from.optimizer.learning_rate));
  optimizer.set_weight_decay(number(from.optimizer.weight_decay));
  optimizer.set_beta1(number(from.optimizer.beta1));
  optimizer.set_beta2(number(from.optimizer.beta2));
  optimizer.set_epsilon(number(from.optimizer.epsilon));
  optimizer.set_momentum(number(from.optimizer.momentum));
  optimizer.set_nesterov(from.optimizer.nesterov);
  optimizer.set_alpha(number(from.optimizer.alpha));
  auto& schedule = *to.mutable_schedule();
  schedule.set_name(from.schedule.name);
  schedule.set_warmup_steps(large(from.schedule.warmup_steps));
  schedule.set_length_steps(large(from.schedule.length_steps));
  schedule.set_min_learning_rate(number(from.schedule.min_learning_rate));
  schedule.set_decay_steps(large(from.schedule.decay_steps));
  to.set_gradient_clip(number(from.gradient_clip));
  to.mutable_evaluation()->set_every_steps(large(from.evaluation.every_steps));
  to.mutable_evaluation()->set_batches(small(from.evaluation.batches));
  to.set_recompute(from.recompute);
  to.set_reproducible(from.reproducible);
  to.set_max_skipped_in_a_row(small(from.max_skipped_in_a_row));
}

}  // namespace

v1::JobConfig job_config(const api::TrainingJob& job) {
  const api::TrainingJobSpec& spec = job.spec;
  v1::JobConfig config;
  config.set_name(job.metadata.name);
  config.set_namespace_(job.metadata.name_space);
  config.set_uid(job.metadata.uid);
  auto& model = *config.mutable_model();
  model.set_family(spec.model.family);
  model.set_layers(small(spec.model.layers));
  model.set_heads(small(spec.model.heads));
  model.set_embedding(small(spec.model.embedding));
  model.set_context(small(spec.model.context));
  model.set_activation(spec.model.activation);
  model.set_dropout(number(spec.model.dropout));
  for (const std::string& path : spec.data.train) config.mutable_data()->add_train(path);
  config.mutable_data()->set_validation_percent(small(spec.data.validation_percent));
  config.mutable_data()->set_tokenizer(spec.data.tokenizer);
  config.mutable_data()->set_vocabulary(spec.data.vocabulary);
  config.mutable_data()->set_mask_document_starts(spec.data.mask_document_starts);
  fill_training(spec.training, *config.mutable_training());
  config.mutable_servers()->set_replicas(small(spec.servers.replicas));
  config.mutable_servers()->set_replication(small(spec.servers.replication));
  config.mutable_servers()->set_segment_elements(small(spec.servers.segment_elements));
  config.mutable_workers()->set_replicas(small(spec.workers.replicas));
  // What is ordinary stays empty: a worker of an older image knows no such key.
  if (spec.workers.precision != "fp32") {
    config.mutable_workers()->set_precision(spec.workers.precision);
  }
  config.mutable_checkpoint()->set_path(spec.checkpoint.path);
  config.mutable_checkpoint()->set_every_steps(large(spec.checkpoint.every_steps));
  config.mutable_checkpoint()->set_every_seconds(large(spec.checkpoint.every_seconds));
  config.mutable_checkpoint()->set_keep(small(spec.checkpoint.keep));
  return config;
}

std::string job_config_json(const api::TrainingJob& job) { return json_of(job_config(job), true); }

v1::TrainingSettings training_settings(const api::TrainingJob& job) {
  const v1::JobConfig config = job_config(job);
  const v1::TrainingConfig& from = config.training();
  v1::TrainingSettings to;
  to.set_steps(from.steps());
  to.set_microbatches(from.microbatches());
  auto& optimizer = *to.mutable_optimizer();
  optimizer.set_kind(optimizer_kind(from.optimizer()));
  optimizer.set_learning_rate(from.optimizer().learning_rate());
  optimizer.set_weight_decay(from.optimizer().weight_decay());
  optimizer.set_beta1(from.optimizer().beta1());
  optimizer.set_beta2(from.optimizer().beta2());
  optimizer.set_epsilon(from.optimizer().epsilon());
  optimizer.set_momentum(from.optimizer().momentum());
  optimizer.set_alpha(from.optimizer().alpha());
  auto& schedule = *to.mutable_schedule();
  schedule.set_kind(schedule_kind(from.schedule().name()));
  schedule.set_warmup_steps(from.schedule().warmup_steps());
  schedule.set_length_steps(from.schedule().length_steps());
  schedule.set_min_learning_rate(from.schedule().min_learning_rate());
  schedule.set_decay_steps(from.schedule().decay_steps());
  to.set_gradient_clip(from.gradient_clip());
  to.set_evaluation_every(from.evaluation().every_steps());
  to.set_evaluation_batches(from.evaluation().batches());
  to.set_max_skipped_in_a_row(from.max_skipped_in_a_row());
  to.set_reproducible(from.reproducible());
  to.set_replication(config.servers().replication());
  to.set_segment_elements(config.servers().segment_elements());
  to.set_checkpoint_path(config.checkpoint().path());
  to.set_checkpoint_every(config.checkpoint().every_steps());
  to.set_checkpoint_every_ms(1000 * job.spec.checkpoint.every_seconds);
  to.set_job_name(config.name());
  to.set_job_config(json_of(config, false));
  to.set_seed(from.seed());
  return to;
}

v1::MemberList member_list(const api::TrainingJobStatus& status) {
  v1::MemberList list;
  list.set_number(status.members_number);
  for (const api::MemberStatus& from : status.members) {
    v1::Member& to = *list.add_members();
    to.mutable_id()->set_name(from.name);
    to.mutable_id()->set_incarnation(from.incarnation);
    to.set_address(from.address);
    to.set_node(from.node);
  }
  return list;
}

namespace {

void fill_leaving(const api::TrainingJobStatus& status,
                  google::protobuf::RepeatedPtrField<v1::ProcessId>& leaving) {
  for (const api::MemberStatus& member : status.members) {
    if (decide::stays(status, member.name)) continue;
    v1::ProcessId& to = *leaving.Add();
    to.set_name(member.name);
    to.set_incarnation(member.incarnation);
  }
}

void fill_shares(const std::map<std::string, int64_t>& from,
                 google::protobuf::RepeatedPtrField<v1::Share>& to) {
  for (const auto& [process, amount] : from) {
    v1::Share& share = *to.Add();
    share.set_process(process);
    share.set_amount(small(amount));
  }
}

}  // namespace

v1::Appoint appoint_message(const api::TrainingJob& job, const api::TrainingJobStatus& status) {
  v1::Appoint appoint;
  appoint.set_term(status.term);
  *appoint.mutable_members() = member_list(status);
  appoint.set_plan(status.plan_number);
  appoint.set_start(status.start == api::StartMode::kContinue  ? v1::START_CONTINUE
                    : status.start == api::StartMode::kRestore ? v1::START_RESTORE
                                                               : v1::START_INITIALISE);
  appoint.set_origin(status.origin);
  appoint.set_restore_from(status.restore_from);
  *appoint.mutable_training() = training_settings(job);
  fill_leaving(status, *appoint.mutable_leaving());
  appoint.set_suspend(status.planned_suspend);
  fill_shares(status.planned_worker_shares, *appoint.mutable_worker_shares());
  fill_shares(status.planned_server_shares, *appoint.mutable_server_shares());
  return appoint;
}

v1::PlanChanged plan_message(const api::TrainingJob& job, const api::TrainingJobStatus& status) {
  v1::PlanChanged plan;
  plan.set_term(status.term);
  plan.set_plan(status.plan_number);
  fill_leaving(status, *plan.mutable_leaving());
  plan.set_suspend(status.planned_suspend);
  fill_shares(status.planned_worker_shares, *plan.mutable_worker_shares());
  fill_shares(status.planned_server_shares, *plan.mutable_server_shares());
  *plan.mutable_training() = training_settings(job);
  return plan;
}

}  // namespace ballast::local
