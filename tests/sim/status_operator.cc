#include "tests/sim/status_operator.h"

#include <algorithm>

namespace ballast::sim {

// One write at a time. The store performs it although the operator may have died meanwhile; what
// should follow is then not done.
void StatusOperator::write(std::function<void(Status&)> change, std::function<void()> then) {
  writing_ = true;
  const uint64_t expected = seen_.resource_version;
  const uint64_t life = life_;
  const auto delay = random_.between(1, 30);
  view_.later(delay,
              [this, expected, life, change = std::move(change), then = std::move(then)]() mutable {
                const bool fits = status_.resource_version == expected;
                if (fits) {
                  before_.push_back(status_);
                  change(status_);
                  ++status_.resource_version;
                }
                view_.later(random_.between(0, 10), [this, fits, life, then = std::move(then)] {
                  if (up_ && life_ == life) {
                    writing_ = false;
                    seen_ = status_;
                    if (fits) {
                      then();
                    }
                  }
                });
              });
}

void StatusOperator::tick(TimeMs now) {
  if (up_ && seen_.term > 0) {
    for (const Member& server : view_.live_servers()) {
      // Whoever ends a process has read the status itself: by an older one it may be a member.
      if (!wanted(server.id) && seen_.members.find(server.id) == nullptr &&
          seen_.resource_version == status_.resource_version) {
        view_.left(server.id);
      }
    }
  }
  if (!up_ || writing_ || seen_.finished) {
    return;
  }
  if (seen_.term == 0) {
    start_job();
    return;
  }
  if (parts_are_lost() || rests()) {
    go_back(now);
    return;
  }
  const bool leaves = seen_.members.find(seen_.coordinator) != nullptr &&
                      !wanted(seen_.coordinator) && phase() >= JobPhase::kTraining &&
                      random_.chance(300);
  const bool stalled =
      replaces_stalled_ && phase() == JobPhase::kTraining && now - commit_at_ms_ > stall_ms_;
  if (view_.known_gone(seen_.coordinator) || now - heard_at_ms_ > kSilenceMs || stalled || leaves) {
    if (stalled) {
      stall_ms_ *= 2;
    }
    appoint(now);
    return;
  }
  if (now >= repeat_at_ms_) {
    repeat_at_ms_ = now + kRepeatMs;
    if (heard_term_ != seen_.term) {
      send_appointment();
    } else {
      view_.send(seen_.coordinator, MembersChanged{seen_.term, seen_.members});
      send_plan();
    }
  }
  add_members();
}

bool StatusOperator::wanted(const ProcessId& server) const {
  return view_.number_of(server) < seen_.wanted_servers;
}

std::vector<Member> StatusOperator::wanted_live_servers() const {
  std::vector<Member> servers = view_.live_servers();
  std::erase_if(servers, [&](const Member& server) { return !wanted(server.id); });
  return servers;
}

std::vector<ProcessId> StatusOperator::leaving() const {
  std::vector<ProcessId> servers;
  for (const Member& member : seen_.members.members) {
    if (!wanted(member.id)) {
      servers.push_back(member.id);
    }
  }
  return servers;
}

TrainingSettings StatusOperator::training() const {
  TrainingSettings training = training_;
  training.checkpoint_every = seen_.checkpoint_every;
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
        view_.appointed(seen_.term, seen_.coordinator);
        send_appointment();
      });
}

// What an earlier coordinator told does not hold for this one.
JobPhase StatusOperator::phase() const {
  return heard_term_ == seen_.term ? phase_ : JobPhase::kSealing;
}

// Some segment has no replica any more, as far as can be seen.
bool StatusOperator::parts_are_lost() {
  const auto gone = [&](const Member& member) { return view_.known_gone(member.id); };
  const auto& members = seen_.members.members;
  return phase() == JobPhase::kLost || std::all_of(members.begin(), members.end(), gone) ||
         (training_.replication < 2 && std::any_of(members.begin(), members.end(), gone));
}

// The job was suspended as wished, and its checkpoint has been read back: its processes would end
// now, and be started again some day.
bool StatusOperator::rests() const {
  return phase() == JobPhase::kSuspended && seen_.suspend && followed_ == seen_.plan &&
         verified_ == verifying_;
}

