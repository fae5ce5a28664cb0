// What the operator sees of a world, late, and what it does to it.
#include <fmt/format.h>

#include "tests/sim/describe.h"
#include "tests/sim/world.h"

namespace ballast::sim {

std::vector<Member> World::live_servers() {
  std::vector<Member> servers;
  for (uint32_t i = 0; i < scenario_.servers; ++i) {
    if (processes_[i].alive) {
      servers.push_back({processes_[i].id, "sim:" + processes_[i].id.name, ""});
    }
  }
  return servers;
}

// A list of processes is read with some delay.
bool World::known_gone(const ProcessId& id) {
  const uint32_t index = index_of(id);
  if (index == kProcesses || processes_[index].id.incarnation > id.incarnation) {
    return true;
  }
  return !processes_[index].alive &&
         now_ms_ - processes_[index].died_at_ms > scenario_.observed_after_ms;
}

bool World::may_remove_living(const ProcessId& id, const MemberList& members) {
  if (!lives(id) || !(one_more_server_may_go() || lost_server_ == id)) {
    return false;
  }
  const uint32_t index = index_of(id);
  for (const Member& member : members.members) {
    const uint32_t peer = index_of(member.id);
    if (peer != index && lives(member.id) && !processes_[peer].paused &&
        !processes_[index].paused && cut_until_ms_[index][peer] <= now_ms_ &&
        cut_until_ms_[peer][index] <= now_ms_) {
      return false;
    }
  }
  if (lost_server_ != id) {
    trace(fmt::format("{} is removed though it lives", describe(id)));
    lost_server_ = id;
    begin(random_.between(300, 5000), [this, index, id] {
      if (lives(id)) {
        kill(index);
      }
    });
  }
  return true;
}

void World::left(const ProcessId& server) {
  if (!lives(server)) {
    return;
  }
  begin(random_.between(0, 50), [this, server] {
    if (!lives(server)) {
      return;
    }
    const uint32_t index = index_of(server);
    trace(fmt::format("{} has left and ends", describe(server)));
    Process& process = processes_[index];
    process.alive = process.paused = false;
    process.died_at_ms = now_ms_;
    for (const uint32_t slot : process.held) {
      free_slots_.push_back(slot);
    }
    process.held.clear();
    announce_death(index);
    restart_later(index, random_.between(50, 500));
    ++outcome_.left;
  });
}

void World::send(const ProcessId& to, Message message) {
  trace(fmt::format("operator sends {} {}", describe(to), describe(message)));
  transmit(kOperator, to, std::move(message), nullptr);
}

void World::later(TimeMs delay, std::function<void()> action) { begin(delay, std::move(action)); }

void World::appointed(Term term, const ProcessId& coordinator) {
  trace(fmt::format("operator appoints {} in term {}", describe(coordinator), term));
}

void World::heard(const Progress& progress, const Status& status) {
  if (progress.term == status.term) {  // the operator may not have seen yet that this term is over
    checker_.progress(progress);
  }
  if (!lost_server_ || progress.phase < JobPhase::kTraining ||
      status.members.find(*lost_server_) != nullptr || progress.members != status.members.number) {
    return;
  }
  if (!progress.degraded && !lives(*lost_server_) && operator_->forgot_losses()) {
    trace(fmt::format("whole again after the loss of {}", describe(*lost_server_)));
    lost_server_.reset();
    if (!healed_ && random_.chance(scenario_.faults.kill_when_whole_per_mille)) {
      begin(random_.between(0, 40),
            [this] { kill_server(static_cast<uint32_t>(random_.below(scenario_.servers))); });
    }
  }
}

bool World::is_whole(const std::string& checkpoint) {
  const Directory& directory = disk_[checkpoint];
  return directory.manifest && !directory.damaged;
}

void World::went_back(Origin abandoned, const std::string& checkpoint, bool wished) {
  trace(fmt::format("the job goes back to '{}'", checkpoint));
  if (wished) {
    ++outcome_.rests;
    const Step version = checkpoint.empty() ? 0 : disk_[checkpoint].version;
    const bool damaged = std::any_of(disk_.begin(), disk_.end(), [&](const auto& entry) {
      return entry.second.damaged && entry.second.version == checker_.next_step();
    });
    if (version != checker_.next_step() && !damaged) {
      checker_.fail(fmt::format("suspended with a checkpoint of version {}, committed are {}",
                                version, checker_.next_step()));
    }
  } else if (scenario_.faults.kill_any_server == 0) {
    checker_.fail("the job goes back, though one server at most was lost at a time");
  }
  checker_.went_back(abandoned, checkpoint.empty() ? 0 : disk_[checkpoint].version);
  outcome_.returns += wished ? 0 : 1;
}

void World::goes_back_instead(const std::string& checkpoint) {
  trace(fmt::format("the job goes back to '{}' instead", checkpoint));
  checker_.goes_back_instead(checkpoint.empty() ? 0 : disk_[checkpoint].version);
}

}  // namespace ballast::sim
