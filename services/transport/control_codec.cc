#include "services/transport/control_codec.h"

#include <type_traits>
#include <utility>
#include <variant>

#include "common/check.h"
#include "services/transport/control_values.h"

namespace ballast {
namespace {

// Both directions of every message, field by field in the order of messages.h.

using RepeatedIds = google::protobuf::RepeatedPtrField<v1::ProcessId>;

void encode(const std::vector<ProcessId>& from, RepeatedIds& to) {
  for (const ProcessId& id : from) encode(id, *to.Add());
}
void decode(const RepeatedIds& from, std::vector<ProcessId>& to, Problems& problems) {
  for (const v1::ProcessId& id : from) decode(id, to.emplace_back(), problems);
}

void encode(const std::vector<Share>& from, google::protobuf::RepeatedPtrField<v1::Share>& to) {
  for (const Share& share : from) {
    v1::Share& out = *to.Add();
    out.set_process(share.process);
    out.set_amount(share.amount);
  }
}
void decode(const google::protobuf::RepeatedPtrField<v1::Share>& from, std::vector<Share>& to) {
  for (const v1::Share& share : from) to.push_back({share.process(), share.amount()});
}

void encode(const Appoint& from, v1::Appoint& to) {
  to.set_term(from.term);
  encode(from.members, *to.mutable_members());
  to.set_plan(from.plan);
  to.set_start(static_cast<v1::StartKind>(from.start));
  to.set_origin(from.origin);
  to.set_restore_from(from.restore_from);
  encode(from.training, *to.mutable_training());
  encode(from.leaving, *to.mutable_leaving());
  to.set_suspend(from.suspend);
  encode(from.worker_shares, *to.mutable_worker_shares());
  encode(from.server_shares, *to.mutable_server_shares());
}
void decode(const v1::Appoint& from, Appoint& to, Problems& problems) {
  to.term = from.term();
  decode(from.members(), to.members, problems);
  to.plan = from.plan();
  to.start = decode_enum(from.start(), StartKind::kRestore, "appoint.start", problems);
  to.origin = from.origin();
  to.restore_from = from.restore_from();
  decode(from.training(), to.training, problems);
  decode(from.leaving(), to.leaving, problems);
  to.suspend = from.suspend();
  decode(from.worker_shares(), to.worker_shares);
  decode(from.server_shares(), to.server_shares);
}

void encode(const MembersChanged& from, v1::MembersChanged& to) {
  to.set_term(from.term);
  encode(from.members, *to.mutable_members());
}
void decode(const v1::MembersChanged& from, MembersChanged& to, Problems& problems) {
  to.term = from.term();
  decode(from.members(), to.members, problems);
}

void encode(const OriginComplete& from, v1::OriginComplete& to) {
  to.set_term(from.term);
  to.set_origin(from.origin);
}
void decode(const v1::OriginComplete& from, OriginComplete& to, Problems&) {
  to.term = from.term();
  to.origin = from.origin();
}

void encode(const PlanChanged& from, v1::PlanChanged& to) {
  to.set_term(from.term);
  to.set_plan(from.plan);
  encode(from.leaving, *to.mutable_leaving());
  to.set_suspend(from.suspend);
  encode(from.training, *to.mutable_training());
  encode(from.worker_shares, *to.mutable_worker_shares());
  encode(from.server_shares, *to.mutable_server_shares());
}
void decode(const v1::PlanChanged& from, PlanChanged& to, Problems& problems) {
  to.term = from.term();
  to.plan = from.plan();
  decode(from.leaving(), to.leaving, problems);
  to.suspend = from.suspend();
  decode(from.training(), to.training, problems);
  decode(from.worker_shares(), to.worker_shares);
  decode(from.server_shares(), to.server_shares);
}

void encode(const AskRemove& from, v1::AskRemove& to) {
  to.set_term(from.term);
  to.set_number(from.number);
  encode(from.member, *to.mutable_member());
  to.set_reason(from.reason);
  to.set_left(from.left);
  to.set_plan(from.plan);
}
void decode(const v1::AskRemove& from, AskRemove& to, Problems& problems) {
  to.term = from.term();
  to.number = from.number();
  decode(from.member(), to.member, problems);
  to.reason = from.reason();
  to.left = from.left();
  to.plan = from.plan();
}

void encode(const AskOrigin& from, v1::AskOrigin& to) {
  to.set_term(from.term);
  to.set_origin(from.origin);
}
void decode(const v1::AskOrigin& from, AskOrigin& to, Problems&) {
  to.term = from.term();
  to.origin = from.origin();
}

void encode(const Progress& from, v1::Progress& to) {
  to.set_term(from.term);
  to.set_number(from.number);
  to.set_phase(static_cast<v1::JobPhase>(from.phase));
  to.set_step(from.step);
  if (from.last) encode(*from.last, *to.mutable_last());
  if (from.evaluation) encode(*from.evaluation, *to.mutable_evaluation());
  to.set_evaluation_version(from.evaluation_version);
  to.set_workers(from.workers);
  to.set_skipped(from.skipped);
  to.set_degraded(from.degraded);
  to.set_checkpoint(from.checkpoint);
  to.set_failure(from.failure);
  to.set_members(from.members);
  to.set_checkpoint_failure(from.checkpoint_failure);
  to.set_plan(from.plan);
}
void decode(const v1::Progress& from, Progress& to, Problems& problems) {
  to.term = from.term();
  to.number = from.number();
  to.phase = decode_enum(from.phase(), JobPhase::kSuspended, "progress.phase", problems);
  to.step = from.step();
  if (from.has_last()) decode(from.last(), to.last.emplace(), problems);
  if (from.has_evaluation()) decode(from.evaluation(), to.evaluation.emplace(), problems);
  to.evaluation_version = from.evaluation_version();
  to.workers = from.workers();
  to.skipped = from.skipped();
  to.degraded = from.degraded();
  to.checkpoint = from.checkpoint();
  to.failure = from.failure();
  to.members = from.members();
  to.checkpoint_failure = from.checkpoint_failure();
  to.plan = from.plan();
}

// Of a folder, or of a sentence that names one.
constexpr int kMaxPathBytes = 16 << 10;
constexpr int kMaxJobConfigBytes = 1 << 20;
constexpr int kMaxCheckpoints = 4096;

void decode_text(const std::string& from, std::string& to, std::string_view field, int most,
                 Problems& problems) {
  if (from.size() > static_cast<size_t>(most)) {
    return problems.add(field, "has more than " + std::to_string(most) + " bytes");
  }
  to = from;
}

using RepeatedText = google::protobuf::RepeatedPtrField<std::string>;

void encode(const std::vector<std::string>& from, RepeatedText& to) {
  to.Assign(from.begin(), from.end());
}
void decode_texts(const RepeatedText& from, std::vector<std::string>& to, std::string_view field,
                  Problems& problems) {
  if (from.size() > kMaxCheckpoints) {
    return problems.add(field, "are more than " + std::to_string(kMaxCheckpoints));
  }
  for (const std::string& text : from) {
    decode_text(text, to.emplace_back(), field, kMaxPathBytes, problems);
  }
}

void encode(const VerifyCheckpoint& from, v1::VerifyCheckpoint& to) {
  to.set_term(from.term);
  to.set_path(from.path);
  to.set_directory(from.directory);
}
void decode(const v1::VerifyCheckpoint& from, VerifyCheckpoint& to, Problems& problems) {
  to.term = from.term();
  decode_text(from.path(), to.path, "verify_checkpoint.path", kMaxPathBytes, problems);
  decode_text(from.directory(), to.directory, "verify_checkpoint.directory", kMaxPathBytes,
              problems);
}

void encode(const DeleteCheckpoint& from, v1::DeleteCheckpoint& to) {
  to.set_term(from.term);
  to.set_path(from.path);
  to.set_directory(from.directory);
}
void decode(const v1::DeleteCheckpoint& from, DeleteCheckpoint& to, Problems& problems) {
  to.term = from.term();
  decode_text(from.path(), to.path, "delete_checkpoint.path", kMaxPathBytes, problems);
  decode_text(from.directory(), to.directory, "delete_checkpoint.directory", kMaxPathBytes,
              problems);
}

void encode(const FindCheckpoint& from, v1::FindCheckpoint& to) {
  to.set_term(from.term);
  to.set_path(from.path);
  to.set_job_config(from.job_config);
}
void decode(const v1::FindCheckpoint& from, FindCheckpoint& to, Problems& problems) {
  to.term = from.term();
  decode_text(from.path(), to.path, "find_checkpoint.path", kMaxPathBytes, problems);
  decode_text(from.job_config(), to.job_config, "find_checkpoint.job_config", kMaxJobConfigBytes,
              problems);
}

void encode(const CheckpointVerified& from, v1::CheckpointVerified& to) {
  to.set_directory(from.directory);
  to.set_error(from.error);
  encode(from.abandoned, *to.mutable_abandoned());
}
void decode(const v1::CheckpointVerified& from, CheckpointVerified& to, Problems& problems) {
  to.directory = from.directory();
  to.error = from.error();
  decode_texts(from.abandoned(), to.abandoned, "checkpoint_verified.abandoned", problems);
}

void encode(const CheckpointDeleted& from, v1::CheckpointDeleted& to) {
  to.set_directory(from.directory);
  to.set_error(from.error);
}
void decode(const v1::CheckpointDeleted& from, CheckpointDeleted& to, Problems&) {
  to.directory = from.directory();
  to.error = from.error();
}

void encode(const CheckpointsFound& from, v1::CheckpointsFound& to) {
  to.set_path(from.path);
  to.set_error(from.error);
  to.set_newest(from.newest);
  encode(from.complete, *to.mutable_complete());
  for (const DamagedCheckpoint& damaged : from.damaged) {
    v1::DamagedCheckpoint& out = *to.add_damaged();
    out.set_directory(damaged.directory);
    out.set_error(damaged.error);
  }
  encode(from.incomplete, *to.mutable_incomplete());
  to.set_highest_term(from.highest_term);
}
void decode(const v1::CheckpointsFound& from, CheckpointsFound& to, Problems& problems) {
  to.path = from.path();
  to.error = from.error();
  to.newest = from.newest();
  decode_texts(from.complete(), to.complete, "checkpoints_found.complete", problems);
  if (from.damaged_size() > kMaxCheckpoints) {
    return problems.add("checkpoints_found.damaged",
                        "are more than " + std::to_string(kMaxCheckpoints));
  }
  for (const v1::DamagedCheckpoint& damaged : from.damaged()) {
    to.damaged.push_back({damaged.directory(), damaged.error()});
  }
  decode_texts(from.incomplete(), to.incomplete, "checkpoints_found.incomplete", problems);
  to.highest_term = from.highest_term();
}

void encode(const Seal& from, v1::Seal& to) {
  to.set_term(from.term);
  encode(from.coordinator, *to.mutable_coordinator());
  to.set_members(from.members);
}
void decode(const v1::Seal& from, Seal& to, Problems& problems) {
  to.term = from.term();
  decode(from.coordinator(), to.coordinator, problems);
  to.members = from.members();
}

void encode(const SealRefused& from, v1::SealRefused& to) { to.set_term(from.term); }
void decode(const v1::SealRefused& from, SealRefused& to, Problems&) { to.term = from.term(); }

void encode(const Sealed& from, v1::Sealed& to) {
  to.set_term(from.term);
  if (from.identity) encode(*from.identity, *to.mutable_identity());
  for (const auto& item : from.replicas) encode(item, *to.add_replicas());
  for (const auto& item : from.records) encode(item, *to.add_records());
  if (from.map) encode(*from.map, *to.mutable_map());
}
void decode(const v1::Sealed& from, Sealed& to, Problems& problems) {
  to.term = from.term();
  if (from.has_identity()) decode(from.identity(), to.identity.emplace(), problems);
  for (const auto& item : from.replicas()) decode(item, to.replicas.emplace_back(), problems);
  for (const auto& item : from.records()) decode(item, to.records.emplace_back(), problems);
  if (from.has_map()) decode(from.map(), to.map.emplace(), problems);
}

void encode(const MapUpdate& from, v1::MapUpdate& to) {
  to.set_term(from.term);
  to.set_origin(from.origin);
  encode(from.map, *to.mutable_map());
  encode(from.identity, *to.mutable_identity());
  encode(from.training, *to.mutable_training());
  if (from.restore) {
    to.mutable_restore()->set_directory(from.restore->directory);
    to.mutable_restore()->set_version(from.restore->version);
    encode(from.restore->last, *to.mutable_restore()->mutable_last());
  }
}
void decode(const v1::MapUpdate& from, MapUpdate& to, Problems& problems) {
  to.term = from.term();
  to.origin = from.origin();
  decode(from.map(), to.map, problems);
  decode(from.identity(), to.identity, problems);
  decode(from.training(), to.training, problems);
  if (from.has_restore()) {
    Restore& restore = to.restore.emplace();
    restore.directory = from.restore().directory();
    restore.version = from.restore().version();
    decode(from.restore().last(), restore.last, problems);
  }
}

void encode(const MapAck& from, v1::MapAck& to) {
  to.set_term(from.term);
  encode(from.map, *to.mutable_map());
}
void decode(const v1::MapAck& from, MapAck& to, Problems& problems) {
  to.term = from.term();
  decode(from.map(), to.map, problems);
}

void encode(const InitialisedReport& from, v1::InitialisedReport& to) {
  to.set_term(from.term);
  to.set_origin(from.origin);
  encode(from.map, *to.mutable_map());
  to.mutable_segments()->Add(from.segments.begin(), from.segments.end());
}
void decode(const v1::InitialisedReport& from, InitialisedReport& to, Problems& problems) {
  to.term = from.term();
  to.origin = from.origin();
  decode(from.map(), to.map, problems);
  to.segments.assign(from.segments().begin(), from.segments().end());
}

void encode(const Prepared& from, v1::Prepared& to) {
  to.set_term(from.term);
  encode(from.map, *to.mutable_map());
  to.set_step(from.step);
  to.set_segment(from.segment);
  encode(from.sum, *to.mutable_sum());
  to.set_sum_squares(from.sum_squares);
  to.set_finite(from.finite);
  to.set_checksum(from.checksum);
}
void decode(const v1::Prepared& from, Prepared& to, Problems& problems) {
  to.term = from.term();
  decode(from.map(), to.map, problems);
  to.step = from.step();
  to.segment = from.segment();
  decode(from.sum(), to.sum, problems);
  to.sum_squares = from.sum_squares();
  to.finite = from.finite();
  to.checksum = from.checksum();
}

void encode(const OfferRecord& from, v1::OfferRecord& to) {
  to.set_term(from.term);
  encode(from.record, *to.mutable_record());
}
void decode(const v1::OfferRecord& from, OfferRecord& to, Problems& problems) {
  to.term = from.term();
  decode(from.record(), to.record, problems);
}

void encode(const RecordHeld& from, v1::RecordHeld& to) {
  to.set_term(from.term);
  to.set_step(from.step);
}
void decode(const v1::RecordHeld& from, RecordHeld& to, Problems&) {
  to.term = from.term();
  to.step = from.step();
}

void encode(const Commit& from, v1::Commit& to) {
  to.set_term(from.term);
  encode(from.record, *to.mutable_record());
}
void decode(const v1::Commit& from, Commit& to, Problems& problems) {
  to.term = from.term();
  decode(from.record(), to.record, problems);
}

void encode(const Applied& from, v1::Applied& to) {
  to.set_term(from.term);
  encode(from.map, *to.mutable_map());
  to.set_version(from.version);
}
void decode(const v1::Applied& from, Applied& to, Problems& problems) {
  to.term = from.term();
  decode(from.map(), to.map, problems);
  to.version = from.version();
}

void encode(const CaughtUp& from, v1::CaughtUp& to) {
  to.set_term(from.term);
  encode(from.map, *to.mutable_map());
  to.set_segment(from.segment);
  to.set_version(from.version);
  to.set_has_root(from.has_root);
}
void decode(const v1::CaughtUp& from, CaughtUp& to, Problems& problems) {
  to.term = from.term();
  decode(from.map(), to.map, problems);
  to.segment = from.segment();
  to.version = from.version();
  to.has_root = from.has_root();
}

void encode(const WriteCheckpoint& from, v1::WriteCheckpoint& to) {
  to.set_term(from.term);
  to.set_version(from.version);
  to.set_attempt(from.attempt);
  to.set_directory(from.directory);
  to.mutable_segments()->Add(from.segments.begin(), from.segments.end());
}
void decode(const v1::WriteCheckpoint& from, WriteCheckpoint& to, Problems&) {
  to.term = from.term();
  to.version = from.version();
  to.attempt = from.attempt();
  to.directory = from.directory();
  to.segments.assign(from.segments().begin(), from.segments().end());
}

void encode(const CheckpointWritten& from, v1::CheckpointWritten& to) {
  to.set_term(from.term);
  to.set_version(from.version);
  to.set_attempt(from.attempt);
  if (from.part) encode(*from.part, *to.mutable_part());
  to.set_error(from.error);
}
void decode(const v1::CheckpointWritten& from, CheckpointWritten& to, Problems& problems) {
  to.term = from.term();
  to.version = from.version();
  to.attempt = from.attempt();
  if (from.has_part()) decode(from.part(), to.part.emplace(), problems);
  to.error = from.error();
}

void encode(const Join& from, v1::Join& to) {
  encode(from.identity, *to.mutable_identity());
  to.set_build(from.build);
}
void decode(const v1::Join& from, Join& to, Problems& problems) {
  decode(from.identity(), to.identity, problems);
  to.build = from.build();
}

void encode(const JoinAccepted& from, v1::JoinAccepted& to) {
  to.set_term(from.term);
  to.set_origin(from.origin);
}
void decode(const v1::JoinAccepted& from, JoinAccepted& to, Problems&) {
  to.term = from.term();
  to.origin = from.origin();
}

void encode(const JoinRefused& from, v1::JoinRefused& to) {
  to.set_code(static_cast<v1::RefusalCode>(from.code));
  to.set_reason(from.reason);
}
void decode(const v1::JoinRefused& from, JoinRefused& to, Problems& problems) {
  to.code = decode_enum(from.code(), RefusalCode::kStaleIncarnation, "join_refused.code", problems);
  to.reason = from.reason();
}

void encode(const Redirect& from, v1::Redirect& to) {
  to.set_term(from.term);
  if (from.coordinator) encode(*from.coordinator, *to.mutable_coordinator());
}
void decode(const v1::Redirect& from, Redirect& to, Problems& problems) {
  to.term = from.term();
  if (from.has_coordinator()) decode(from.coordinator(), to.coordinator.emplace(), problems);
}

void encode(const Assignment& from, v1::Assignment& to) {
  to.set_term(from.term);
  to.set_origin(from.origin);
  to.set_step(from.step);
  to.set_number(from.number);
  encode(from.map, *to.mutable_map());
  to.mutable_microbatches()->Add(from.microbatches.begin(), from.microbatches.end());
  to.mutable_evaluations()->Add(from.evaluations.begin(), from.evaluations.end());
  to.mutable_initialise()->Add(from.initialise.begin(), from.initialise.end());
}
void decode(const v1::Assignment& from, Assignment& to, Problems& problems) {
  to.term = from.term();
  to.origin = from.origin();
  to.step = from.step();
  to.number = from.number();
  decode(from.map(), to.map, problems);
  to.microbatches.assign(from.microbatches().begin(), from.microbatches().end());
  to.evaluations.assign(from.evaluations().begin(), from.evaluations().end());
  to.initialise.assign(from.initialise().begin(), from.initialise().end());
}

void encode(const EvaluationDone& from, v1::EvaluationDone& to) {
  to.set_term(from.term);
  to.set_origin(from.origin);
  to.set_version(from.version);
  to.set_index(from.index);
  encode(from.sum, *to.mutable_sum());
}
void decode(const v1::EvaluationDone& from, EvaluationDone& to, Problems& problems) {
  to.term = from.term();
  to.origin = from.origin();
  to.version = from.version();
  to.index = from.index();
  decode(from.sum(), to.sum, problems);
}

void encode(const WorkerHeartbeat& from, v1::WorkerHeartbeat& to) {
  to.set_term(from.term);
  to.set_step(from.step);
  to.set_number(from.number);
  encode(from.map, *to.mutable_map());
  to.set_leaving(from.leaving);
}
void decode(const v1::WorkerHeartbeat& from, WorkerHeartbeat& to, Problems& problems) {
  to.term = from.term();
  to.step = from.step();
  to.number = from.number();
  decode(from.map(), to.map, problems);
  to.leaving = from.leaving();
}

void encode(const Finish& from, v1::Finish& to) {
  to.set_term(from.term);
  to.set_failed(from.failed);
  to.set_reason(from.reason);
}
void decode(const v1::Finish& from, Finish& to, Problems&) {
  to.term = from.term();
  to.failed = from.failed();
  to.reason = from.reason();
}

// The body of a Frame that carries a message of this type.
#define BALLAST_BODY(Type, name) \
  v1::Type& body(v1::Frame& frame, const Type*) { return *frame.mutable_##name(); }
BALLAST_BODY(Appoint, appoint)
BALLAST_BODY(MembersChanged, members_changed)
BALLAST_BODY(OriginComplete, origin_complete)
BALLAST_BODY(PlanChanged, plan_changed)
BALLAST_BODY(AskRemove, ask_remove)
BALLAST_BODY(AskOrigin, ask_origin)
BALLAST_BODY(Progress, progress)
BALLAST_BODY(VerifyCheckpoint, verify_checkpoint)
BALLAST_BODY(DeleteCheckpoint, delete_checkpoint)
BALLAST_BODY(FindCheckpoint, find_checkpoint)
BALLAST_BODY(CheckpointVerified, checkpoint_verified)
BALLAST_BODY(CheckpointDeleted, checkpoint_deleted)
BALLAST_BODY(CheckpointsFound, checkpoints_found)
BALLAST_BODY(Seal, seal)
BALLAST_BODY(SealRefused, seal_refused)
BALLAST_BODY(Sealed, sealed)
BALLAST_BODY(MapUpdate, map_update)
BALLAST_BODY(MapAck, map_ack)
BALLAST_BODY(InitialisedReport, initialised_report)
BALLAST_BODY(Prepared, prepared)
BALLAST_BODY(OfferRecord, offer_record)
BALLAST_BODY(RecordHeld, record_held)
BALLAST_BODY(Commit, commit)
BALLAST_BODY(Applied, applied)
BALLAST_BODY(CaughtUp, caught_up)
BALLAST_BODY(WriteCheckpoint, write_checkpoint)
BALLAST_BODY(CheckpointWritten, checkpoint_written)
BALLAST_BODY(Join, join)
BALLAST_BODY(JoinAccepted, join_accepted)
BALLAST_BODY(JoinRefused, join_refused)
BALLAST_BODY(Redirect, redirect)
BALLAST_BODY(Assignment, assignment)
BALLAST_BODY(EvaluationDone, evaluation_done)
BALLAST_BODY(WorkerHeartbeat, worker_heartbeat)
BALLAST_BODY(Finish, finish)
#undef BALLAST_BODY

template <typename M, typename Body>
void decode_as(const Body& body, Message& message, Problems& problems) {
  decode(body, message.emplace<M>(), problems);
}

void decode_body(const v1::Frame& frame, Message& message, Problems& problems) {
  switch (frame.body_case()) {
    case v1::Frame::kAppoint:
      return decode_as<Appoint>(frame.appoint(), message, problems);
    case v1::Frame::kMembersChanged:
      return decode_as<MembersChanged>(frame.members_changed(), message, problems);
    case v1::Frame::kOriginComplete:
      return decode_as<OriginComplete>(frame.origin_complete(), message, problems);
    case v1::Frame::kPlanChanged:
      return decode_as<PlanChanged>(frame.plan_changed(), message, problems);
    case v1::Frame::kAskRemove:
      return decode_as<AskRemove>(frame.ask_remove(), message, problems);
    case v1::Frame::kAskOrigin:
      return decode_as<AskOrigin>(frame.ask_origin(), message, problems);
    case v1::Frame::kProgress:
      return decode_as<Progress>(frame.progress(), message, problems);
    case v1::Frame::kVerifyCheckpoint:
      return decode_as<VerifyCheckpoint>(frame.verify_checkpoint(), message, problems);
    case v1::Frame::kDeleteCheckpoint:
      return decode_as<DeleteCheckpoint>(frame.delete_checkpoint(), message, problems);
    case v1::Frame::kFindCheckpoint:
      return decode_as<FindCheckpoint>(frame.find_checkpoint(), message, problems);
    case v1::Frame::kCheckpointVerified:
      return decode_as<CheckpointVerified>(frame.checkpoint_verified(), message, problems);
    case v1::Frame::kCheckpointDeleted:
      return decode_as<CheckpointDeleted>(frame.checkpoint_deleted(), message, problems);
    case v1::Frame::kCheckpointsFound:
      return decode_as<CheckpointsFound>(frame.checkpoints_found(), message, problems);
    case v1::Frame::kSeal:
      return decode_as<Seal>(frame.seal(), message, problems);
    case v1::Frame::kSealRefused:
      return decode_as<SealRefused>(frame.seal_refused(), message, problems);
    case v1::Frame::kSealed:
      return decode_as<Sealed>(frame.sealed(), message, problems);
    case v1::Frame::kMapUpdate:
      return decode_as<MapUpdate>(frame.map_update(), message, problems);
    case v1::Frame::kMapAck:
      return decode_as<MapAck>(frame.map_ack(), message, problems);
    case v1::Frame::kInitialisedReport:
      return decode_as<InitialisedReport>(frame.initialised_report(), message, problems);
    case v1::Frame::kPrepared:
      return decode_as<Prepared>(frame.prepared(), message, problems);
    case v1::Frame::kOfferRecord:
      return decode_as<OfferRecord>(frame.offer_record(), message, problems);
    case v1::Frame::kRecordHeld:
      return decode_as<RecordHeld>(frame.record_held(), message, problems);
    case v1::Frame::kCommit:
      return decode_as<Commit>(frame.commit(), message, problems);
    case v1::Frame::kApplied:
      return decode_as<Applied>(frame.applied(), message, problems);
    case v1::Frame::kCaughtUp:
      return decode_as<CaughtUp>(frame.caught_up(), message, problems);
    case v1::Frame::kWriteCheckpoint:
      return decode_as<WriteCheckpoint>(frame.write_checkpoint(), message, problems);
    case v1::Frame::kCheckpointWritten:
      return decode_as<CheckpointWritten>(frame.checkpoint_written(), message, problems);
    case v1::Frame::kJoin:
      return decode_as<Join>(frame.join(), message, problems);
    case v1::Frame::kJoinAccepted:
      return decode_as<JoinAccepted>(frame.join_accepted(), message, problems);
    case v1::Frame::kJoinRefused:
      return decode_as<JoinRefused>(frame.join_refused(), message, problems);
    case v1::Frame::kRedirect:
      return decode_as<Redirect>(frame.redirect(), message, problems);
    case v1::Frame::kAssignment:
      return decode_as<Assignment>(frame.assignment(), message, problems);
    case v1::Frame::kEvaluationDone:
      return decode_as<EvaluationDone>(frame.evaluation_done(), message, problems);
    case v1::Frame::kWorkerHeartbeat:
      return decode_as<WorkerHeartbeat>(frame.worker_heartbeat(), message, problems);
    case v1::Frame::kFinish:
      return decode_as<Finish>(frame.finish(), message, problems);
    case v1::Frame::kHello:
      return problems.add("frame", "a second Hello");
    case v1::Frame::BODY_NOT_SET:
      return problems.add("frame", "carries no message that is known");
  }
}

}  // namespace

v1::Frame encode_frame(const Envelope& envelope) {
  v1::Frame frame;
  encode(envelope.from, *frame.mutable_from());
  encode(envelope.to, *frame.mutable_to());
  std::visit(
      [&]<typename M>(const M& message) {
        if constexpr (requires { body(frame, &message); }) {
          encode(message, body(frame, &message));
        } else {
          check_failed(__FILE__, __LINE__, "a data message on a control session");
        }
      },
      envelope.message);
  return frame;
}

Result<Envelope> decode_frame(const v1::Frame& frame) {
  Envelope envelope;
  Problems problems;
  decode(frame.from(), envelope.from, problems);
  decode(frame.to(), envelope.to, problems);
  decode_body(frame, envelope.message, problems);
  if (!problems.text().empty()) return fail(ErrorCode::kCorrupt, problems.text());
  return envelope;
}

v1::Frame encode_hello(const Hello& hello, const ProcessId& to) {
  v1::Frame frame;
  encode(hello.from, *frame.mutable_from());
  encode(to, *frame.mutable_to());
  v1::Hello& made = *frame.mutable_hello();
  made.set_protocol(hello.protocol);
  made.set_build(hello.build);
  made.set_job_uid(hello.job_uid);
  made.set_role(static_cast<v1::Role>(hello.role));
  made.set_process_id(hello.process_id);
  made.set_address(hello.address);
  made.set_session(hello.session);
  return frame;
}

Result<Hello> decode_hello(const v1::Frame& frame) {
  if (!frame.has_hello()) return fail(ErrorCode::kCorrupt, "the first frame is no Hello");
  Hello hello;
  Problems problems;
  decode(frame.from(), hello.from, problems);
  hello.protocol = frame.hello().protocol();
  hello.build = frame.hello().build();
  hello.job_uid = frame.hello().job_uid();
  hello.role = decode_enum(frame.hello().role(), Role::kWorker, "hello.role", problems);
  hello.process_id = frame.hello().process_id();
  hello.address = frame.hello().address();
  hello.session = frame.hello().session();
  if (hello.build.size() > 256) problems.add("hello.build", "has more than 256 bytes");
  if (hello.job_uid.size() > 256) problems.add("hello.job_uid", "has more than 256 bytes");
  if (!problems.text().empty()) return fail(ErrorCode::kCorrupt, problems.text());
  return hello;
}

}  // namespace ballast
