"""The defects of mutations.py: a name, what is then wrong, the file, the words that are replaced, and the program
that must see it. The words must occur exactly once."""

from dataclasses import dataclass

CORE = "services/core/"


@dataclass(frozen=True)
class Mutation:
    name: str
    what: str
    file: str
    edits: tuple
    program: str = "test_sim"


MUTATIONS = [
    # ---- a step
    Mutation("reply-before-the-backup-has-it", "a segment counts as prepared when one replica holds the root",
             CORE + "coordinator_step.cc",
             (("  segment.prepared |= bit;\n",
               "  segment.prepared |= all_replica_bits(state, message.segment);\n"),)),
    Mutation("acknowledged-and-not-kept", "a push is acknowledged, and its bytes are in no buffer",
             CORE + "server_push.cc",
             (("if (status == DataStatus::kOk && replica.root == 0) {",
               "if (status == DataStatus::kOk && replica.root == 0 && push.node % 5 != 4) {"),)),
    Mutation("microbatch-counted-twice", "a contribution that is contained in what is there is added again",
             CORE + "tree.cc",
             (("    plan.arrival = Arrival::kContained;\n    return plan;",
               "    plan.payload_into_existing = true;\n"
               "    plan.buffer = inside_previous ? std::prev(at)->buffer : at->buffer;\n    return plan;"),)),
    Mutation("evaluation-in-a-row", "the sums of an evaluation are added one after the other, not in the tree",
             CORE + "tree.cc",
             (("  while (sums.size() > 1) {\n    for (size_t i = 0; i < sums.size(); i += 2) {",
               "  while (sums.size() > 1) {\n"
               "    const LossSum last = sums.back();\n    sums.pop_back();\n"
               "    sums.back() = {sums.back().loss + last.loss, sums.back().tokens + last.tokens};\n"
               "    for (size_t i = 0; i < 0; i += 2) {"),
              ("    sums.resize((sums.size() + 1) / 2);\n", ""))),
    Mutation("leaf-not-reopened", "the microbatches of a lost worker go to nobody",
             CORE + "coordinator_workers.cc",
             (("  append(state.orphans, lost.mapped().microbatches);\n", ""),)),
    Mutation("not-pushed-again", "workers do not push again what a lost primary had",
             CORE + "worker_data.cc",
             (("      if (!there) {", "      if (!there && contribution.delivery != Delivery::kDone) {"),)),
    Mutation("record-not-held", "a record is committed as soon as one member holds it",
             CORE + "coordinator_step.cc",
             (("  return std::min<size_t>(std::max<uint32_t>(state.training().replication, 1),\n"
               "                          state.servers.size());", "  return 1;"),)),
    Mutation("record-said-to-be-held", "a server says that it holds a record, and does not",
             CORE + "server_commit.cc",
             (("  keep(state, offer.record);\n", ""),)),
    Mutation("record-made-anew", "a new coordinator makes a record where one exists",
             CORE + "coordinator_step.cc",
             (("if (state.adopted && state.adopted->step == state.step) {", "if (false) {"),)),
    Mutation("applied-before-committed", "a record is applied when it is offered",
             CORE + "server_commit.cc",
             (("  run.send(from, RecordHeld{state.promised, offer.record.step});",
               "  run.send(from, RecordHeld{state.promised, offer.record.step});\n"
               "  on_commit(run, from, Commit{offer.term, offer.record});"),)),
    Mutation("skip-not-counted", "a run of skipped steps is not counted",
             CORE + "training.cc",
             (("(previous ? previous->skipped_in_a_row : 0) + 1;", "1;"),)),
    Mutation("not-finite-applied", "a gradient that is not finite reaches the parameters",
             CORE + "training.cc",
             (("record.apply = sums.finite && std::isfinite(sums.sum_squares) &&\n",
               "record.apply = true || (std::isfinite(sums.sum_squares)) &&\n"),)),
    Mutation("bias-counts-skips", "skipped steps count in the bias corrections",
             CORE + "training.cc",
             (("+ (record.apply ? 1 : 0);", "+ 1;"),)),
    # ---- pulls and pushes
    Mutation("another-version-served", "a pull gets whatever version is there",
             CORE + "server_commit.cc",
             (("return pull.version < replica.version ? DataStatus::kGone : DataStatus::kOk;",
               "return DataStatus::kOk;"),)),
    Mutation("precision-forgotten", "a pull that waited is answered in fp32 whatever it asks for",
             CORE + "server_commit.cc",
             (("FromParameters{segment, parked.pull.precision}", "FromParameters{segment}"),)),
    # ---- terms, members, maps
    Mutation("promise-not-kept", "a server that has promised a term is sealed by a lower one",
             CORE + "server_membership.cc",
             (("message.term > state.promised &&", "message.term != state.promised &&"),)),
    Mutation("term-not-checked", "orders of lower terms are followed",
             CORE + "server_commit.cc",
             (("return term == state.promised && term != 0 && from == state.coordinator;", "return term != 0;"),
              ("RecordHeld{state.promised, offer.record.step}", "RecordHeld{offer.term, offer.record.step}"))),
    Mutation("stale-map-accepted", "an older map of the term replaces a newer one",
             CORE + "server_map.cc",
             (("if (message.map.version <= state.map.version && state.configured) {",
               "if (message.map.version == state.map.version && state.configured) {"),)),
    Mutation("prepared-under-another-map", "prepared counts whatever the map it was said under",
             CORE + "coordinator_step.cc",
             (("message.step != state.step || message.map != state.map.version ||", "message.step != state.step ||"),)),
    Mutation("acts-before-all-are-sealed", "a coordinator acts when the first member is sealed",
             CORE + "coordinator_seal.cc",
             (("const bool all = std::all_of(", "const bool all = std::any_of("),)),
    Mutation("removed-without-status", "a coordinator goes on without a lost member that status still lists",
             CORE + "coordinator_members.cc",
             (("  server.suspected = true;\n",
               "  MemberList left{run.state.members_number + 1, {}};\n"
               "  for (const auto& [id, other] : run.state.servers) {\n"
               "    if (&other != &server) left.members.push_back(other.member);\n"
               "  }\n"
               "  on_members_changed(run, MembersChanged{run.state.term(), left});\n"
               "  return;\n"),)),
    Mutation("incarnation-not-checked", "a member list counts a new life of a server for the one that was removed",
             CORE + "segment_map.cc",
             (("[&](const Member& member) { return member.id == id; });",
               "[&](const Member& member) { return member.id.name == id.name; });"),)),
    Mutation("origin-not-complete", "a step commits before status calls the origin complete",
             CORE + "coordinator_step.cc",
             (("    begin_training_when_initialised(run);\n  }\n}",
               "    begin_training_when_initialised(run);\n"
               "    on_origin_complete(run, OriginComplete{state.term(), state.origin});\n  }\n}"),)),
    # ---- replicas
    Mutation("root-lost-on-promotion", "a backup that becomes primary forgets the root that it holds",
             CORE + "server_map.cc",
             (("  replica.role = role;\n",
               "  if (role == ReplicaRole::kPrimary && before == ReplicaRole::kBackup) release_step(run, replica);\n"
               "  replica.role = role;\n"),)),
    Mutation("root-said-to-be-held", "a backup acknowledges a root that it did not keep",
             CORE + "server_push.cc",
             (("  if (message.step == holds && replica.root == 0) {",
               "  if (message.step == holds && replica.root == 0 && message.segment % 4 != 3) {"),)),
    Mutation("joining-promoted", "a replica that is still joining takes the place of a lost primary",
             CORE + "placement.cc",
             (("Placement placement{0, kept(old.backups), kept(old.joining)};",
               "Placement placement{0, kept(old.backups), kept(old.joining)};\n"
               "    if (placement.backups.empty()) std::swap(placement.backups, placement.joining);"),)),
    Mutation("admitted-too-early", "a joining replica is admitted without the root of the step before",
             CORE + "coordinator_members.cc",
             (("message.map > state.map.version || !message.has_root || message.version != state.step) {",
               "message.map > state.map.version || message.version != state.step) {"),)),
    Mutation("record-forgotten-in-seal", "a server does not report its records when it is sealed",
             CORE + "server_membership.cc",
             ((".replicas = {}, .records = state.records, .map = {}", ".replicas = {}, .records = {}, .map = {}"),)),
    Mutation("checksum-not-compared", "replicas that differ are not noticed",
             CORE + "coordinator_step.cc",
             (("} else if (segment.checksum != message.checksum) {", "} else if (false) {"),)),
    # ---- checkpoints
    Mutation("manifest-first", "the manifest is written before its parts are",
             CORE + "coordinator_finish.cc",
             (("    if (server == state.servers.end() || !server->second.part) {\n      return;\n    }\n"
               "    parts.push_back(*server->second.part);",
               "    if (server != state.servers.end() && server->second.part) "
               "parts.push_back(*server->second.part);"),)),
    Mutation("mixed-versions-in-a-checkpoint", "a part is written of whatever version a segment has",
             CORE + "server_commit.cc",
             (("state.replicas[segment].role == ReplicaRole::kNone ||\n"
               "        state.replicas[segment].version > order.version) {",
               "state.replicas[segment].role == ReplicaRole::kNone) {"),
              ("if (!state.replicas[segment].filled || state.replicas[segment].version < order.version) {",
               "if (!state.replicas[segment].filled) {"))),
    Mutation("restored-skips-forgotten", "a restored job forgets how many steps were applied",
             CORE + "coordinator_seal.cc",
             (("  last.applied_steps = event.applied_steps;\n", ""),)),
    # ---- the operator's half
    Mutation("last-whole-checkpoint-deleted", "what is too much is deleted whether or not anything whole is left",
             "operator/core/checkpoint_list.cc",
             (("const bool surplus = whole > draft_.observed.job.spec.checkpoint.keep && entry.verified;",
               "const bool surplus = static_cast<int64_t>(next_.checkpoints.size()) > "
               "draft_.observed.job.spec.checkpoint.keep;"),), "test_decide"),
    Mutation("begun-from-an-older-checkpoint", "parameters begin from a checkpoint while a newer one is unread",
             "operator/core/checkpoint_list.cc",
             (("    if (is_unread(*entry)) return false;\n", ""),), "test_decide"),
    Mutation("nobody-left-to-read", "servers of a job with an outcome end with checkpoints unread",
             "operator/core/decide.cc",
             (("if (observed_.checkpoints_by_servers && closing) return;", ""),), "test_decide"),
    Mutation("living-server-removed", "a server that may hold the last replica of a segment is removed though it lives",
             "operator/core/membership.cc",
             (("draft.observed.job.spec.servers.replication >= 2 &&\n"
               "         !is_true(draft.next, ConditionType::kDegraded);",
               "draft.observed.job.spec.servers.replication >= 2;"),), "test_decide"),
    Mutation("standing-still-not-noticed", "a coordinator that speaks and commits nothing stays",
             "operator/core/membership.cc",
             (("observed.now_ms - *observed.standing_since_ms >= kStandingMs;", "false;"),), "test_decide"),
    Mutation("unheard-member-ended", "a server that is not wanted is ended before it is known whether it is the member",
             "operator/core/decide.cc",
             (("(process.incarnation == 0 || member.incarnation", "(false || member.incarnation"),), "test_decide"),
    Mutation("told-before-written", "processes hear of a change before the status says so",
             "operator/core/decide.cc",
             (("  if (changed) decision.write(observed.status.version);\n  decision.look_after_checkpoints();",
               "  decision.look_after_checkpoints();"),
              ("  return decision.take();\n}", "  if (changed) decision.write(observed.status.version);\n"
               "  return decision.take();\n}")), "test_decide_properties"),
]
