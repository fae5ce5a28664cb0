// The protocol of appointments, removals and plans in its shortest form: it does what is allowed to
// an operator, at moments that a wise one would not choose. It may die between any two writes and
// sends, and begin with an older status.
#pragma once

#include <functional>

#include "tests/sim/authority.h"
#include "tests/sim/random.h"

namespace ballast::sim {

class StatusOperator final : public Authority {
 public:
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

  void tick(TimeMs now) override;
  void receive(const Envelope& envelope, TimeMs now) override;
  void crash() override;
  void restart(TimeMs now) override;
  void appoint_without_need(TimeMs now) override;
  void change_plan() override;
  void heal() override { replaces_stalled_ = false; }

  bool up() const override { return up_; }
  const Status& status() const override { return status_; }
  bool forgot_losses() const override { return true; }  // as soon as the member list has
  bool degraded() const override { return false; }      // the world knows better
  bool ends_processes() const override { return false; }

 private:
  void write(std::function<void(Status&)> change, std::function<void()> then);
  void start_job();
  void appoint(TimeMs now);
  JobPhase phase() const;
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
  std::vector<Share> shares(const std::string& role) const;

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
  std::string verifying_;                // the latest checkpoint that was read back or is
  std::string verified_;                 // the latest that was, whole or not
  JobPhase phase_ = JobPhase::kSealing;  // of heard_term_; see phase()
  PlanNumber followed_ = 0;              // the plan that the coordinator says it follows
};

}  // namespace ballast::sim
