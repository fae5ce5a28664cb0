// The beginning of a term: every member promises to refuse lower terms and reports what it holds;
// then the replicas that win are chosen, and the job goes on where they stand.
#include <algorithm>

#include <fmt/format.h>

#include "services/core/arrangement.h"
#include "services/core/coordinator_steps.h"

namespace ballast::coordinator {
namespace {

struct Candidate {
  ProcessId server;
  ReplicaReport report;
};

// What the sealed members know together.
struct Findings {
  std::vector<std::vector<Candidate>> segments;  // replicas of the right origin, by SegmentId
  std::vector<Record> records;
};

const Record* find_record(const Findings& findings, Step step) {
  for (const Record& record : findings.records) {
    if (record.step == step) {
      return &record;
    }
  }
  return nullptr;
}

bool has_origin(const Sealed& report, Origin origin) {
  return std::any_of(report.replicas.begin(), report.replicas.end(),
                     [&](const ReplicaReport& replica) { return replica.origin == origin; });
}

// Every commit under a map needs all replicas in sync in it, so that one at least of each segment
// that is still there knows the map.
const SegmentMap* newest_map(const CoordinatorState& state, uint32_t segment_count) {
  const SegmentMap* newest = nullptr;
  for (const auto& [server, report] : state.reports) {
    const bool usable = report.map && report.map->segments.size() == segment_count &&
                        report.map->consistent() && has_origin(report, state.origin);
    if (usable && (newest == nullptr || report.map->version > newest->version)) {
      newest = &*report.map;
    }
  }
  return newest;
}

Findings gather(const CoordinatorState& state, uint32_t segment_count) {
  Findings findings;
  findings.segments.resize(segment_count);
  const SegmentMap* map = newest_map(state, segment_count);
  for (const auto& [server, report] : state.reports) {
    for (const ReplicaReport& replica : report.replicas) {
      if (map != nullptr && replica.origin == state.origin && replica.segment < segment_count &&
          map->in_sync(replica.segment, server)) {
        findings.segments[replica.segment].push_back({server, replica});
      }
    }
    for (const Record& record : report.records) {
      if (record.origin == state.origin) {
        findings.records.push_back(record);
      }
    }
  }
  return findings;
}

// Version that the replica reaches by itself: with the root and the record of its version, the next
// one.
Step reach(const Findings& findings, const ReplicaReport& replica) {
  const bool decided = replica.has_root && find_record(findings, replica.version) != nullptr;
  return replica.version + (decided ? 1 : 0);
}

// Keeps the highest version; the one to be primary comes first.
void keep_winners(const Findings& findings, std::vector<Candidate>& candidates) {
  Step highest = 0;
  for (const Candidate& candidate : candidates) {
    highest = std::max(highest, reach(findings, candidate.report));
  }
  std::erase_if(candidates, [&](const Candidate& candidate) {
    const Step reached = reach(findings, candidate.report);
    return reached < highest && candidate.report.version < highest;
  });
  std::stable_sort(candidates.begin(), candidates.end(),
                   [](const Candidate& a, const Candidate& b) {
                     const auto rank = [](const ReplicaReport& r) {
                       return std::tuple{r.version, r.has_root, r.was_primary};
                     };
                     return rank(a.report) > rank(b.report);
                   });
}

const JobIdentity* find_identity(const CoordinatorState& state) {
  for (const auto& [server, report] : state.reports) {
    if (has_origin(report, state.origin) && report.identity) {
      return &*report.identity;
    }
  }
  return nullptr;
}

std::vector<Member> members_of(const CoordinatorState& state) {
  std::vector<Member> members;
  for (const auto& [id, server] : state.servers) {
    members.push_back(server.member);
  }
  return members;
}

SegmentMap map_of(const CoordinatorState& state, const Findings& findings) {
  SegmentMap map{.version = {state.term(), 0}, .servers = members_of(state), .segments = {}};
  for (const auto& candidates : findings.segments) {
    Placement placement;
    placement.primary = *map.index_of(candidates.front().server);
    for (size_t i = 1; i < candidates.size(); ++i) {
      placement.backups.push_back(*map.index_of(candidates[i].server));
    }
    map.segments.push_back(std::move(placement));
  }
  add_joining(map, arrangement(state));
  return map;
}

void continue_job(Run& run) {
  CoordinatorState& state = run.state;
  state.origin = state.appoint.origin;
  state.origin_complete = true;
  const JobIdentity* identity = find_identity(state);
  if (identity == nullptr) {
    lose_job(run, "no server holds parameters to continue from");
    return;
  }
  state.identity = *identity;
  const Segments cut{identity->layout.elements, state.training().segment_elements};
  Findings findings = gather(state, cut.count());
  Step version = 0;
  for (SegmentId segment = 0; segment < cut.count(); ++segment) {
    auto& candidates = findings.segments[segment];
    keep_winners(findings, candidates);
    if (candidates.empty()) {
      lose_job(run, fmt::format("all replicas of segment {} are lost", segment));
      return;
    }
    version = std::max(version, candidates.front().report.version);
  }
  for (SegmentId segment = 0; segment < cut.count(); ++segment) {
    const ReplicaReport& best = findings.segments[segment].front().report;
    if (best.version != version && reach(findings, best) != version) {
      lose_job(run, fmt::format("segment {} stands at version {}, others at {}: its replicas with "
                                "the step between are lost",
                                segment, best.version, version));
      return;
    }
  }
  state.step = version;
  if (version > 0) {
    const Record* last = find_record(findings, version - 1);
    if (last == nullptr) {
      lose_job(run, fmt::format("no server holds the record of step {}", version - 1));
      return;
    }
    state.last = *last;
  }
  if (const Record* next = find_record(findings, version)) {
    state.adopted = *next;
  }
  state.leaving_since = version + 1;  // whoever holds what is adopted
  publish_map(run, map_of(state, findings));
  state.phase = JobPhase::kTraining;
  begin_step(run);
}

}  // namespace

Member self_of(const CoordinatorState& state) {
  const auto self = state.servers.find(state.self);
  return self == state.servers.end() ? Member{state.self, "", ""} : self->second.member;
}

void send_seal(Run& run, ServerInfo& server) {
  server.seal_sent_ms = run.now;
  run.send(server.member.id, Seal{run.state.term(), self_of(run.state), run.state.members_number});
}

void on_sealed(Run& run, const ProcessId& from, const Sealed& message) {
  CoordinatorState& state = run.state;
  const auto server = state.servers.find(from);
  if (message.term != state.term() || server == state.servers.end() || server->second.sealed) {
    return;
  }
  server->second.sealed = true;
  if (state.phase == JobPhase::kSealing) {
    state.reports[from] = message;
    act_when_sealed(run);
  } else {
    take_in(run);
  }
}

void on_seal_refused(Run& run, const SealRefused& message) {
  if (message.term > run.state.term()) {
    retire(run);
  }
}

void act_when_sealed(Run& run) {
  CoordinatorState& state = run.state;
  const bool all = std::all_of(state.servers.begin(), state.servers.end(),
                               [](const auto& entry) { return entry.second.sealed; });
  if (state.phase != JobPhase::kSealing || !all || state.servers.empty()) {
    return;
  }
  switch (state.appoint.start) {
    case StartKind::kInitialise:
      state.origin = state.term();
      enter(run, JobPhase::kWaitingForWorkers);
      break;
    case StartKind::kContinue:
      continue_job(run);
      break;
    case StartKind::kRestore:
      state.origin = state.term();
      run.out.push_back(ReadManifest{state.appoint.restore_from, state.training()});
      break;
  }
  state.reports.clear();
  answer_waiting(run);
}

// The checkpoint says which job this is; servers read their segments as their part of the map.
void on_manifest_read(Run& run, const ManifestRead& event) {
  CoordinatorState& state = run.state;
  if (state.phase != JobPhase::kSealing || state.origin != state.term() ||
      event.directory != state.appoint.restore_from) {
    return;
  }
  if (!event.error.empty()) {
    fail_job(run, fmt::format("{} cannot be restored: {}", event.directory, event.error));
    return;
  }
  state.identity = event.identity;
  state.step = event.version;
  Record last;
  last.step = event.version == 0 ? 0 : event.version - 1;
  last.origin = state.origin;
  last.applied_steps = event.applied_steps;
  last.skipped_in_a_row = event.skipped_in_a_row;
  last.apply = event.skipped_in_a_row == 0;
  state.restore = Restore{event.directory, event.version, last};
  state.last = last;
  begin_initialisation(run);
  answer_waiting(run);
}

}  // namespace ballast::coordinator
