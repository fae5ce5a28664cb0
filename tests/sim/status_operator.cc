#include "tests/sim/status_operator.h"

#include <algorithm>

namespace ballast::sim {

// One write at a time. The store performs it although the operator may have died meanwhile; what
// should follow is then not done.
void StatusOperator::write(std::function<void(Status&)> change, std::function<void()> then) {
  writing_ = true;
  const uint64_t expected = status_.resource_version;
  const uint64_t life = life_;
  const auto delay = random_.between(1, 30);
  view_.later(delay,
              [this, expected, life, change = std::move(change), then = std::move(then)]() mutable {
                const bool fits = status_.resource_version == expected;
                if (fits) {
                  change(status_);
                  ++status_.resource_version;
                }
                view_.later(random_.between(0, 10), [this, fits, life, then = std::move(then)] {
                  if (up_ && life_ == life) {
                    writing_ = false;
                    if (fits) {
                      then();
                    }
                  }
                });
              });
}

void StatusOperator::tick(TimeMs now) {
  if (up_ && status_.term > 0) {
    for (const Member& server : view_.live_servers()) {
      if (!wanted(server.id) && status_.members.find(server.id) == nullptr) {
        view_.left(server.id);
      }
    }
  }
  if (!up_ || writing_ || status_.finished) {
    return;
  }
  if (status_.term == 0) {
    start_job();
    return;
  }
  if (parts_are_lost()) {
    go_back(now);
    return;
  }
  const bool leaves = status_.members.find(status_.coordinator) != nullptr &&
                      !wanted(status_.coordinator) && heard_term_ == status_.term &&
                      phase_ >= JobPhase::kTraining && random_.chance(300);
  const bool stalled = phase_ == JobPhase::kTraining && now - commit_at_ms_ > stall_ms_;
  if (view_.known_gone(status_.coordinator) || now - heard_at_ms_ > kSilenceMs || stalled ||
      leaves) {
    if (stalled) {
      stall_ms_ *= 2;
    }
    appoint(now);
    return;
  }
  if (now >= repeat_at_ms_) {
    repeat_at_ms_ = now + kRepeatMs;
    if (heard_term_ != status_.term) {
      send_appointment();
    } else {
      view_.send(status_.coordinator, MembersChanged{status_.term, status_.members});
      send_plan();
    }
  }
  add_members();
}

bool StatusOperator::wanted(const ProcessId& server) const {
  return view_.number_of(server) < status_.wanted_servers;
}

std::vector<Member> StatusOperator::wanted_live_servers() const {
  std::vector<Member> servers = view_.live_servers();
  std::erase_if(servers, [&](const Member& server) { return !wanted(server.id); });
  return servers;
}

std::vector<ProcessId> StatusOperator::leaving() const {
  std::vector<ProcessId> servers;
  for (const Member& member : status_.members.members) {
    if (!wanted(member.id)) {
      servers.push_back(member.id);
    }
  }
  return servers;
}

TrainingSettings StatusOperator::training() const {
  TrainingSettings training = training_;
  training.checkpoint_every = status_.checkpoint_every;
  return training;
}

void StatusOperator::start_job() {
  std::vector<Member> servers = wanted_live_servers();
  if (servers.size() < servers_) {
    return;
  }
  const ProcessId coordinator = random_.pick(servers).id;
  write(
      [servers, coordinator](Status& status) {
        status.members = {1, servers};
        status.term = 1;
        status.plan = 1;
        status.coordinator = coordinator;
      },
      [this] {
        view_.appointed(status_.term, status_.coordinator);
        send_appointment();
      });
}

// Some segment has no replica any more, as far as can be seen.
bool StatusOperator::parts_are_lost() {
  const auto gone = [&](const Member& member) { return view_.known_gone(member.id); };
  const auto& members = status_.members.members;
  return phase_ == JobPhase::kLost || std::all_of(members.begin(), members.end(), gone) ||
         (training_.replication < 2 && std::any_of(members.begin(), members.end(), gone));
}

// With as many servers as at the beginning, in one write.
void StatusOperator::go_back(TimeMs now) {
  std::vector<Member> servers = wanted_live_servers();
  if (servers.size() < std::min(servers_, status_.wanted_servers)) {
    return;
  }
  heard_at_ms_ = commit_at_ms_ = now;
  const ProcessId coordinator = random_.pick(servers).id;
  std::erase_if(servers, [&](const Member& m) { return status_.removed.contains(m.id); });
  write(
      [this, servers, coordinator](Status& status) {
        status.members = {status.members.number + 1, servers};
        ++status.term;
        status.coordinator = coordinator;
        if (status.origin != 0) {
          status.restore_from = status.checkpoint;
          view_.went_back(status.origin, status.restore_from);
        }
        status.origin = 0;
      },
      [this] {
        phase_ = JobPhase::kSealing;
        view_.appointed(status_.term, status_.coordinator);
        send_appointment();
      });
}

void StatusOperator::appoint(TimeMs now) {
  heard_at_ms_ = commit_at_ms_ = now;
  std::vector<ProcessId> candidates;
  for (const Member& member : view_.live_servers()) {
    if (status_.members.find(member.id) != nullptr) {
      candidates.push_back(member.id);
    }
  }
  if (std::any_of(candidates.begin(), candidates.end(),
                  [&](const auto& id) { return wanted(id); })) {
    std::erase_if(candidates, [&](const auto& id) { return !wanted(id); });
  }
  if (candidates.size() > 1) {
    std::erase(candidates, status_.coordinator);
  }
  if (candidates.empty()) {
    return;
  }
  const ProcessId coordinator = random_.pick(candidates);
  write(
      [coordinator](Status& status) {
        ++status.term;
        status.coordinator = coordinator;
      },
      [this] {
        phase_ = JobPhase::kSealing;
        view_.appointed(status_.term, status_.coordinator);
        send_appointment();
      });
}

void StatusOperator::send_appointment() {
  Appoint appoint;
  appoint.term = status_.term;
  appoint.members = status_.members;
  appoint.plan = status_.plan;
  appoint.start = status_.origin != 0            ? StartKind::kContinue
                  : status_.restore_from.empty() ? StartKind::kInitialise
                                                 : StartKind::kRestore;
  appoint.restore_from = status_.restore_from;
  appoint.origin = status_.origin;
  appoint.training = training();
  appoint.leaving = leaving();
  view_.send(status_.coordinator, appoint);
}

// A server that lives and is no member becomes one; its name's earlier incarnation must be removed
// first.
void StatusOperator::add_members() {
  MemberList list = status_.members;
  for (const Member& server : wanted_live_servers()) {
    const bool name_taken =
        std::any_of(list.members.begin(), list.members.end(),
                    [&](const Member& m) { return m.id.name == server.id.name; });
    if (!name_taken && !status_.removed.contains(server.id)) {
      list.members.push_back(server);
    }
  }
  if (list.members.size() == status_.members.members.size()) {
    return;
  }
  std::sort(list.members.begin(), list.members.end(),
            [](const Member& a, const Member& b) { return a.id < b.id; });
  ++list.number;
  write([list](Status& status) { status.members = list; },
        [this] {
          view_.send(status_.coordinator, MembersChanged{status_.term, status_.members});
        });
}

void StatusOperator::remove(const AskRemove& ask) {
  if (writing_ || ask.term != status_.term) {
    return;
  }
  const Member* member = status_.members.find(ask.member);
  if (member == nullptr) {
    view_.send(status_.coordinator, MembersChanged{status_.term, status_.members});
    return;
  }
  if (ask.left) {
    leave(ask);
    return;
  }
  if (status_.members.members.size() < 2 ||
      (!view_.known_gone(ask.member) && !view_.may_remove_living(ask.member, status_.members))) {
    return;
  }
  write(
      [id = ask.member](Status& status) {
        std::erase_if(status.members.members, [&](const Member& m) { return m.id == id; });
        ++status.members.number;
        status.removed.insert(id);
      },
      [this] {
        view_.send(status_.coordinator, MembersChanged{status_.term, status_.members});
      });
}

// It has given all its segments away, as the plan in force wants.
void StatusOperator::leave(const AskRemove& ask) {
  if (wanted(ask.member)) {
    return;
  }
  write(
      [id = ask.member](Status& status) {
        std::erase_if(status.members.members, [&](const Member& m) { return m.id == id; });
        ++status.members.number;
        status.removed.insert(id);
      },
      [this] {
        view_.send(status_.coordinator, MembersChanged{status_.term, status_.members});
      });
}

void StatusOperator::on_progress(const Progress& progress, TimeMs now) {
  const std::pair order{progress.term, progress.number};
  if (progress.term != status_.term || status_.finished || order <= latest_progress_) {
    return;
  }
  latest_progress_ = order;
  heard_term_ = progress.term;
  heard_at_ms_ = now;
  phase_ = progress.phase;
  if (progress.step > step_ || progress.phase != JobPhase::kTraining) {
    step_ = std::max(step_, progress.step);
    commit_at_ms_ = now;
  }
  if (!progress.checkpoint.empty()) {
    status_.checkpoint = progress.checkpoint;
  }
  view_.heard(progress, status_);
  if ((progress.phase == JobPhase::kDone || progress.phase == JobPhase::kFailed) && !writing_) {
    write(
        [progress](Status& status) {
          status.finished = true;
          status.outcome = progress;
        },
        [] {});
  }
}

void StatusOperator::receive(const Envelope& envelope, TimeMs now) {
  if (!up_) {
    return;
  }
  if (const auto* progress = std::get_if<Progress>(&envelope.message)) {
    on_progress(*progress, now);
  } else if (const auto* ask = std::get_if<AskRemove>(&envelope.message)) {
    remove(*ask);
  } else if (const auto* origin = std::get_if<AskOrigin>(&envelope.message)) {
    if (origin->term != status_.term) {
      return;
    }
    if (status_.origin == origin->origin) {
      view_.send(envelope.from, OriginComplete{status_.term, status_.origin});
    } else if (status_.origin == 0 && !writing_) {
      write([complete = origin->origin](Status& status) { status.origin = complete; },
            [this, to = envelope.from] {
              view_.send(to, OriginComplete{status_.term, status_.origin});
            });
    }
  }
}

void StatusOperator::crash() {
  up_ = false;
  ++life_;
}

void StatusOperator::restart(TimeMs now) {
  up_ = true;
  writing_ = false;
  heard_term_ = 0;
  heard_at_ms_ = commit_at_ms_ = now;
  repeat_at_ms_ = now;
  stall_ms_ = kStallMs;
  phase_ = JobPhase::kSealing;
}

void StatusOperator::appoint_without_need(TimeMs now) {
  if (up_ && !writing_ && !status_.finished && status_.term > 0) {
    appoint(now);
  }
}

void StatusOperator::send_plan() {
  view_.send(status_.coordinator,
             PlanChanged{status_.term, status_.plan, leaving(), false, training()});
}

// Another number of servers, and checkpoints at another pace.
void StatusOperator::change_plan() {
  if (!up_ || writing_ || status_.finished || status_.term == 0) {
    return;
  }
  const uint32_t fewest = std::min(training_.replication, most_);
  const auto servers = static_cast<uint32_t>(random_.between(fewest, most_));
  const auto every = static_cast<uint64_t>(random_.between(0, 9));
  write(
      [servers, every](Status& status) {
        ++status.plan;
        status.wanted_servers = servers;
        status.checkpoint_every = every;
      },
      [this] { send_plan(); });
}

}  // namespace ballast::sim
