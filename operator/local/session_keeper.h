// The session with the coordinator that a job's status names, or with a server that stands in for
// it (operator/core/session_peer.h): opened, followed and closed as the status changes; what comes
// over it becomes part of what decide() is shown. What was asked about checkpoints and not answered
// is not in hand any more with another session or term. One thread at a time.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "operator/core/decide.h"
#include "operator/local/control_client.h"

namespace ballast::local {

struct SessionKeeperOptions {
  std::string who;  // we are, in messages: "operator"
  // Of sessions with this job; empty, or nothing: without.
  std::function<std::optional<ControlTls>(const api::TrainingJob&)> tls;
  std::function<void()> notify;                   // something came; called from any thread
  std::function<void(const Progress&)> progress;  // may be empty; called by observe()
  // A checkpoint could not be deleted, and why. May be empty; called by observe().
  std::function<void(const std::string&, const std::string&)> left_over = {};
};

class SessionKeeper {
 public:
  explicit SessionKeeper(SessionKeeperOptions options) : options_(std::move(options)) {}

  // Opens or closes it as observed.status says, and takes what has come.
  void observe(decide::Observed& observed);
  void close(decide::Observed& observed);

  // Whether there is a coordinator to talk to.
  bool wanted() const { return client_ != nullptr; }
  // Why the last one ended; empty: none has.
  const std::string& last_failure() const { return last_failure_; }

  void send(const decide::SendAppoint& action, decide::Observed& observed);
  void send(const decide::SendMembers& action, decide::Observed& observed);
  void send(const decide::SendOrigin& action, decide::Observed& observed);
  void send(const decide::SendPlan& action, decide::Observed& observed);
  // Of checkpoints that servers alone see.
  void send(const decide::VerifyCheckpoint& action, decide::Observed& observed);
  void send(const decide::DeleteCheckpoint& action, decide::Observed& observed);
  void send(const decide::FindCheckpoint& action, decide::Observed& observed);

 private:
  void keep(decide::Observed& observed);
  void take(ControlEvent event, decide::Observed& observed);
  void take_answer(const ControlEvent& event, decide::Observed& observed);
  void ask_anew(decide::Observed& observed);
  void watch_commits(const Progress& progress, decide::Observed& observed);

  const SessionKeeperOptions options_;
  std::unique_ptr<ControlClient> client_;
  std::string last_failure_;
  int64_t standing_at_ = 0;  // the step of observed.standing_since_ms
  uint64_t asked_term_ = 0;  // of what is in hand of a server
};

}  // namespace ballast::local