// With as many servers as at the beginning, in one write.
void StatusOperator::go_back(TimeMs now) {
  std::vector<Member> servers = wanted_live_servers();
  if (servers.size() < std::min(servers_, seen_.wanted_servers)) {
    return;
  }
  heard_at_ms_ = commit_at_ms_ = now;
  const bool wished = rests();
  const ProcessId coordinator = random_.pick(servers).id;
  std::erase_if(servers, [&](const Member& m) { return seen_.removed.contains(m.id); });
  write(
      [this, servers, coordinator, wished](Status& status) {
        status.members = {status.members.number + 1, servers};
        ++status.term;
        status.coordinator = coordinator;
        if (status.origin != 0) {
          status.restore_from = status.checkpoint;
          view_.went_back(status.origin, status.restore_from, wished);
        }
        status.plan += wished ? 1 : 0;
        status.suspend = status.suspend && !wished;
        status.origin = 0;
      },
      [this] {
        view_.appointed(seen_.term, seen_.coordinator);
        send_appointment();
      });
}

void StatusOperator::appoint(TimeMs now) {
  heard_at_ms_ = commit_at_ms_ = now;
  std::vector<ProcessId> candidates;
  for (const Member& member : view_.live_servers()) {
    if (seen_.members.find(member.id) != nullptr) {
      candidates.push_back(member.id);
    }
  }
  if (std::any_of(candidates.begin(), candidates.end(),
                  [&](const auto& id) { return wanted(id); })) {
    std::erase_if(candidates, [&](const auto& id) { return !wanted(id); });
  }
  if (candidates.size() > 1) {
    std::erase(candidates, seen_.coordinator);
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
        view_.appointed(seen_.term, seen_.coordinator);
        send_appointment();
      });
}

void StatusOperator::send_appointment() {
  Appoint appoint;
  appoint.term = seen_.term;
  appoint.members = seen_.members;
  appoint.plan = seen_.plan;
  appoint.start = seen_.origin != 0            ? StartKind::kContinue
                  : seen_.restore_from.empty() ? StartKind::kInitialise
                                               : StartKind::kRestore;
  appoint.restore_from = seen_.restore_from;
  appoint.origin = seen_.origin;
  appoint.training = training();
  appoint.leaving = leaving();
  appoint.suspend = seen_.suspend;
  appoint.worker_shares = shares("worker-");
  appoint.server_shares = shares("ps-");
  view_.send(seen_.coordinator, appoint);
}

// A server that lives and is no member becomes one; its name's earlier incarnation must be removed
// first.
void StatusOperator::add_members() {
  MemberList list = seen_.members;
  for (const Member& server : wanted_live_servers()) {
    const bool name_taken =
        std::any_of(list.members.begin(), list.members.end(),
                    [&](const Member& m) { return m.id.name == server.id.name; });
    if (!name_taken && !seen_.removed.contains(server.id)) {
      list.members.push_back(server);
    }
  }
  if (list.members.size() == seen_.members.members.size()) {
    return;
  }
  std::sort(list.members.begin(), list.members.end(),
            [](const Member& a, const Member& b) { return a.id < b.id; });
  ++list.number;
  write([list](Status& status) { status.members = list; },
        [this] {
          view_.send(seen_.coordinator, MembersChanged{seen_.term, seen_.members});
        });
}

void StatusOperator::remove(const AskRemove& ask) {
  if (writing_ || ask.term != seen_.term) {
    return;
  }
  const Member* member = seen_.members.find(ask.member);
  if (member == nullptr) {
    view_.send(seen_.coordinator, MembersChanged{seen_.term, seen_.members});
    return;
  }
  if (ask.left) {
    leave(ask);
    return;
  }
  if (seen_.members.members.size() < 2 ||
      (!view_.known_gone(ask.member) && !view_.may_remove_living(ask.member, seen_.members))) {
    return;
  }
  write(
      [id = ask.member](Status& status) {
        std::erase_if(status.members.members, [&](const Member& m) { return m.id == id; });
        ++status.members.number;
        status.removed.insert(id);
      },
      [this] {
        view_.send(seen_.coordinator, MembersChanged{seen_.term, seen_.members});
      });
}

