#include "tests/sim/describe.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace ballast::sim {
namespace {

const char* name(JobPhase phase) {
  static constexpr const char* kNames[] = {"sealing",
                                           "waiting-for-workers",
                                           "initialising",
                                           "training",
                                           "final-evaluation",
                                           "checkpointing",
                                           "done",
                                           "failed",
                                           "lost",
                                           "suspended"};
  return kNames[static_cast<size_t>(phase)];
}

const char* name(DataStatus status) {
  static constexpr const char* kNames[] = {"ok",           "not-yet", "gone",
                                           "wrong-server", "stale",   "refused"};
  return kNames[static_cast<size_t>(status)];
}

std::string list_text(const MemberList& list) {
  std::string text = fmt::format("#{}[", list.number);
  for (const Member& member : list.members) {
    text += " " + describe(member.id);
  }
  return text + " ]";
}

std::string map_text(const SegmentMap& map) {
  std::string text = describe(map.version);
  for (const Placement& placement : map.segments) {
    text += fmt::format(" {}", placement.primary);
    for (const ServerIndex backup : placement.backups) {
      text += fmt::format("+{}", backup);
    }
    for (const ServerIndex joining : placement.joining) {
      text += fmt::format("~{}", joining);
    }
  }
  text += " of";
  for (const Member& member : map.servers) {
    text += " " + describe(member.id);
  }
  return text;
}

// A visitor, one line a type; what is not here prints its type's place in Message.
struct Text {
  std::string operator()(const Appoint& m) const {
    return fmt::format("Appoint term {} {} {} origin {} plan {}", m.term, list_text(m.members),
                       m.start == StartKind::kInitialise ? "initialise"
                       : m.start == StartKind::kContinue ? "continue"
                                                         : "restore",
                       m.origin, m.plan);
  }
  std::string operator()(const MembersChanged& m) const {
    return fmt::format("MembersChanged term {} {}", m.term, list_text(m.members));
  }
  std::string operator()(const OriginComplete& m) const {
    return fmt::format("OriginComplete term {} origin {}", m.term, m.origin);
  }
  std::string operator()(const PlanChanged& m) const {
    std::string leaving;
    for (const ProcessId& id : m.leaving) {
      leaving += " " + describe(id);
    }
    return fmt::format("PlanChanged term {} plan {}{}{}{}", m.term, m.plan,
                       leaving.empty() ? "" : ": away go", leaving, m.suspend ? ", suspend" : "");
  }
  std::string operator()(const AskRemove& m) const {
    return fmt::format("AskRemove term {} list {} {}: {}", m.term, m.number, describe(m.member),
                       m.reason);
  }
  std::string operator()(const AskOrigin& m) const {
    return fmt::format("AskOrigin term {} origin {}", m.term, m.origin);
  }
  std::string operator()(const Progress& m) const {
    return fmt::format("Progress term {} {} step {} workers {}{}{}{}", m.term, name(m.phase),
                       m.step, m.workers, m.degraded ? " degraded" : "",
                       m.failure.empty() ? "" : ": ", m.failure);
  }
  std::string operator()(const Seal& m) const {
    return fmt::format("Seal term {} by {}", m.term, describe(m.coordinator.id));
  }
  std::string operator()(const SealRefused& m) const {
    return fmt::format("SealRefused term {}", m.term);
  }
  std::string operator()(const Sealed& m) const {
    std::string text = fmt::format("Sealed term {}{}", m.term, m.identity ? "" : " empty");
    for (const ReplicaReport& r : m.replicas) {
      text += fmt::format(" {}:v{}{}{}@{}o{}", r.segment, r.version, r.has_root ? "r" : "",
                          r.was_primary ? "p" : "", describe(r.in_sync_under), r.origin);
    }
    for (const Record& record : m.records) {
      text += " " + describe(record);
    }
    return text;
  }
  std::string operator()(const MapUpdate& m) const {
    return fmt::format("MapUpdate term {} origin {} {}", m.term, m.origin, map_text(m.map));
  }
  std::string operator()(const MapAck& m) const {
    return fmt::format("MapAck {}", describe(m.map));
  }
  std::string operator()(const InitialisedReport& m) const {
    return fmt::format("InitialisedReport origin {} map {} segments {}", m.origin, describe(m.map),
                       fmt::join(m.segments, ","));
  }
  std::string operator()(const Prepared& m) const {
    return fmt::format("Prepared map {} step {} segment {}{}", describe(m.map), m.step, m.segment,
                       m.finite ? "" : " not finite");
  }
  std::string operator()(const OfferRecord& m) const { return "OfferRecord " + describe(m.record); }
  std::string operator()(const RecordHeld& m) const {
    return fmt::format("RecordHeld term {} step {}", m.term, m.step);
  }
  std::string operator()(const Commit& m) const {
    return fmt::format("Commit term {} {}", m.term, describe(m.record));
  }
  std::string operator()(const Applied& m) const {
    return fmt::format("Applied map {} version {}", describe(m.map), m.version);
  }
  std::string operator()(const CaughtUp& m) const {
    return fmt::format("CaughtUp map {} segment {} version {}{}", describe(m.map), m.segment,
                       m.version, m.has_root ? " with root" : "");
  }
  std::string operator()(const WriteCheckpoint& m) const {
    return fmt::format("WriteCheckpoint version {} attempt {} segments {}", m.version, m.attempt,
                       fmt::join(m.segments, ","));
  }
  std::string operator()(const CheckpointWritten& m) const {
    return fmt::format("CheckpointWritten version {} attempt {} {}", m.version, m.attempt, m.error);
  }
  // Of checkpoints, between an operator and servers: the simulated one asks the world instead.
  template <typename M>
  std::string operator()(const M&) const {
    return "a message about checkpoints";
  }
  std::string operator()(const Join&) const { return "Join"; }
  std::string operator()(const JoinAccepted& m) const {
    return fmt::format("JoinAccepted term {} origin {}", m.term, m.origin);
  }
  std::string operator()(const JoinRefused& m) const { return "JoinRefused " + m.reason; }
  std::string operator()(const Redirect& m) const {
    return fmt::format("Redirect term {} to {}", m.term,
                       m.coordinator ? describe(m.coordinator->id) : "?");
  }
  std::string operator()(const Assignment& m) const {
    return fmt::format(
        "Assignment term {} step {}.{} map {} microbatches {} evaluations {} initialise {}", m.term,
        m.step, m.number, describe(m.map), fmt::join(m.microbatches, ","),
        fmt::join(m.evaluations, ","), fmt::join(m.initialise, ","));
  }
  std::string operator()(const EvaluationDone& m) const {
    return fmt::format("EvaluationDone version {} index {}", m.version, m.index);
  }
  std::string operator()(const WorkerHeartbeat& m) const {
    return fmt::format("WorkerHeartbeat term {} step {}.{} map {}", m.term, m.step, m.number,
                       describe(m.map));
  }
  std::string operator()(const Finish& m) const {
    return fmt::format("Finish {} {}", m.failed ? "failed" : "done", m.reason);
  }
  std::string operator()(const Push& m) const {
    return fmt::format("Push term {} map {} step {} node {} segment {}", m.term, describe(m.map),
                       m.step, m.node, m.segment);
  }
  std::string operator()(const PushAck& m) const {
    return fmt::format("PushAck {} step {} node {} segment {} map {} now {}", name(m.status),
                       m.step, m.node, m.segment, describe(m.map), m.version);
  }
  std::string operator()(const Pull& m) const {
    return fmt::format("Pull term {} map {} version {} segment {}", m.term, describe(m.map),
                       m.version, m.segment);
  }
  std::string operator()(const PullReply& m) const {
    return fmt::format("PullReply {} version {} segment {} map {} now {}", name(m.status),
                       m.version, m.segment, describe(m.map), m.now);
  }
  std::string operator()(const PushInitial& m) const {
    return fmt::format("PushInitial term {} origin {} map {} segment {}", m.term, m.origin,
                       describe(m.map), m.segment);
  }
  std::string operator()(const PushInitialAck& m) const {
    return fmt::format("PushInitialAck {} segment {}", name(m.status), m.segment);
  }
  std::string operator()(const Root& m) const {
    return fmt::format("Root term {} map {} step {} segment {}{}", m.term, describe(m.map), m.step,
                       m.segment, m.previous ? " after " + describe(*m.previous) : "");
  }
  std::string operator()(const RootAck& m) const {
    return fmt::format("RootAck map {} step {} segment {}", describe(m.map), m.step, m.segment);
  }
  std::string operator()(const Copy& m) const {
    return fmt::format("Copy map {} version {} segment {} part {}/{}", describe(m.map), m.version,
                       m.segment, m.part, m.parts);
  }
  std::string operator()(const CopyAck& m) const {
    return fmt::format("CopyAck map {} version {} segment {} part {}", describe(m.map), m.version,
                       m.segment, m.part);
  }
};

}  // namespace

