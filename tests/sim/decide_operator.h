// The operator of production in a simulated world: observes, asks decide(), performs its actions in
// their order, as the backends for processes and for pods do. It may die between any two of them;
// a write may be done although its answer is never seen; the answer to a write that another was
// faster than is to look again. After a restart it may see an older status for a while.
//
// Connections to coordinators keep the order of what is sent and break when something is lost;
// what decide() is told of a session begins anew with each. Checkpoints are seen by servers alone:
// whoever the session is with reads and deletes them, and answers nothing when it dies meanwhile or
// the session breaks.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "operator/core/decide.h"
#include "tests/sim/authority.h"
#include "tests/sim/random.h"
#include "tests/sim/scenario.h"

namespace ballast::sim {

class DecideOperator final : public Authority {
 public:
  DecideOperator(OperatorView& view, Random& random, const Scenario& scenario);

  void tick(TimeMs now) override;
  void receive(const Envelope& envelope, TimeMs now) override;
  void crash() override;
  void restart(TimeMs now) override;
  void appoint_without_need(TimeMs now) override;
  void change_plan() override;
  void heal() override { healed_ = true; }

  bool up() const override { return up_; }
  const Status& status() const override { return summary_; }
  bool forgot_losses() const override { return store_.status.removed.empty() && !degraded(); }
  bool degraded() const override;
  bool ends_processes() const override { return true; }

 private:
  static constexpr TimeMs kVerifyMs = 60;
  static constexpr TimeMs kLatestWriteMs = 30;

  // What the API server holds.
  struct Store {
    uint64_t resource_version = 1;
    api::TrainingJob job;
    api::TrainingJobStatus status;
  };
  // What it sees of it, and what it knows beside.
  struct Memory {
    uint64_t resource_version = 0;
    decide::Observed observed;
    std::map<std::string, std::pair<uint64_t, TimeMs>> heard;  // by name: a life, when it answered
    ProcessId peer;                                            // of the session, or to be
    TimeMs opens_at_ms = 0;
    TimeMs stale_until_ms = 0;  // it does not hear yet what has changed
    uint64_t session = 0;       // its number
    uint64_t broken_session = 0;
    std::pair<Term, uint64_t> latest_progress;
    Step standing_at = 0;
  };

  void later(TimeMs delay, std::function<void()> action);  // unless it dies before
  void turn(TimeMs now);
  void look(bool stale);
  void observe(TimeMs now);
  void observe_processes(TimeMs now);
  void keep_session(TimeMs now);
  void take(const Envelope& envelope, TimeMs now);
  void take_progress(const Progress& progress, TimeMs now);
  void perform(std::vector<decide::Action> actions, size_t next);
  void perform(const decide::WriteStatus& write, std::vector<decide::Action> actions, size_t next);
  void store(const api::TrainingJobStatus& next);
  void perform_one(const decide::WriteStatus&) {}
  void perform_one(const decide::StartProcess& start);
  void perform_one(const decide::StopProcess& stop);
  void perform_one(const decide::SendAppoint& send);
  void perform_one(const decide::SendMembers& send);
  void perform_one(const decide::SendOrigin& send);
  void perform_one(const decide::SendPlan& send);
  void perform_one(const decide::VerifyCheckpoint& verify);
  void perform_one(const decide::FindCheckpoint&) {}  // a simulated job never goes on from another
  void perform_one(const decide::DeleteCheckpoint& remove);
  void perform_one(const decide::RemoveEnded&) {}  // nothing is left of them here
  void perform_one(const decide::DeleteJob&) {}
  void perform_one(const decide::Finish&) {}
  bool send(Message message);
  void drop_session();
  // When the server of the session has done what is in hand.
  void ask_server(const std::string& directory, std::function<void()> answer);
  void await_answer(uint64_t session, const std::string& directory, std::function<void()> answer);
  TrainingSettings training() const;
  void summarise(const api::TrainingJobStatus& before);

  OperatorView& view_;
  Random& random_;
  const Scenario& scenario_;

  Store store_;
  std::vector<Store> before_;
  Status summary_;       // of the store, as the world reads it
  Progress last_words_;  // of the coordinator whose job has ended
  // The parameters begin anew, by a wish or by a loss; from which checkpoint is not decided yet.
  struct GoesBack {
    Origin abandoned = 0;
    bool wished = false;
  };
  std::optional<GoesBack> goes_back_;
  std::string restored_from_;  // the checkpoint that the job went back to last

  bool up_ = true;
  bool healed_ = false;
  uint64_t life_ = 1;
  bool busy_ = false;
  std::vector<Envelope> inbox_;  // waits until it is no longer busy
  Memory memory_;
};

}  // namespace ballast::sim