// It has given all its segments away, as the plan in force wants.
void StatusOperator::leave(const AskRemove& ask) {
  if (wanted(ask.member) || ask.plan != seen_.plan) {
    return;
  }
  write(
      [id = ask.member](Status& status) {
        std::erase_if(status.members.members, [&](const Member& m) { return m.id == id; });
        ++status.members.number;
        status.removed.insert(id);
      },
      [this] {
        view_.send(seen_.coordinator, MembersChanged{seen_.term, seen_.members});
      });
}

void StatusOperator::on_progress(const Progress& progress, TimeMs now) {
  const std::pair order{progress.term, progress.number};
  if (progress.term != seen_.term || seen_.finished || order <= latest_progress_) {
    return;
  }
  latest_progress_ = order;
  heard_term_ = progress.term;
  heard_at_ms_ = now;
  phase_ = progress.phase;
  followed_ = progress.plan;
  if (progress.step > step_ || progress.phase != JobPhase::kTraining) {
    step_ = std::max(step_, progress.step);
    commit_at_ms_ = now;
  }
  verify(progress);
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
    if (origin->term != seen_.term) {
      return;
    }
    if (seen_.origin == origin->origin) {
      view_.send(envelope.from, OriginComplete{seen_.term, seen_.origin});
    } else if (seen_.origin == 0 && !writing_) {
      write([complete = origin->origin](Status& status) { status.origin = complete; },
            [this, to = envelope.from] {
              view_.send(to, OriginComplete{seen_.term, seen_.origin});
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
  verifying_.clear();
  verified_.clear();
  seen_ = status_;
  if (!before_.empty() && random_.chance(stale_per_mille_)) {
    seen_ = random_.pick(before_);
    view_.later(random_.between(50, 3000), [this, life = life_] {
      if (up_ && life_ == life && !writing_) {
        seen_ = status_;
      }
    });
  }
}

// What is complete is read back before anybody relies on it.
void StatusOperator::verify(const Progress& progress) {
  if (progress.checkpoint.empty() || progress.checkpoint == verifying_) {
    return;
  }
  verifying_ = progress.checkpoint;
  view_.later(kVerifyMs, [this, life = life_, term = progress.term, directory = verifying_] {
    if (!up_ || life_ != life) {
      return;
    }
    if (status_.term != term) {  // asked anew where it still counts; nothing waits for this one
      if (verifying_ == directory) verifying_ = verified_;
      return;
    }
    verified_ = directory;
    if (view_.is_whole(directory)) {
      status_.checkpoint = seen_.checkpoint = directory;
    }
  });
}

void StatusOperator::appoint_without_need(TimeMs now) {
  if (up_ && !writing_ && !seen_.finished && seen_.term > 0) {
    appoint(now);
  }
}

void StatusOperator::send_plan() {
  view_.send(seen_.coordinator, PlanChanged{seen_.term, seen_.plan, leaving(), seen_.suspend,
                                            training(), shares("worker-"), shares("ps-")});
}

// By the number of the plan, so that no draw is needed: some share evenly, most do not, and some
// give nothing to a process.
std::vector<Share> StatusOperator::shares(const std::string& role) const {
  std::vector<Share> shares;
  if (seen_.plan % 3 == 0) {
    return shares;
  }
  for (uint32_t i = 0; i < 3; ++i) {
    shares.push_back({role + std::to_string(i), static_cast<uint32_t>(seen_.plan * (i + 2) % 5)});
  }
  return shares;
}

// Another number of servers, checkpoints at another pace, and at times a rest.
void StatusOperator::change_plan() {
  if (!up_ || writing_ || seen_.finished || seen_.term == 0) {
    return;
  }
  const bool suspend = !training_.checkpoint_path.empty() && random_.chance(150);
  const uint32_t fewest = std::min(training_.replication, most_);
  const auto servers = static_cast<uint32_t>(random_.between(fewest, most_));
  const auto every = static_cast<uint64_t>(random_.between(0, 9));
  write(
      [servers, every, suspend](Status& status) {
        ++status.plan;
        status.suspend = suspend;
        status.wanted_servers = servers;
        status.checkpoint_every = every;
      },
      [this] { send_plan(); });
}

}  // namespace ballast::sim
