// Watches a world and says what broke a promise. Everything that computes is held against the
// reference, at the moment at which it happens; the first failure is kept.
//
// - Each microbatch counts exactly once in a committed step: record and root equal the reference's.
// - A record is made once; no step is skipped, repeated or undone: committed records in order.
// - No step commits before status calls its origin complete: FactCommitted against status.
// - No step commits before every replica in sync is prepared: Prepared under the record's map.
// - Enough members hold a record before it is committed: RecordHeld and Sealed.
// - A replica applies only what is committed: Apply.
// - Replicas of a version have equal bits: Apply, PullReply, Root, Copy.
// - At most one coordinator acts per term: appointments that were accepted.
// - A job goes back only to a checkpoint that is whole.
// - A flipped bit ends the job, which names the segment and the server.
// - The final evaluation equals the reference's; after healing the job ends in time (world.cc).
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>

#include "tests/sim/reference.h"
#include "tests/sim/store.h"

namespace ballast::sim {

class Checker {
 public:
  Checker(const Scenario& scenario, const Reference& reference)
      : scenario_(scenario), reference_(reference) {}

  void fail(std::string what);
  bool failed() const { return !failure_.empty(); }
  const std::string& failure() const { return failure_; }

  void coordinator_acts(Term term, const ProcessId& process);
  void sent(const ProcessId& from, const Message& message, const Values& payload);
  // `members`: what the coordinator has been told last.
  void committed(const ProcessId& coordinator, Term term, const Record& record,
                 Origin origin_of_status, const MemberList& members);
  void applied(const ProcessId& server, const Apply& effect, const Replica& replica);
  void copied(const ProcessId& server, SegmentId segment, const Replica& replica);
  void progress(const Progress& progress);
  // Status has given up an origin; the job stands at this version again.
  void went_back(Origin abandoned, Step version);
  void gave_up(Origin origin) { abandoned_.insert(origin); }
  // Nothing was committed since it went back, and it goes on from another version.
  void goes_back_instead(Step version);
  void done(const Progress& progress);
  // From here on this replica may hold and serve anything, and the job must fail.
  void flipped(const ProcessId& server, SegmentId segment) { flipped_ = {server, segment}; }
  void failed_by_flip(const std::string& reason);
  bool flips() const { return flipped_.has_value(); }

  Step next_step() const { return committed_.size(); }

 private:
  void check_payload(const std::string& what, SegmentId segment, const Values& expected,
                     const Values& payload);
  void check_replica(const ProcessId& server, SegmentId segment, const Replica& replica);
  void check_prepared(const Record& record);
  void remember_committed();  // among what the job may go back to

  const Scenario& scenario_;
  const Reference& reference_;
  std::string failure_;
  std::map<Term, ProcessId> coordinators_;
  std::map<MapVersion, SegmentMap> maps_;
  std::map<Step, std::set<ProcessId>> holders_;
  std::set<std::tuple<MapVersion, Step, SegmentId, ProcessId>> prepared_;
  std::vector<Record> committed_;  // by step
  // The same over all that the job has gone back from.
  std::vector<Record> ever_committed_;
  std::map<Step, std::set<ProcessId>> ever_held_;
  std::set<Origin> abandoned_;
  std::optional<std::pair<ProcessId, SegmentId>> flipped_;
};

}  // namespace ballast::sim
