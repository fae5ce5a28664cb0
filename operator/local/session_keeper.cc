#include "operator/local/session_keeper.h"

#include <utility>

#include "operator/core/advance.h"
#include "operator/core/checkpoint_list.h"
#include "operator/core/session_peer.h"

namespace ballast::local {

void SessionKeeper::observe(decide::Observed& observed) {
  keep(observed);
  // A server answers no question of a term that is over.
  if (asked_term_ != observed.status.term) ask_anew(observed);
  if (client_ == nullptr) return;
  for (ControlEvent& event : client_->take()) take(std::move(event), observed);
}

void SessionKeeper::close(decide::Observed& observed) {
  client_.reset();
  observed.session.reset();
  ask_anew(observed);
}

void SessionKeeper::ask_anew(decide::Observed& observed) {
  asked_term_ = observed.status.term;
  if (observed.checkpoints_by_servers) observed.in_hand.clear();
}

void SessionKeeper::keep(decide::Observed& observed) {
  const auto member = decide::session_peer(observed, observed.status);
  const bool same = client_ != nullptr && member && client_->options().name == member->name &&
                    client_->options().incarnation == member->incarnation;
  if (same || (client_ == nullptr && !member)) return;
  close(observed);
  if (!member) return;
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
    ask_anew(observed);
  } else if (const auto* closed = std::get_if<SessionClosed>(&event)) {
    observed.session.reset();
    ask_anew(observed);
    last_failure_ = closed->reason;
    if (!closed->refused) return;
    const std::string why = " refused the " + options_.who + ": " + closed->reason;
    const ControlClientOptions& peer = client_->options();
    if (peer.name != observed.status.coordinator ||
        peer.incarnation != observed.status.coordinator_incarnation) {
      // Who was only asked about checkpoints says nothing of the training.
      if (decide::seeks_checkpoint(observed, observed.status)) {
        observed.found = decide::FoundCheckpoints{};
        observed.found->error = peer.name + why;
      }
      return;
    }
    // A server of ours that will never talk to us is as good as none.
    observed.report = decide::CoordinatorReport{};
    observed.report->term = observed.status.term;
    observed.report->phase = decide::CoordinatorPhase::kFailed;
    observed.report->failure = observed.status.coordinator + why;
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
  } else {
    take_answer(event, observed);
  }
}

// What nobody has asked is no answer.
void SessionKeeper::take_answer(const ControlEvent& event, decide::Observed& observed) {
  const auto asked = [&](const std::string& what) {
    return observed.checkpoints_by_servers && std::erase(observed.in_hand, what) > 0;
  };
  if (const auto* read = std::get_if<CheckpointRead>(&event)) {
    if (!asked(read->check.directory)) return;
    observed.checked.push_back(read->check);
    auto& abandoned = observed.abandoned;
    if (read->check.error.empty())
      abandoned.insert(abandoned.end(), read->abandoned.begin(), read->abandoned.end());
  } else if (const auto* gone = std::get_if<CheckpointGone>(&event)) {
    if (!asked(gone->directory)) return;
    observed.deleted.push_back(gone->directory);
    if (!gone->error.empty() && options_.left_over)
      options_.left_over(gone->directory, gone->error);
  } else if (const auto* found = std::get_if<CheckpointsFound>(&event)) {
    if (asked(found->path)) observed.found = found->found;
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

void SessionKeeper::send(const decide::VerifyCheckpoint& action, decide::Observed& observed) {
  client_->send_verify(observed.status.term, observed.job.spec.checkpoint.path, action.directory);
  observed.in_hand.push_back(action.directory);
}

void SessionKeeper::send(const decide::DeleteCheckpoint& action, decide::Observed& observed) {
  client_->send_delete(observed.status.term, observed.job.spec.checkpoint.path, action.directory);
  observed.in_hand.push_back(action.directory);
}

void SessionKeeper::send(const decide::FindCheckpoint& action, decide::Observed& observed) {
  client_->send_find(observed.status.term, observed.job);
  observed.in_hand.push_back(action.path);
}

}  // namespace ballast::local
