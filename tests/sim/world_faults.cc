// The network of a world, and what goes wrong in it: see scenario.h for what is promised.
#include <algorithm>

#include <fmt/format.h>

#include "tests/sim/describe.h"
#include "tests/sim/world.h"

namespace ballast::sim {

void World::transmit(uint32_t from, const ProcessId& to, Message message, Values payload) {
  const Process& sender = processes_[from];
  const uint32_t target = index_of(to);
  if (target == kProcesses) {
    checker_.fail(
        fmt::format("{} sends to {}, whom nobody knows", describe(sender.id), describe(to)));
    return;
  }
  Slot slot{target,
            to.incarnation,
            Received{{sender.id, to, std::move(message)}},
            std::move(payload),
            {}};
  if (target == from) {
    schedule(0, std::move(slot));
    return;
  }
  const NetworkScenario& network = scenario_.network;
  if (cut_until_ms_[from][target] > now_ms_ ||
      (!healed_ && random_.chance(network.lost_per_mille))) {
    return;
  }
  const auto delay = [&] {
    TimeMs time = random_.between(network.delay_min_ms, network.delay_max_ms) + sender.slow_ms;
    if (!healed_ && random_.chance(network.late_per_mille)) {
      time += random_.between(0, network.late_ms);
    }
    return time;
  };
  if (!healed_ && random_.chance(network.doubled_per_mille)) {
    schedule(delay(), slot);
  }
  schedule(delay(), std::move(slot));
}

// Connections close: some peers hear of it at once, others never.
void World::announce_death(uint32_t process) {
  const ProcessId id = processes_[process].id;
  for (uint32_t peer = 0; peer < kOperator; ++peer) {
    if (peer != process && processes_[peer].alive &&
        (healed_ || !random_.chance(scenario_.network.silent_death_per_mille))) {
      happen(random_.between(1, 20), peer, PeerLost{id});
    }
  }
}

void World::next_fault() {
  if (healed_ || scenario_.weather < Weather::kWorkers) {
    return;
  }
  begin(random_.between(scenario_.faults.every_min_ms, scenario_.faults.every_max_ms), [this] {
    if (!healed_ && !operator_.status().finished) {
      make_fault();
      next_fault();
    }
  });
}

void World::make_fault() {
  const FaultScenario& faults = scenario_.faults;
  using Fault = std::pair<uint32_t, std::function<void()>>;
  const std::vector<Fault> table = {
      {faults.kill_worker, [this] { kill_worker(); }},
      {faults.kill_server,
       [this] { kill_server(static_cast<uint32_t>(random_.below(scenario_.servers))); }},
      {faults.kill_coordinator, [this] { kill_server(index_of(operator_.status().coordinator)); }},
      {faults.pause, [this] { pause(live_process()); }},
      {faults.slow, [this] { slow(live_process()); }},
      {faults.cut_link, [this] { cut_link(); }},
      {faults.cut_process, [this] { cut_process(); }},
      {faults.false_alarm, [this] { false_alarm(); }},
      {faults.operator_down, [this] { operator_down(); }},
      {faults.appoint, [this] { operator_.appoint_without_need(now_ms_); }},
      {faults.plan, [this] { operator_.raise_plan(); }},
      {faults.leave, [this] { ask_to_leave(); }},
  };
  uint64_t sum = 0;
  for (const Fault& fault : table) {
    sum += fault.first;
  }
  uint64_t chosen = random_.below(sum);
  for (const Fault& fault : table) {
    if (chosen < fault.first) {
      fault.second();
      return;
    }
    chosen -= fault.first;
  }
}

uint32_t World::live_process() {
  std::vector<uint32_t> living;
  for (uint32_t i = 0; i < kOperator; ++i) {
    if (processes_[i].alive && !processes_[i].ended) {
      living.push_back(i);
    }
  }
  return living.empty() ? kProcesses : random_.pick(living);
}

bool World::one_more_server_may_go() const {
  return scenario_.training.replication >= 2 && scenario_.servers >= 2 && !lost_server_ &&
         operator_.status().term > 0;
}

void World::kill_server(uint32_t index) {
  if (!one_more_server_may_go() || index >= kFirstWorker || !processes_[index].alive) {
    return;
  }
  Process& process = processes_[index];
  lost_server_ = process.id;
  degraded_since_loss_ = false;
  // In the middle of a list of effects, mostly: what stands above in the list was done, the rest is
  // not.
  if (!process.paused && random_.chance(700)) {
    process.effects_to_death = random_.between(0, 40);
    begin(300, [this, index, id = process.id] {
      if (lives(id)) {
        kill(index);
      }
    });
  } else {
    kill(index);
  }
}

void World::kill_worker() {
  const auto index = kFirstWorker + static_cast<uint32_t>(random_.below(scenario_.workers));
  Process& process = processes_[index];
  if (!process.alive || process.ended) {
    return;
  }
  if (!process.paused && random_.chance(700)) {
    process.effects_to_death = random_.between(0, 40);
  } else {
    kill(index);
  }
}

void World::ask_to_leave() {
  const auto index = kFirstWorker + static_cast<uint32_t>(random_.below(scenario_.workers));
  if (processes_[index].alive) {
    trace(fmt::format("{} is asked to leave", describe(processes_[index].id)));
    happen(0, index, LeaveRequested{});
  }
}

void World::pause(uint32_t index) {
  if (index == kProcesses || processes_[index].paused) {
    return;
  }
  Process& process = processes_[index];
  trace(fmt::format("{} pauses", describe(process.id)));
  process.paused = true;
  begin(random_.chance(700) ? random_.between(10, 500) : random_.between(500, 6000),
        [this, index, id = process.id] {
          if (lives(id)) {
            resume(index);
          }
        });
}

// What came meanwhile is now read, in the order in which it came.
void World::resume(uint32_t index) {
  Process& process = processes_[index];
  if (!process.paused) {
    return;
  }
  trace(fmt::format("{} goes on", describe(process.id)));
  process.paused = false;
  for (const uint32_t slot : std::exchange(process.held, {})) {
    queue_.push_back({now_ms_, ++sequence_, slot});
    std::push_heap(queue_.begin(), queue_.end());
  }
}

void World::slow(uint32_t index) {
  if (index == kProcesses) {
    return;
  }
  processes_[index].slow_ms = random_.between(5, 80);
  trace(fmt::format("{} is slow", describe(processes_[index].id)));
  begin(random_.between(200, 4000), [this, index] { processes_[index].slow_ms = 0; });
}

void World::cut(uint32_t from, uint32_t to, TimeMs duration_ms) {
  trace(fmt::format("link {} -> {} is cut for {} ms", processes_[from].id.name,
                    processes_[to].id.name, duration_ms));
  cut_until_ms_[from][to] = now_ms_ + duration_ms;
  if (random_.chance(300) && to < kOperator && processes_[to].alive && processes_[from].alive) {
    happen(random_.between(1, 50), to, PeerLost{processes_[from].id});
  }
}

void World::cut_link() {
  const uint32_t from = live_process();
  const uint32_t to = random_.chance(200) ? kOperator : live_process();
  if (from == kProcesses || to == kProcesses || from == to) {
    return;
  }
  const auto duration = random_.between(50, 4000);
  cut(from, to, duration);
  if (random_.chance(500)) {
    cut(to, from, duration);
  }
}

// All links of one process, in one direction or both; sometimes with the operator's.
void World::cut_process() {
  const uint32_t process = live_process();
  if (process == kProcesses) {
    return;
  }
  const auto duration = random_.between(50, 6000);
  const uint64_t direction = random_.below(4);
  const uint32_t peers = random_.chance(500) ? kProcesses : kOperator;
  for (uint32_t peer = 0; peer < peers; ++peer) {
    if (peer == process) {
      continue;
    }
    if (direction != 1) {
      cut(process, peer, duration);
    }
    if (direction != 0) {
      cut(peer, process, duration);
    }
  }
}

void World::false_alarm() {
  const uint32_t process = live_process();
  const uint32_t peer = live_process();
  if (process != kProcesses && process != peer) {
    happen(0, process, PeerLost{processes_[peer].id});
  }
}

void World::operator_down() {
  if (!operator_.up()) {
    return;
  }
  trace("operator dies");
  operator_.crash();
  begin(random_.between(100, 3000), [this] {
    if (!operator_.up()) {
      trace("operator starts");
      operator_.restart(now_ms_);
    }
  });
}

void World::heal() {
  trace("the world heals");
  healed_ = true;
  for (auto& row : cut_until_ms_) {
    row.fill(0);
  }
  if (!operator_.up()) {
    operator_.restart(now_ms_);
  }
  for (uint32_t i = 0; i < kOperator; ++i) {
    Process& process = processes_[i];
    process.slow_ms = 0;
    if (process.alive && process.effects_to_death >= 0 &&
        !(is_server(i) && lost_server_ == process.id)) {
      process.effects_to_death = -1;
    }
    if (process.alive) {
      resume(i);
    }
  }
}

// ---- what the operator sees and does
// ---------------------------------------------------------------

std::vector<Member> World::live_servers() {
  std::vector<Member> servers;
  for (uint32_t i = 0; i < scenario_.servers; ++i) {
    if (processes_[i].alive) {
      servers.push_back({processes_[i].id, "sim:" + processes_[i].id.name, ""});
    }
  }
  return servers;
}

// A process list is read with some delay.
bool World::known_gone(const ProcessId& id) {
  constexpr TimeMs kObservedAfterMs = 150;
  const uint32_t index = index_of(id);
  if (index == kProcesses || processes_[index].id.incarnation > id.incarnation) {
    return true;
  }
  return !processes_[index].alive && now_ms_ - processes_[index].died_at_ms > kObservedAfterMs;
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
    degraded_since_loss_ = false;
    begin(random_.between(300, 5000), [this, index, id] {
      if (lives(id)) {
        kill(index);
      }
    });
  }
  return true;
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
  checker_.progress(progress);
  if (!lost_server_ || progress.phase < JobPhase::kTraining ||
      status.members.find(*lost_server_) != nullptr) {
    return;
  }
  if (progress.degraded) {
    degraded_since_loss_ = true;
  } else if (degraded_since_loss_ && !lives(*lost_server_)) {
    trace(fmt::format("whole again after the loss of {}", describe(*lost_server_)));
    lost_server_.reset();
    if (!healed_ && random_.chance(scenario_.faults.kill_when_whole_per_mille)) {
      begin(random_.between(0, 40),
            [this] { kill_server(static_cast<uint32_t>(random_.below(scenario_.servers))); });
    }
  }
}

}  // namespace ballast::sim
