#include "services/transport/control_values.h"

#include <bit>
#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "services/core/tree.h"

namespace ballast {
namespace {

constexpr int kMaxServers = 4096;
constexpr int kMaxFiles = 16;
constexpr size_t kMaxFileBytes = 32 << 20;  // of all files together; a frame has 64 MiB
constexpr size_t kMaxConfigBytes = 4 << 20;

// Reads an index into `count` servers.
ServerIndex server_index(uint32_t value, size_t count, std::string_view role, int segment,
                         Problems& problems) {
  if (value >= count) {
    problems.add(fmt::format("map.segments[{}].{}", segment, role),
                 fmt::format("{} is not below {}", value, count));
    return 0;
  }
  return static_cast<ServerIndex>(value);
}

void decode(const v1::Layout& from, Layout& to, Problems& problems) {
  to.elements = from.elements();
  to.tensors.clear();
  to.tensors.reserve(static_cast<size_t>(from.tensors_size()));
  for (const v1::Tensor& tensor : from.tensors()) {
    Tensor& made = to.tensors.emplace_back();
    made.name = tensor.name();
    made.shape.assign(tensor.shape().begin(), tensor.shape().end());
    made.group =
        decode_enum(tensor.group(), ParameterGroup::kNoDecay, "layout.tensors.group", problems);
    made.offset = tensor.offset();
    made.elements = tensor.elements();
  }
}

void decode(const google::protobuf::RepeatedPtrField<v1::NamedFile>& from,
            std::vector<NamedFile>& to, Problems& problems) {
  constexpr std::string_view kField = "identity.tokenizer_files";
  to.clear();
  if (from.size() > kMaxFiles) return problems.add(kField, "are more than 16");
  size_t bytes = 0;
  for (const v1::NamedFile& file : from) {
    bytes += file.content().size();
    if (bytes > kMaxFileBytes) return problems.add(kField, "have more than 32 MiB");
    if (file.name().empty() || file.name().size() > 200 || file.name().front() == '.' ||
        file.name().find('/') != std::string::npos) {
      return problems.add(kField, "have a name that is no file name");
    }
    to.push_back({.name = file.name(), .content = file.content()});
  }
}

void finite(double value, std::string_view field, Problems& problems) {
  if (!std::isfinite(value)) problems.add(field, "is not finite");
}

}  // namespace

void encode(const ProcessId& from, v1::ProcessId& to) {
  to.set_name(from.name);
  to.set_incarnation(from.incarnation);
}
void decode(const v1::ProcessId& from, ProcessId& to, Problems& problems) {
  if (from.name().size() > 253) problems.add("process.name", "has more than 253 bytes");
  to = {.name = from.name(), .incarnation = from.incarnation()};
}

void encode(const MapVersion& from, v1::MapVersion& to) {
  to.set_term(from.term);
  to.set_number(from.number);
}
void decode(const v1::MapVersion& from, MapVersion& to, Problems&) {
  to = {.term = from.term(), .number = from.number()};
}

void encode(const Member& from, v1::Member& to) {
  encode(from.id, *to.mutable_id());
  to.set_address(from.address);
  to.set_node(from.node);
}
void decode(const v1::Member& from, Member& to, Problems& problems) {
  decode(from.id(), to.id, problems);
  to.address = from.address();
  to.node = from.node();
}

void encode(const MemberList& from, v1::MemberList& to) {
  to.set_number(from.number);
  for (const Member& member : from.members) encode(member, *to.add_members());
}
void decode(const v1::MemberList& from, MemberList& to, Problems& problems) {
  to.number = from.number();
  to.members.clear();
  if (from.members_size() > kMaxServers) return problems.add("members", "are more than 4096");
  for (const v1::Member& member : from.members()) {
    decode(member, to.members.emplace_back(), problems);
    const size_t count = to.members.size();
    if (count > 1 && !(to.members[count - 2].id < to.members[count - 1].id)) {
      problems.add("members", "are not ascending");
    }
  }
}

void encode(const SegmentMap& from, v1::SegmentMap& to) {
  encode(from.version, *to.mutable_version());
  for (const Member& server : from.servers) encode(server, *to.add_servers());
  to.mutable_segments()->Reserve(static_cast<int>(from.segments.size()));
  for (const Placement& placement : from.segments) {
    v1::Placement& made = *to.add_segments();
    made.set_primary(placement.primary);
    for (ServerIndex index : placement.backups) made.add_backups(index);
    for (ServerIndex index : placement.joining) made.add_joining(index);
  }
}
void decode(const v1::SegmentMap& from, SegmentMap& to, Problems& problems) {
  decode(from.version(), to.version, problems);
  to.servers.clear();
  to.segments.clear();
  if (from.servers_size() > kMaxServers) return problems.add("map.servers", "are more than 4096");
  for (const v1::Member& server : from.servers()) {
    decode(server, to.servers.emplace_back(), problems);
  }
  const size_t count = to.servers.size();
  to.segments.reserve(static_cast<size_t>(from.segments_size()));
  for (int i = 0; i < from.segments_size(); ++i) {
    const v1::Placement& placement = from.segments(i);
    Placement& made = to.segments.emplace_back();
    made.primary = server_index(placement.primary(), count, "primary", i, problems);
    for (uint32_t index : placement.backups()) {
      made.backups.push_back(server_index(index, count, "backups", i, problems));
    }
    for (uint32_t index : placement.joining()) {
      made.joining.push_back(server_index(index, count, "joining", i, problems));
    }
  }
}

void encode(const JobIdentity& from, v1::JobIdentity& to) {
  v1::Layout& layout = *to.mutable_layout();
  layout.set_elements(from.layout.elements);
  for (const Tensor& tensor : from.layout.tensors) {
    v1::Tensor& made = *layout.add_tensors();
    made.set_name(tensor.name);
    for (uint64_t dimension : tensor.shape) made.add_shape(dimension);
    made.set_group(static_cast<v1::ParameterGroup>(tensor.group));
    made.set_offset(tensor.offset);
    made.set_elements(tensor.elements);
  }
  to.set_layout_hash(from.layout_hash);
  to.set_data_fingerprint(from.data_fingerprint);
  to.set_numerics_fingerprint(from.numerics_fingerprint);
  for (const NamedFile& file : from.tokenizer_files) {
    v1::NamedFile& made = *to.add_tokenizer_files();
    made.set_name(file.name);
    made.set_content(file.content);
  }
}
void decode(const v1::JobIdentity& from, JobIdentity& to, Problems& problems) {
  decode(from.layout(), to.layout, problems);
  to.layout_hash = from.layout_hash();
  to.data_fingerprint = from.data_fingerprint();
  to.numerics_fingerprint = from.numerics_fingerprint();
  decode(from.tokenizer_files(), to.tokenizer_files, problems);
  if (to.layout.tensors.empty() && to.layout.elements == 0) return;  // none, as workers get it
  if (const auto sound = check_layout(to.layout); !sound) {
    return problems.add("identity.layout", sound.error().message);
  }
  if (layout_hash(to.layout) != to.layout_hash) {
    problems.add("identity.layout_hash", "is not the hash of the layout");
  }
}

void encode(const TrainingSettings& from, v1::TrainingSettings& to) {
  to.set_steps(from.steps);
  to.set_microbatches(from.microbatches);
  v1::OptimizerSettings& optimizer = *to.mutable_optimizer();
  optimizer.set_kind(static_cast<v1::OptimizerKind>(from.optimizer.kind));
  optimizer.set_learning_rate(from.optimizer.learning_rate);
  optimizer.set_weight_decay(from.optimizer.weight_decay);
  optimizer.set_beta1(from.optimizer.beta1);
  optimizer.set_beta2(from.optimizer.beta2);
  optimizer.set_epsilon(from.optimizer.epsilon);
  optimizer.set_momentum(from.optimizer.momentum);
  optimizer.set_alpha(from.optimizer.alpha);
  v1::ScheduleSettings& schedule = *to.mutable_schedule();
  schedule.set_kind(static_cast<v1::ScheduleKind>(from.schedule.kind));
  schedule.set_warmup_steps(from.schedule.warmup_steps);
  schedule.set_length_steps(from.schedule.length_steps);
  schedule.set_min_learning_rate(from.schedule.min_learning_rate);
  schedule.set_decay_steps(from.schedule.decay_steps);
  to.set_gradient_clip(from.gradient_clip);
  to.set_evaluation_every(from.evaluation_every);
  to.set_evaluation_batches(from.evaluation_batches);
  to.set_max_skipped_in_a_row(from.max_skipped_in_a_row);
  to.set_reproducible(from.reproducible);
  to.set_replication(from.replication);
  to.set_segment_elements(from.segment_elements);
  to.set_checkpoint_path(from.checkpoint_path);
  to.set_job_name(from.job_name);
  to.set_job_config(from.job_config);
  to.set_seed(from.seed);
  to.set_checkpoint_every(from.checkpoint_every);
  to.set_checkpoint_every_ms(from.checkpoint_every_ms);
}
void decode(const v1::TrainingSettings& from, TrainingSettings& to, Problems& problems) {
  const v1::OptimizerSettings& optimizer = from.optimizer();
  const v1::ScheduleSettings& schedule = from.schedule();
  to = {.steps = from.steps(),
        .microbatches = from.microbatches(),
        .optimizer = {.kind = decode_enum(optimizer.kind(), kLastOptimizer,
                                          "training.optimizer.kind", problems),
                      .learning_rate = optimizer.learning_rate(),
                      .weight_decay = optimizer.weight_decay(),
                      .beta1 = optimizer.beta1(),
                      .beta2 = optimizer.beta2(),
                      .epsilon = optimizer.epsilon(),
                      .momentum = optimizer.momentum(),
                      .alpha = optimizer.alpha()},
        .schedule = {.kind = decode_enum(schedule.kind(), kLastSchedule, "training.schedule.kind",
                                         problems),
                     .warmup_steps = schedule.warmup_steps(),
                     .length_steps = schedule.length_steps(),
                     .min_learning_rate = schedule.min_learning_rate(),
                     .decay_steps = schedule.decay_steps()},
        .gradient_clip = from.gradient_clip(),
        .evaluation_every = from.evaluation_every(),
        .evaluation_batches = from.evaluation_batches(),
        .max_skipped_in_a_row = from.max_skipped_in_a_row(),
        .reproducible = from.reproducible(),
        .replication = from.replication(),
        .segment_elements = from.segment_elements(),
        .checkpoint_path = from.checkpoint_path(),
        .checkpoint_every = from.checkpoint_every(),
        .checkpoint_every_ms = from.checkpoint_every_ms(),
        .job_name = from.job_name(),
        .job_config = from.job_config(),
        .seed = from.seed()};
  if (to.job_config.size() > kMaxConfigBytes) {
    problems.add("training.job_config", "has more than 4 MiB");
  }
  if (!std::has_single_bit(to.microbatches) || to.microbatches > kMaxMicrobatches) {
    problems.add("training.microbatches", fmt::format("{} is not a power of two up to {}",
                                                      to.microbatches, kMaxMicrobatches));
  }
  if (to.replication < 1 || to.replication > 3) {
    problems.add("training.replication", fmt::format("{} is not 1, 2 or 3", to.replication));
  }
  if (to.segment_elements < kTensorAlignment || to.segment_elements > kDefaultSegmentElements ||
      to.segment_elements % kTensorAlignment != 0) {
    problems.add("training.segment_elements",
                 fmt::format("{} is not a multiple of {} up to {}", to.segment_elements,
                             kTensorAlignment, kDefaultSegmentElements));
  }
  finite(optimizer.learning_rate(), "training.optimizer.learning_rate", problems);
  finite(optimizer.weight_decay(), "training.optimizer.weight_decay", problems);
  finite(optimizer.beta1(), "training.optimizer.beta1", problems);
  finite(optimizer.beta2(), "training.optimizer.beta2", problems);
  finite(optimizer.epsilon(), "training.optimizer.epsilon", problems);
  finite(optimizer.momentum(), "training.optimizer.momentum", problems);
  finite(optimizer.alpha(), "training.optimizer.alpha", problems);
  finite(schedule.min_learning_rate(), "training.schedule.min_learning_rate", problems);
  finite(from.gradient_clip(), "training.gradient_clip", problems);
}

void encode(const LossSum& from, v1::LossSum& to) {
  to.set_loss(from.loss);
  to.set_tokens(from.tokens);
}
void decode(const v1::LossSum& from, LossSum& to, Problems&) {
  to = {.loss = from.loss(), .tokens = from.tokens()};
}

void encode(const Record& from, v1::Record& to) {
  to.set_step(from.step);
  encode(from.map, *to.mutable_map());
  to.set_origin(from.origin);
  to.set_plan(from.plan);
  to.set_apply(from.apply);
  to.set_scale(from.scale);
  to.set_learning_rate(from.learning_rate);
  to.set_bias_correction1(from.bias_correction1);
  to.set_bias_correction2(from.bias_correction2);
  to.set_applied_steps(from.applied_steps);
  to.set_skipped_in_a_row(from.skipped_in_a_row);
  encode(from.training, *to.mutable_training());
  to.set_gradient_norm(from.gradient_norm);
  if (from.evaluation) encode(*from.evaluation, *to.mutable_evaluation());
}
void decode(const v1::Record& from, Record& to, Problems& problems) {
  to = {.step = from.step(),
        .map = {},
        .origin = from.origin(),
        .plan = from.plan(),
        .apply = from.apply(),
        .scale = from.scale(),
        .learning_rate = from.learning_rate(),
        .bias_correction1 = from.bias_correction1(),
        .bias_correction2 = from.bias_correction2(),
        .applied_steps = from.applied_steps(),
        .skipped_in_a_row = from.skipped_in_a_row(),
        .training = {},
        .gradient_norm = from.gradient_norm(),
        .evaluation = {}};
  decode(from.map(), to.map, problems);
  decode(from.training(), to.training, problems);
  if (from.has_evaluation()) decode(from.evaluation(), to.evaluation.emplace(), problems);
}

void encode(const ReplicaReport& from, v1::ReplicaReport& to) {
  to.set_segment(from.segment);
  encode(from.in_sync_under, *to.mutable_in_sync_under());
  to.set_origin(from.origin);
  to.set_version(from.version);
  to.set_has_root(from.has_root);
  to.set_was_primary(from.was_primary);
}
void decode(const v1::ReplicaReport& from, ReplicaReport& to, Problems& problems) {
  to = {.segment = from.segment(),
        .in_sync_under = {},
        .origin = from.origin(),
        .version = from.version(),
        .has_root = from.has_root(),
        .was_primary = from.was_primary()};
  decode(from.in_sync_under(), to.in_sync_under, problems);
}

void encode(const CheckpointPart& from, v1::CheckpointPart& to) {
  to.set_first_segment(from.first_segment);
  for (SegmentId segment : from.segments) to.add_segments(segment);
  to.set_file(from.file);
  to.set_bytes(from.bytes);
  to.set_checksum(from.checksum);
}
void decode(const v1::CheckpointPart& from, CheckpointPart& to, Problems& problems) {
  to.first_segment = from.first_segment();
  to.segments.assign(from.segments().begin(), from.segments().end());
  to.file = from.file();
  to.bytes = from.bytes();
  to.checksum = from.checksum();
  if (to.file.find('/') != std::string::npos) problems.add("part.file", "names a folder");
}

}  // namespace ballast