std::string describe(const ProcessId& id) { return fmt::format("{}/{}", id.name, id.incarnation); }

std::string describe(const MapVersion& version) {
  return fmt::format("{}.{}", version.term, version.number);
}

std::string describe(const Record& record) {
  return fmt::format("record {}{} (map {} origin {})", record.step, record.apply ? "" : " skip",
                     describe(record.map), record.origin);
}

std::string describe(const Message& message) { return std::visit(Text{}, message); }

std::string describe(const Event& event) {
  if (const auto* received = std::get_if<Received>(&event)) {
    return fmt::format("from {}: {}", describe(received->envelope.from),
                       describe(received->envelope.message));
  }
  if (const auto* lost = std::get_if<PeerLost>(&event)) {
    return fmt::format("PeerLost {}", describe(lost->peer));
  }
  if (const auto* ready = std::get_if<ContributionReady>(&event)) {
    return fmt::format("ContributionReady step {} node {} segment {}", ready->step, ready->node,
                       ready->segment);
  }
  if (const auto* ready = std::get_if<EvaluationReady>(&event)) {
    return fmt::format("EvaluationReady version {} index {}", ready->version, ready->index);
  }
  if (const auto* ready = std::get_if<InitialReady>(&event)) {
    return fmt::format("InitialReady segment {}", ready->segment);
  }
  if (const auto* summed = std::get_if<Summarised>(&event)) {
    return fmt::format("Summarised segment {} step {}", summed->segment, summed->step);
  }
  if (const auto* written = std::get_if<ManifestWritten>(&event)) {
    return fmt::format("ManifestWritten {} {}", written->directory, written->error);
  }
  return std::holds_alternative<Tick>(event) ? "" : "event";
}

