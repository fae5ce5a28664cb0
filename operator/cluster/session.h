// The session with the coordinator that a job's status names: opened, followed and closed as the
// status changes; what comes over it becomes part of what decide() is shown. One thread at a time.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "operator/core/decide.h"
#include "operator/local/control_client.h"

namespace ballast::cluster {

class Session {
 public:
  // `notify`: something came; called from any thread.
  explicit Session(std::function<void()> notify) : notify_(std::move(notify)) {}

  // Opens or closes it as observed.status says, and takes what has come.
  void observe(decide::Observed& observed);
  void close(decide::Observed& observed);

  void send(const decide::SendAppoint& action, decide::Observed& observed);
  void send(const decide::SendMembers& action, decide::Observed& observed);
  void send(const decide::SendOrigin& action, decide::Observed& observed);
  void send(const decide::SendPlan& action, decide::Observed& observed);

 private:
  void keep(decide::Observed& observed);
  void take(local::ControlEvent event, decide::Observed& observed);
  void watch_commits(const local::Progress& progress, decide::Observed& observed);

  std::function<void()> notify_;
  std::unique_ptr<local::ControlClient> client_;
  int64_t standing_at_ = 0;  // the step of observed.standing_since_ms
};

}  // namespace ballast::cluster
