// The operator of a simulated world: a status store with compare-and-swap, and the process that
// appoints, grants removals and tells of members. The process may die between any two writes and
// sends; what it knows beyond the status is then gone.
//
// Invariant: status changes only from the resource version that a decision was made on; members
// change before anybody is told; a removed incarnation never comes back.
#pragma once

#include <functional>
#include <set>

#include "services/core/messages.h"
#include "tests/sim/random.h"

namespace ballast::sim {

struct Status {
  uint64_t resource_version = 0;
  Term term = 0;
  ProcessId coordinator;
  MemberList members;
  std::set<ProcessId> removed;
  PlanNumber plan = 0;
  uint32_t wanted_servers = 0;  // those of the lowest numbers
  uint64_t checkpoint_every = 0;
  bool suspend = false;
  Origin origin = 0;         // complete
  std::string checkpoint;    // the latest that is complete
  std::string restore_from;  // what the next origin begins with; empty: initial values
  bool finished = false;
  Progress outcome;  // of kDone or kFailed
};

// What the operator sees of the world and does to it.
class OperatorView {
 public:
  virtual ~OperatorView() = default;
  virtual std::vector<Member> live_servers() = 0;  // as observed: somewhat late
  virtual bool known_gone(const ProcessId& id) = 0;
  // The other members' reports agree that `id` is cut off, and no other server is being lost. True:
  // the removal counts as the one loss at a time, and the process is replaced.
  virtual bool may_remove_living(const ProcessId& id, const MemberList& members) = 0;
  virtual uint32_t number_of(const ProcessId& server) = 0;  // "ps-3": 3
  virtual void left(const ProcessId& server) = 0;           // no member any more: it is ended
  virtual void send(const ProcessId& to, Message message) = 0;
  virtual void later(TimeMs delay, std::function<void()> action) = 0;
  virtual void appointed(Term term, const ProcessId& coordinator) = 0;
  virtual bool is_whole(const std::string& checkpoint) = 0;
  // `wished`: after a suspension, which loses nothing.
  virtual void went_back(Origin abandoned, const std::string& checkpoint, bool wished) = 0;
  virtual void heard(const Progress& progress, const Status& status) = 0;
};

class StatusOperator {
 public:
  static constexpr TimeMs kTickMs = 100;
  static constexpr TimeMs kSilenceMs = 4000;  // no Progress for so long: another coordinator
  // Training, but nothing committed; doubled each time. Only while there are faults: in a world
  // without any the machines must go on by themselves.
  static constexpr TimeMs kStallMs = 8000;
  static constexpr TimeMs kRepeatMs = 700;  // of Appoint and MembersChanged
  static constexpr TimeMs kVerifyMs = 60;   // to read a checkpoint back

  // `servers`: that the job begins with; `most`: that it may have.
  StatusOperator(OperatorView& view, Random& random, uint32_t servers, uint32_t most,
                 const TrainingSettings& training, uint32_t stale_per_mille)
      : view_(view),
        random_(random),
        servers_(servers),
        most_(most),
        training_(training),
        stale_per_mille_(stale_per_mille) {
    status_.wanted_servers = most;
    status_.checkpoint_every = training.checkpoint_every;
    seen_ = status_;
  }

  void tick(TimeMs now);
  void receive(const Envelope& envelope, TimeMs now);
  void crash();
  void restart(TimeMs now);
  void appoint_without_need(TimeMs now);
  void change_plan();
  void heal() { replaces_stalled_ = false; }

  bool up() const { return up_; }
  const Status& status() const { return status_; }

 private:
  void write(std::function<void(Status&)> change, std::function<void()> then);
  void start_job();
  void appoint(TimeMs now);
  bool parts_are_lost();
  bool rests() const;
  void go_back(TimeMs now);
  void send_appointment();
  void add_members();
  void remove(const AskRemove& ask);
  void verify(const Progress& progress);
  void on_progress(const Progress& progress, TimeMs now);

  OperatorView& view_;
  Random& random_;
  bool wanted(const ProcessId& server) const;
  std::vector<Member> wanted_live_servers() const;
  std::vector<ProcessId> leaving() const;
  TrainingSettings training() const;
  void leave(const AskRemove& ask);
  void send_plan();

  const uint32_t servers_;
  const uint32_t most_;
  const TrainingSettings& training_;
  const uint32_t stale_per_mille_;

  Status status_;                              // outlives the process
  std::vector<Status> before_;                 // what it was
  std::pair<Term, uint64_t> latest_progress_;  // likewise: connections keep the order of messages

  bool up_ = true;
  uint64_t life_ = 1;
  Status seen_;  // what every decision is made on; maybe an older one
  bool writing_ = false;
  Term heard_term_ = 0;  // of the latest Progress; status's term: the appointment has arrived
  TimeMs heard_at_ms_ = 0;
  TimeMs commit_at_ms_ = 0;
  TimeMs repeat_at_ms_ = 0;
  TimeMs stall_ms_ = kStallMs;
  bool replaces_stalled_ = true;
  Step step_ = 0;
  std::string verifying_;  // the latest checkpoint that was read back or is
  std::string verified_;   // the latest that was, whole or not
  JobPhase phase_ = JobPhase::kSealing;
  PlanNumber followed_ = 0;  // the plan that the coordinator says it follows
};

}  // namespace ballast::sim