std::string describe(const Effect& effect) {
  if (const auto* applied = std::get_if<Apply>(&effect)) {
    return fmt::format("Apply segment {} {}", applied->segment, describe(applied->record));
  }
  if (const auto* begin = std::get_if<BeginWork>(&effect)) {
    return fmt::format("BeginWork step {} nodes {} evaluations {}", begin->step,
                       fmt::join(begin->nodes, ","), fmt::join(begin->evaluations, ","));
  }
  if (const auto* fact = std::get_if<FactCommitted>(&effect)) {
    return "committed " + describe(fact->record);
  }
  if (const auto* fact = std::get_if<FactPhase>(&effect)) {
    return fmt::format("phase {} {}", name(fact->phase), fact->reason);
  }
  if (const auto* fact = std::get_if<FactRefused>(&effect)) {
    return fmt::format("refused {}: {}", describe(fact->from), fact->what);
  }
  if (const auto* fact = std::get_if<FactMember>(&effect)) {
    return fmt::format("member {} {}", describe(fact->id), fact->change);
  }
  if (const auto* drop = std::get_if<DropSegment>(&effect)) {
    return fmt::format("DropSegment {}", drop->segment);
  }
  if (const auto* initialise = std::get_if<InitialiseSegment>(&effect)) {
    return fmt::format("InitialiseSegment {}", initialise->segment);
  }
  if (const auto* discard = std::get_if<Discard>(&effect)) {
    return fmt::format("Discard below step {}", discard->step);
  }
  if (const auto* end = std::get_if<WorkerEnd>(&effect)) {
    return fmt::format("WorkerEnd{}{} {}", end->failed ? " failed" : "",
                       end->refused ? " refused" : "", end->reason);
  }
  if (std::holds_alternative<Configure>(effect)) {
    return "Configure";
  }
  return "";
}

}  // namespace ballast::sim
