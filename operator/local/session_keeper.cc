#include "operator/local/session_keeper.h"

#include <utility>

#include "operator/core/advance.h"

namespace ballast::local {

void SessionKeeper::observe(decide::Observed& observed) {
  keep(observed);
  if (client_ == nullptr) return;
  for (ControlEvent& event : client_->take()) take(std::move(event), observed);
}

void SessionKeeper::close(decide::Observed& observed) {
  client_.reset();
  observed.session.reset();
}

void SessionKeeper::keep(decide::Observed& observed) {
  const api::TrainingJobStatus& status = observed.status;
  const auto member =
      std::find_if(status.members.begin(), status.members.end(), [&](const auto& known) {
        return known.name == status.coordinator &&
               known.incarnation == status.coordinator_incarnation;
      });
  const bool wanted = status.term > 0 && member != status.members.end();
  const bool same = client_ != nullptr && wanted && client_->options().name == member->name &&
                    client_->options().incarnation == member->incarnation;
  if (same || (client_ == nullptr && !wanted)) return;
  close(observed);
  if (!wanted) return;
  ControlClientOptions options;
  options.name = member->name;
  options.incarnation = member->incarnation;
  options.address = member->address;
  options.job_uid = observed.job.metadata.uid;
  if (options_.tls) options.tls = options_.tls(observed.job);
  options.notify = options_.notify;
  client_ = std::make_unique<ControlClient>(std::move(options));
}

void SessionKeeper::take(ControlEvent event, decide::Observed& observed) {
  if (const auto* opened = std::get_if<SessionOpened>(&event)) {
    observed.session = decide::CoordinatorSession{};
    observed.session->name = opened->name;
    observed.session->incarnation = opened->incarnation;
  } else if (const auto* closed = std::get_if<SessionClosed>(&event)) {
    observed.session.reset();
    last_failure_ = closed->reason;
    if (!closed->refused) return;
    // A server of ours that will never talk to us is as good as none.
    observed.report = decide::CoordinatorReport{};
    observed.report->term = observed.status.term;
    observed.report->phase = decide::CoordinatorPhase::kFailed;
    observed.report->failure =
        observed.status.coordinator + " refused the " + options_.who + ": " + closed->reason;
  } else if (const auto* progress = std::get_if<Progress>(&event)) {
    if (!observed.report || observed.report->term <= progress->report.term) {
      observed.report = progress->report;
    }
    if (progress->report.term == observed.status.term) watch_commits(*progress, observed);
    if (options_.progress) options_.progress(*progress);
  } else if (const auto* origin = std::get_if<decide::OriginRequest>(&event)) {
    observed.origin_request = *origin;
  } else if (const auto* remove = std::get_if<decide::RemoveRequest>(&event)) {
    decide::remember(observed, *remove);
  }
}

// Of the term in force.
void SessionKeeper::watch_commits(const Progress& progress, decide::Observed& observed) {
  observed.coordinator_heard_ms = observed.now_ms;
  if (!progress.training) {
    observed.standing_since_ms.reset();
  } else if (!observed.standing_since_ms || progress.report.step != standing_at_) {
    observed.standing_since_ms = observed.now_ms;
  }
  standing_at_ = progress.report.step;
}

void SessionKeeper::send(const decide::SendAppoint&, decide::Observed& observed) {
  client_->send_appoint(observed.job, observed.status);
  observed.session->told_term = observed.status.term;
  observed.session->told_members_number = observed.status.members_number;
  observed.session->told_plan_number = observed.status.plan_number;
}

void SessionKeeper::send(const decide::SendMembers&, decide::Observed& observed) {
  client_->send_members(observed.status);
  observed.session->told_members_number = observed.status.members_number;
  observed.remove_requests.clear();
}

void SessionKeeper::send(const decide::SendOrigin&, decide::Observed& observed) {
  client_->send_origin(observed.status);
  observed.session->told_origin = observed.status.origin;
  observed.origin_request.reset();
}

void SessionKeeper::send(const decide::SendPlan&, decide::Observed& observed) {
  client_->send_plan(observed.job, observed.status);
  observed.session->told_plan_number = observed.status.plan_number;
}

}  // namespace ballast::local
