// Who belongs to a simulated job and who coordinates it: a status store with compare-and-swap, and
// the process that decides on it. Two of them: StatusOperator, the protocol of appointments in its
// shortest form, which does what is allowed and not only what is wise; and DecideOperator, which
// asks the decide() of production. What either knows beyond the status is gone when it dies.
//
// Invariant: status changes only from the version that a decision was made on; members change
// before anybody is told; a removed incarnation never comes back.
#pragma once

#include <functional>
#include <set>
#include <string>
#include <vector>

#include "operator/core/observed.h"
#include "services/core/messages.h"

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

// What it sees of the world and does to it.
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
  // From now on nothing of this origin counts; went_back() tells where the job stands.
  virtual void gave_up(Origin origin) = 0;
  // The latest return has led to nothing yet, and another checkpoint is gone back to.
  virtual void goes_back_instead(const std::string& checkpoint) = 0;
  virtual void heard(const Progress& progress, const Status& status) = 0;

  // For DecideOperator, who starts and ends the processes itself.
  virtual std::vector<decide::Process> processes() = 0;  // incarnations, and nothing heard
  virtual bool answers(const std::string& process) = 0;  // when it is asked now
  virtual void start(const std::string& process, uint64_t instance, uint64_t status_version) = 0;
  virtual void end(const std::string& process, uint64_t instance, bool kill) = 0;
  // On a connection, which keeps the order; false: it broke, and the message may be lost.
  virtual bool send_in_order(const ProcessId& to, Message message) = 0;
  virtual void removed_alive(const ProcessId& id) = 0;
  virtual void note(const std::string& line) = 0;  // for the trace
  virtual void delete_checkpoint(const std::string& checkpoint) = 0;
};

class Authority {
 public:
  static constexpr TimeMs kTickMs = 100;

  virtual ~Authority() = default;
  virtual void tick(TimeMs now) = 0;
  virtual void receive(const Envelope& envelope, TimeMs now) = 0;
  virtual void crash() = 0;
  virtual void restart(TimeMs now) = 0;
  // Faults and wishes.
  virtual void appoint_without_need(TimeMs now) = 0;
  virtual void change_plan() = 0;
  virtual void heal() = 0;

  virtual bool up() const = 0;
  virtual const Status& status() const = 0;
  // Status names no life of a server that is being lost.
  virtual bool forgot_losses() const = 0;
  // What it says of the replicas; nothing is to be lost while they are missing.
  virtual bool degraded() const = 0;
  // When the job has its outcome, it also ends the processes.
  virtual bool ends_processes() const = 0;
};

}  // namespace ballast::sim
