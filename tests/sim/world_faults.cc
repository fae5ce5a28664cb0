// What goes wrong in a world, and how it heals: see scenario.h for what is promised.
#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "services/core/server_state.h"
#include "tests/sim/describe.h"
#include "tests/sim/world.h"

namespace ballast::sim {

namespace {

constexpr TimeMs kSilentAtMostMs = 1000;  // less than decide() needs to agree that one is silent

}  // namespace

void World::next_fault() {
  if (healed_ || scenario_.weather < Weather::kWorkers) {
    return;
  }
  begin(random_.between(scenario_.faults.every_min_ms, scenario_.faults.every_max_ms), [this] {
    if (!healed_ && !operator_->status().finished) {
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
      {faults.kill_coordinator, [this] { kill_server(index_of(operator_->status().coordinator)); }},
      {faults.kill_any_server, [this] { kill_any_server(); }},
      {faults.pause, [this] { pause(live_process()); }},
      {faults.slow, [this] { slow(live_process()); }},
      {faults.cut_link, [this] { cut_link(); }},
      {faults.cut_process, [this] { cut_process(); }},
      {faults.clog_link, [this] { clog_link(); }},
      {faults.false_alarm, [this] { false_alarm(); }},
      {faults.operator_down, [this] { operator_down(); }},
      {faults.appoint, [this] { operator_->appoint_without_need(now_ms_); }},
      {faults.plan, [this] { operator_->change_plan(); }},
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
         operator_->status().term > 0 && (!scenario_.decides || all_answer());
}

// Of the members: who has been silent for a while may be removed by now.
bool World::all_answer() const {
  const auto& members = operator_->status().members.members;
  return std::all_of(members.begin(), members.end(), [this](const Member& member) {
    return lives(member.id) && now_ms_ - answered_ms_[index_of(member.id)] < kSilentAtMostMs;
  });
}

// decide() takes a server that is silent for long for lost, and one is lost at a time.
TimeMs World::spared(uint32_t index, TimeMs silence_ms) const {
  const bool one_too_many = scenario_.decides && scenario_.training.replication >= 2 &&
                            scenario_.faults.kill_any_server == 0 && is_server(index) &&
                            !one_more_server_may_go();
  return one_too_many ? std::min(silence_ms, kSilentAtMostMs) : silence_ms;
}

void World::kill_server(uint32_t index) {
  if (!one_more_server_may_go() || index >= kFirstWorker || !processes_[index].alive) {
    return;
  }
  Process& process = processes_[index];
  lost_server_ = process.id;
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

void World::kill_any_server() {
  const auto index = static_cast<uint32_t>(random_.below(scenario_.servers));
  Process& process = processes_[index];
  if (operator_->status().term == 0 || !process.alive) {
    return;
  }
  if (!process.paused && random_.chance(700)) {
    process.effects_to_death = random_.between(0, 40);
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

// While nothing moves: a replica that is dropped is compared with none, and one that is copied
// makes others like itself. And early enough that the segment is compared afterwards.
void World::flip_bit_in_time(const Record& committed) {
  constexpr Step kCalmSteps = 5;
  if (committed.map != flip_map_) {
    flip_map_ = committed.map;
    flip_map_since_ = committed.step;
  }
  if (scenario_.flip_at_step > 0 && committed.step >= scenario_.flip_at_step &&
      committed.step >= flip_map_since_ + kCalmSteps &&
      committed.step + kChecksumEvery + 1 < scenario_.training.steps) {
    flip_bit();
  }
}

// In one replica that is in sync; the sign or a high bit, so that no rounding takes it back.
void World::flip_bit() {
  const auto index = static_cast<uint32_t>(random_.below(scenario_.servers));
  const auto segment = static_cast<SegmentId>(random_.below(scenario_.segments.count()));
  Process& process = processes_[index];
  const Replica* held = process.alive ? process.store.replica(segment) : nullptr;
  if (held == nullptr || !held->version || checker_.flips()) {
    return;
  }
  const ReplicaRole role = process.server->state().replicas[segment].role;
  if (role != ReplicaRole::kPrimary && role != ReplicaRole::kBackup) {
    return;
  }
  trace(fmt::format("a bit of segment {} changes at {}", segment, describe(process.id)));
  process.store.flip_bit(segment, random_.next(), 20 + static_cast<uint32_t>(random_.below(12)));
  checker_.flipped(process.id, segment);
}

void World::pause(uint32_t index) {
  if (index == kProcesses || processes_[index].paused) {
    return;
  }
  Process& process = processes_[index];
  trace(fmt::format("{} pauses", describe(process.id)));
  process.paused = true;
  const TimeMs drawn = random_.chance(700) ? random_.between(10, 500) : random_.between(500, 6000);
  begin(spared(index, drawn), [this, index, id = process.id] {
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

void World::false_alarm() {
  const uint32_t process = live_process();
  const uint32_t peer = live_process();
  if (process != kProcesses && process != peer) {
    happen(0, process, PeerLost{processes_[peer].id});
  }
}

void World::operator_down() {
  if (!operator_->up()) {
    return;
  }
  trace("operator dies");
  operator_->crash();
  begin(random_.between(100, 3000), [this] {
    if (!operator_->up()) {
      trace("operator starts");
      operator_->restart(now_ms_);
    }
  });
}

void World::heal() {
  trace("the world heals");
  healed_ = true;
  operator_->heal();
  cut_until_ms_ = {};
  clogged_until_ms_ = {};
  if (!operator_->up()) {
    operator_->restart(now_ms_);
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

}  // namespace ballast::sim
