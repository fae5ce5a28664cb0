// Processes as an operator of production starts, asks and ends them: what the backends for local
// processes and for pods do there.
#include <algorithm>

#include <fmt/format.h>

#include "tests/sim/describe.h"
#include "tests/sim/world.h"

namespace ballast::sim {
namespace {

constexpr TimeMs kStartMostMs = 500;
constexpr TimeMs kEndMostMs = 200;  // of a server that is asked to

}  // namespace

uint32_t World::index_of_name(const std::string& name) const {
  return index_of(ProcessId{name, 0});
}

// The end of one is seen somewhat late, and until then it is as it was.
std::vector<decide::Process> World::processes() {
  std::vector<decide::Process> seen;
  for (uint32_t i = 0; i < kOperator; ++i) {
    const Lives& known = lives_[i];
    if (known.instance == 0) {
      continue;
    }
    const Process& process = processes_[i];
    decide::Process out;
    out.role = is_server(i) ? decide::Role::kServer : decide::Role::kWorker;
    out.index = is_server(i) ? i : i - kFirstWorker;
    out.instance = known.instance;
    out.status_version = known.status_version;
    out.started_ms = known.started_ms;
    out.stopping_since_ms = known.stopping_since_ms;
    out.killed = known.killed;
    const bool dead = !known.starting && (!process.alive || process.ended);
    if (dead && (process.alive || now_ms_ - process.died_at_ms > scenario_.observed_after_ms)) {
      out.state = decide::ProcessState::kExited;
      out.exit_code = process.alive ? 0 : known.exit_code;
      out.exit_signal = process.alive ? 0 : known.exit_signal;
      out.ended_ms = process.alive ? now_ms_ : process.died_at_ms;
    } else if (!known.starting) {
      out.state = decide::ProcessState::kReady;
      out.incarnation = process.id.incarnation;
      out.address = "sim:" + process.id.name;
    }
    seen.push_back(out);
  }
  return seen;
}

bool World::answers(uint32_t index) const {
  const Process& process = processes_[index];
  return process.alive && !process.ended && !process.paused &&
         cut_until_ms_[index][kOperator] <= now_ms_ && cut_until_ms_[kOperator][index] <= now_ms_;
}

bool World::answers(const std::string& name) {
  const uint32_t index = index_of_name(name);
  return index != kProcesses && answers(index);
}

void World::start(const std::string& name, uint64_t instance, uint64_t status_version) {
  const uint32_t index = index_of_name(name);
  Lives& known = lives_[index];
  if (known.starting || known.instance >= instance ||
      (processes_[index].alive && !processes_[index].ended)) {
    return;  // it is there already, as who saw an older state could not know
  }
  if (processes_[index].alive) {
    end_quietly(index, 0);
  }
  trace(fmt::format("{} is to be started", name));
  known = {};
  known.instance = instance;
  known.status_version = status_version;
  known.starting = true;
  known.started_ms = now_ms_;
  begin(random_.between(1, kStartMostMs), [this, index] {
    lives_[index].starting = false;
    if (lives_[index].killed) {
      processes_[index].died_at_ms = now_ms_;
      lives_[index].exit_signal = 9;
    } else {
      start_process(index);
    }
  });
}

void World::end_quietly(uint32_t index, int exit_code) {
  Process& process = processes_[index];
  process.alive = process.paused = false;
  process.died_at_ms = now_ms_;
  for (const uint32_t slot : process.held) {
    free_slots_.push_back(slot);
  }
  process.held.clear();
  lives_[index].exit_code = exit_code;
  lives_[index].exit_signal = 0;
  announce_death(index);
}

// A signal.
void World::end(const std::string& name, uint64_t instance, bool kill_it) {
  const uint32_t index = index_of_name(name);
  Lives& known = lives_[index];
  if (known.instance != instance || (!known.starting && !processes_[index].alive)) {
    return;
  }
  trace(fmt::format("{} is {}", name, kill_it ? "killed by the operator" : "asked to end"));
  if (kill_it) {
    known.killed = true;
    if (!known.starting) {
      kill(index);
    }
    return;
  }
  known.stopping_since_ms = now_ms_;
  if (!is_server(index)) {
    happen(0, index, LeaveRequested{});
    return;
  }
  begin(random_.between(0, kEndMostMs), [this, index, id = processes_[index].id] {
    if (lives(id)) {
      trace(fmt::format("{} ends, as it was asked to", describe(id)));
      end_quietly(index, 0);
      ++outcome_.left;
    }
  });
}

bool World::send_in_order(const ProcessId& to, Message message) {
  const uint32_t index = index_of(to);
  if (index == kProcesses) {
    checker_.fail(fmt::format("the operator sends to {}, whom nobody knows", describe(to)));
    return false;
  }
  if (cut_until_ms_[kOperator][index] > now_ms_ || !lives(to) ||
      (!healed_ && random_.chance(scenario_.network.lost_per_mille))) {
    return false;
  }
  trace(fmt::format("operator sends {} {}", describe(to), describe(message)));
  const NetworkScenario& network = scenario_.network;
  TimeMs delay = random_.between(network.delay_min_ms, network.delay_max_ms);
  if (!healed_ && random_.chance(network.late_per_mille)) {
    delay += random_.between(0, network.late_ms);
  }
  last_delivery_ms_[index] = std::max(last_delivery_ms_[index], now_ms_ + delay);
  schedule(last_delivery_ms_[index] - now_ms_,
           {index,
            to.incarnation,
            Received{{processes_[kOperator].id, to, std::move(message)}},
            nullptr,
            {}});
  return true;
}

void World::removed_alive(const ProcessId& id) {
  if (!lives(id) || lost_server_ == id) {
    return;
  }
  trace(fmt::format("{} is removed though it lives", describe(id)));
  if (operator_->degraded()) {
    checker_.fail(fmt::format("{} is removed alive while replicas are missing", describe(id)));
  }
  lost_server_ = id;
}

void World::delete_checkpoint(const std::string& checkpoint) {
  trace(fmt::format("checkpoint '{}' is deleted", checkpoint));
  disk_.erase(checkpoint);
}

}  // namespace ballast::sim
