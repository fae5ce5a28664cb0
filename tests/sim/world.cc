#include "tests/sim/world.h"

#include <algorithm>

#include <fmt/format.h>

#include "common/check.h"
#include "tests/sim/decide_operator.h"
#include "tests/sim/describe.h"
#include "tests/sim/status_operator.h"

namespace ballast::sim {
namespace {

std::unique_ptr<Authority> make_operator(OperatorView& view, Random& random,
                                         const Scenario& scenario) {
  if (scenario.decides) {
    return std::make_unique<DecideOperator>(view, random, scenario);
  }
  return std::make_unique<StatusOperator>(view, random, scenario.servers - scenario.late_servers,
                                          scenario.servers, scenario.training,
                                          scenario.faults.stale_status_per_mille);
}

}  // namespace

World::World(const Scenario& scenario, TraceSink trace)
    : scenario_(scenario),
      trace_(std::move(trace)),
      reference_(run_reference(scenario)),
      random_(mix(scenario.seed)),
      checker_(scenario_, reference_),
      operator_(make_operator(*this, random_, scenario_)) {
  for (uint32_t i = 0; i < kProcesses; ++i) {
    processes_[i].id.name = i == kOperator     ? "operator"
                            : i < kFirstWorker ? fmt::format("ps-{}", i)
                                               : fmt::format("worker-{}", i - kFirstWorker);
  }
  processes_[kOperator].alive = true;
}

TimeMs World::clock(const Process& process) const {
  return process.clock_ms + now_ms_ * process.clock_per_mille / 1000;
}

void World::trace(const std::string& line) const {
  if (trace_) {
    trace_(now_ms_, line);
  }
}

void World::schedule(TimeMs delay_ms, Slot slot) {
  uint32_t index = 0;
  if (free_slots_.empty()) {
    index = static_cast<uint32_t>(slots_.size());
    slots_.push_back(std::move(slot));
  } else {
    index = free_slots_.back();
    free_slots_.pop_back();
    slots_[index] = std::move(slot);
  }
  queue_.push_back({now_ms_ + delay_ms, ++sequence_, index});
  std::push_heap(queue_.begin(), queue_.end());
}

void World::happen(TimeMs delay_ms, uint32_t process, Event event, Values payload) {
  schedule(delay_ms,
           {process, processes_[process].id.incarnation, std::move(event), std::move(payload), {}});
}

void World::begin(TimeMs delay_ms, std::function<void()> action) {
  schedule(delay_ms, {kProcesses, 0, Tick{}, nullptr, std::move(action)});
}

uint32_t World::index_of(const ProcessId& id) const {
  for (uint32_t i = 0; i < kProcesses; ++i) {
    if (processes_[i].id.name == id.name) {
      return i;
    }
  }
  return kProcesses;
}

bool World::lives(const ProcessId& id) const {
  const uint32_t index = index_of(id);
  return index < kProcesses && processes_[index].alive &&
         processes_[index].id.incarnation == id.incarnation;
}

void World::start_process(uint32_t index) {
  Process& process = processes_[index];
  CHECK(!process.alive);
  Process fresh;
  fresh.id = {process.id.name, next_incarnation_++};
  fresh.alive = true;
  const auto drift = static_cast<int64_t>(scenario_.faults.clock_drift_per_mille);
  fresh.clock_ms = drift == 0 ? 0 : random_.between(0, 1000000);
  fresh.clock_per_mille = random_.between(1000 - drift, 1000 + drift);
  process = std::move(fresh);
  trace(fmt::format("{} starts", describe(process.id)));
  if (is_server(index)) {
    process.server = std::make_unique<ServerMachine>(process.id, scenario_.server_options);
  } else {
    std::vector<Member> servers = addresses_found(process);
    process.toy.versions.assign(scenario_.segments.count(), std::nullopt);
    process.worker = std::make_unique<WorkerMachine>(
        process.id, std::move(servers), scenario_.identity, scenario_.training.microbatches,
        scenario_.training.segment_elements, "build", scenario_.worker_options);
    perform(index, process.worker->start(clock(process)), Tick{}, nullptr);
  }
  happen(random_.between(0, scenario_.tick_ms), index, Tick{});
}

void World::kill(uint32_t index) {
  Process& process = processes_[index];
  if (!process.alive) {
    return;
  }
  trace(fmt::format("{} dies", describe(process.id)));
  process.alive = false;
  process.paused = false;
  process.died_at_ms = now_ms_;
  for (const uint32_t slot : process.held) {
    free_slots_.push_back(slot);
  }
  process.held.clear();
  lives_[index].exit_code = 0;
  lives_[index].exit_signal = 9;
  announce_death(index);
  restart_later(index, random_.between(50, healed_ ? 500 : 1500));
  if (is_server(index)) {
    ++outcome_.server_losses;
  } else {
    ++outcome_.worker_losses;
  }
}

void World::restart_later(uint32_t index, TimeMs delay_ms) {
  if (operator_->ends_processes()) {
    return;  // it also starts them
  }
  begin(delay_ms, [this, index] {
    const Status& status = operator_->status();
    if (processes_[index].alive || status.finished) {
      return;
    }
    if (is_server(index) && index >= status.wanted_servers) {
      restart_later(index, 100);  // perhaps it is wanted again by then
      return;
    }
    start_process(index);
  });
}

void World::dispatch(uint32_t index) {
  Slot slot = std::move(slots_[index]);
  if (slot.action) {
    free_slots_.push_back(index);
    slot.action();
    return;
  }
  Process& process = processes_[slot.process];
  const bool other_life = slot.incarnation != 0 && slot.incarnation != process.id.incarnation;
  if (!process.alive || other_life || process.ended) {
    free_slots_.push_back(index);
    return;
  }
  if (process.paused) {
    slots_[index] = std::move(slot);
    process.held.push_back(index);
    return;
  }
  free_slots_.push_back(index);
  deliver(slot.process, std::move(slot.event), slot.payload);
}

// The job has ended, and so has every worker.
bool World::finished() {
  const Status& status = operator_->status();
  if (!status.finished) {
    return false;
  }
  if (!done_at_ms_) {
    done_at_ms_ = now_ms_;
    if (status.outcome.phase == JobPhase::kDone) {
      checker_.done(status.outcome);
      if (!scenario_.training.checkpoint_path.empty() &&
          !disk_[status.outcome.checkpoint].manifest) {
        checker_.fail(
            fmt::format("done, but checkpoint '{}' has no manifest", status.outcome.checkpoint));
      }
    } else if (checker_.flips()) {
      checker_.failed_by_flip(status.outcome.failure);
    } else if (!scenario_.fails) {
      checker_.fail("the job failed: " + status.outcome.failure);
    }
  }
  if (!operator_->ends_processes() && !lives(status.coordinator)) {
    return true;  // nobody is there to tell the workers: the operator stops them
  }
  const auto working = [](const Process& p) { return p.worker && p.alive && !p.ended; };
  const auto left = std::find_if(processes_.begin(), processes_.end(), working);
  if (left == processes_.end()) {
    return true;
  }
  if (now_ms_ > std::max(*done_at_ms_, scenario_.heal_at_ms) + kEndOfWorkersMs) {
    checker_.fail(
        fmt::format("{} has not ended {} ms after the job", describe(left->id), kEndOfWorkersMs));
  }
  return false;
}

Outcome World::run() {
  const uint32_t early = scenario_.servers - scenario_.late_servers;
  for (uint32_t i = 0; i < scenario_.servers && !operator_->ends_processes(); ++i) {
    begin(i < early ? 0 : random_.between(200, 4000), [this, i] { start_process(i); });
  }
  if (early < 2) {
    lost_server_ = ProcessId{"nobody", 0};  // not whole until a second server holds everything
  }
  for (uint32_t i = 0; i < scenario_.workers && !operator_->ends_processes(); ++i) {
    begin(random_.between(0, 300), [this, i] { start_process(kFirstWorker + i); });
  }
  std::function<void()> tick = [&] {
    for (uint32_t i = 0; i < kOperator; ++i) {
      answered_ms_[i] = answers(i) ? now_ms_ : answered_ms_[i];
    }
    operator_->tick(now_ms_);
    begin(Authority::kTickMs, tick);
  };
  tick();
  begin(scenario_.heal_at_ms, [this] { heal(); });
  next_fault();
  const TimeMs patience_ms =
      kLivenessMs + computed_by_one_ms(scenario_) + (scenario_.decides ? kBackoffMs : 0);
  const TimeMs limit_ms = scenario_.heal_at_ms + patience_ms;
  while (!checker_.failed() && !finished()) {
    CHECK(!queue_.empty());
    const Entry entry = queue_.front();
    std::pop_heap(queue_.begin(), queue_.end());
    queue_.pop_back();
    now_ms_ = entry.at_ms;
    ++events_;
    if (now_ms_ > limit_ms && !operator_->status().finished) {
      checker_.fail(fmt::format("no end {} ms after the last fault: step {} of {}", patience_ms,
                                checker_.next_step(), reference_.steps));
    }
    dispatch(entry.slot);
  }
  outcome_.failure = checker_.failure();
  outcome_.events = events_;
  outcome_.virtual_ms = now_ms_;
  outcome_.terms = static_cast<uint32_t>(operator_->status().term);
  return outcome_;
}

}  // namespace ballast::sim
