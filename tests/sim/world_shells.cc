// What the shells of the simulated processes do: give events to machines, and perform effects in
// their order.
#include <fmt/format.h>

#include "services/core/server_state.h"
#include "tests/sim/describe.h"
#include "tests/sim/world.h"

namespace ballast::sim {

void World::deliver(uint32_t index, Event event, const Values& payload) {
  Process& process = processes_[index];
  if (trace_) {
    const std::string text = describe(event);
    if (!text.empty()) {
      trace(fmt::format("{} <- {}", describe(process.id), text));
    }
  }
  if (index == kOperator) {
    if (const auto* received = std::get_if<Received>(&event)) {
      operator_->receive(received->envelope, now_ms_);
    }
    return;
  }
  if (auto* received = std::get_if<Received>(&event)) {
    received->envelope.to = process.id;  // "any life of this name" has found one
  }
  if (std::holds_alternative<Tick>(event)) {
    happen(scenario_.tick_ms, index, Tick{});
  }
  if (is_server(index)) {
    deliver_to_server(process, event, payload);
  } else {
    deliver_to_worker(process, event, payload);
  }
}

void World::deliver_to_server(Process& process, Event& event, const Values& payload) {
  const uint32_t index = index_of(process.id);
  const auto* received = std::get_if<Received>(&event);
  if (received != nullptr && std::holds_alternative<Appoint>(received->envelope.message)) {
    const Appoint& appoint = std::get<Appoint>(received->envelope.message);
    if (process.server->accept_appointment(appoint)) {
      checker_.coordinator_acts(appoint.term, process.id);
      process.coordinator_term = appoint.term;
      process.members = appoint.members;
      process.coordinator = std::make_unique<CoordinatorMachine>(
          process.id, received->envelope.from, appoint, scenario_.coordinator_options);
      perform(index, process.coordinator->start(clock(process)), event, nullptr);
    } else if (process.coordinator) {
      if (appoint.term == process.coordinator_term &&
          appoint.members.number > process.members.number) {
        process.members = appoint.members;
      }
      perform(index, process.coordinator->step(event, clock(process)), event, nullptr);
    }
    return;
  }
  // Both machines see everything and take what is theirs.
  if (process.coordinator) {
    if (received != nullptr) {
      const auto* changed = std::get_if<MembersChanged>(&received->envelope.message);
      if (changed != nullptr && changed->members.number > process.members.number) {
        process.members = changed->members;
      }
    }
    perform(index, process.coordinator->step(event, clock(process)), event, payload);
  }
  if (process.alive) {
    perform(index, process.server->step(event, clock(process)), event, payload);
  }
  if (process.alive && std::holds_alternative<Tick>(event)) {
    check_store(process);
  }
}

void World::perform(uint32_t index, Effects effects, const Event& event, const Values& payload) {
  Process& process = processes_[index];
  for (Effect& effect : effects) {
    if (process.effects_to_death == 0) {
      kill(index);
    }
    if (!process.alive) {
      return;
    }
    if (process.effects_to_death > 0) {
      --process.effects_to_death;
    }
    if (trace_) {
      const std::string text = describe(effect);
      if (!text.empty()) {
        trace(fmt::format("{}    {}", describe(process.id), text));
      }
    }
    const std::string error = perform_one(index, effect, event, payload);
    if (!error.empty()) {
      checker_.fail(fmt::format("{}: {}", describe(process.id), error));
    }
  }
}

std::string World::perform_one(uint32_t index, Effect& effect, const Event& event,
                               const Values& payload) {
  Process& process = processes_[index];
  SimStore& store = process.store;
  if (auto* send = std::get_if<Send>(&effect)) {
    return send_effect(index, *send);
  } else if (auto* configure = std::get_if<Configure>(&effect)) {
    return store.configure(*configure);
  } else if (auto* stored = std::get_if<StorePayload>(&effect)) {
    return store.store_payload(*stored, payload);
  } else if (auto* added = std::get_if<AddPayload>(&effect)) {
    return store.add_payload(*added, payload);
  } else if (auto* merged = std::get_if<AddBuffer>(&effect)) {
    return store.add_buffer(*merged);
  } else if (auto* released = std::get_if<Release>(&effect)) {
    return store.release(*released);
  } else if (auto* summarise = std::get_if<Summarise>(&effect)) {
    Summarised answer;
    std::string error = store.summarise_root(*summarise, answer);
    happen(random_.between(0, 2), index, answer);
    return error;
  } else if (auto* initialise = std::get_if<InitialiseSegment>(&effect)) {
    return store.initialise(*initialise, payload);
  } else if (auto* apply = std::get_if<Apply>(&effect)) {
    std::string error = store.apply(*apply);
    if (error.empty()) {
      checker_.applied(process.id, *apply, *store.replica(apply->segment));
    }
    return error;
  } else if (auto* part = std::get_if<StoreCopyPart>(&effect)) {
    const auto* received = std::get_if<Received>(&event);
    const auto* copy =
        received == nullptr ? nullptr : std::get_if<Copy>(&received->envelope.message);
    if (copy == nullptr) {
      return "a copy is stored, but none has arrived";
    }
    std::string error = store.copy_part(*part, copy->version, payload);
    if (error.empty()) {
      checker_.copied(process.id, part->segment, *store.replica(part->segment));
    }
    return error;
  } else if (auto* drop = std::get_if<DropSegment>(&effect)) {
    return store.drop(*drop);
  } else if (auto* save = std::get_if<SaveCheckpointPart>(&effect)) {
    return save_part(index, *save);
  } else if (auto* manifest = std::get_if<SaveManifest>(&effect)) {
    save_manifest(index, *manifest);
  } else if (auto* read = std::get_if<ReadManifest>(&effect)) {
    read_manifest(index, *read);
  } else if (auto* open = std::get_if<OpenCheckpoint>(&effect)) {
    const bool fails = !healed_ && random_.chance(50);
    happen(random_.between(1, 60), index,
           CheckpointOpened{open->directory, open->segments, fails ? "a read error" : ""});
  } else if (auto* restored = std::get_if<RestoreSegments>(&effect)) {
    return restore(process, *restored);
  } else if (auto* begin_effect = std::get_if<BeginWork>(&effect)) {
    begin_work(index, *begin_effect);
  } else if (auto* accept = std::get_if<AcceptParameters>(&effect)) {
    std::string error = accept_parameters(process, *accept, payload);
    compute(index);
    return error;
  } else if (auto* discard = std::get_if<Discard>(&effect)) {
    ToyWorker& toy = process.toy;
    toy.discarded_below = discard->step;
    toy.computed.erase(toy.computed.begin(), toy.computed.lower_bound({discard->step, 0}));
    if (discard->all) {
      toy.computed.clear();
      toy.step.reset();
      toy.nodes.clear();
      toy.evaluations.clear();
      toy.versions.assign(scenario_.segments.count(), std::nullopt);
    }
  } else if (auto* make = std::get_if<MakeInitial>(&effect)) {
    for (const SegmentId segment : make->segments) {
      happen(random_.between(1, 10), index, InitialReady{segment});
    }
  } else if (auto* end = std::get_if<WorkerEnd>(&effect)) {
    end_worker(process, *end);
  } else if (auto* committed = std::get_if<FactCommitted>(&effect)) {
    check_commit(process, committed->record);
    flip_bit_in_time(committed->record);
    if (!healed_ && random_.chance(scenario_.faults.kill_at_commit_per_mille)) {
      begin(random_.between(0, 80),
            [this] { kill_server(static_cast<uint32_t>(random_.below(scenario_.servers))); });
    }
  }
  return "";
}

void World::check_commit(const Process& process, const Record& record) {
  checker_.committed(process.id, process.coordinator_term, record, operator_->status().origin,
                     process.members);
}

// The machine's view of its tensors is the store's: nothing leaks, and no replica is another
// version.
void World::check_store(const Process& process) {
  const ServerState& state = process.server->state();
  size_t buffers = 0;
  for (SegmentId segment = 0; segment < state.replicas.size(); ++segment) {
    const ballast::Replica& known = state.replicas[segment];
    const Replica* held = process.store.replica(segment);
    buffers += known.tree.entries().size() + (known.root == 0 ? 0 : 1);
    if (known.filled && (held == nullptr || held->version != known.version)) {
      checker_.fail(fmt::format("{} takes itself to hold version {} of segment {}, and does not",
                                describe(process.id), known.version, segment));
    }
  }
  if (buffers != process.store.buffers()) {
    checker_.fail(fmt::format("{} holds {} buffers and knows of {}", describe(process.id),
                              process.store.buffers(), buffers));
  }
}

std::string World::send_effect(uint32_t index, Send& send) {
  Process& process = processes_[index];
  Values payload;
  if (const auto* kept = std::get_if<FromContribution>(&send.payload)) {
    if (!process.toy.computed.contains({kept->step, kept->node})) {
      return fmt::format("contribution step {} node {} is sent, but was not computed", kept->step,
                         kept->node);
    }
    payload = reference_.node(kept->step, kept->node, kept->segment);
  } else if (const auto* initial = std::get_if<FromInitial>(&send.payload)) {
    payload = reference_.parameters_of(0, initial->segment);
  } else if (!std::holds_alternative<std::monostate>(send.payload)) {
    payload = process.store.read(send.payload);
    if (!payload) {
      return fmt::format("no bytes for {}", describe(send.message));
    }
  }
  checker_.sent(process.id, send.message, payload);
  if (const auto* commit = std::get_if<Commit>(&send.message)) {
    check_commit(process, commit->record);  // from here on others may know
  }
  transmit(index, send.to, std::move(send.message), std::move(payload));
  return "";
}

bool World::disk_fails(Step version) {
  constexpr uint32_t kFailuresOfAVersion = 2;
  if (healed_ || !random_.chance(scenario_.disk.fails_per_mille) ||
      disk_failures_[version] >= kFailuresOfAVersion) {
    return false;
  }
  ++disk_failures_[version];
  return true;
}

std::string World::save_part(uint32_t index, const SaveCheckpointPart& effect) {
  Process& process = processes_[index];
  const WriteCheckpoint& order = effect.order;
  for (const SegmentId segment : order.segments) {
    const Replica* replica = process.store.replica(segment);
    if (replica == nullptr || replica->version != order.version) {
      return fmt::format("checkpoint of version {}, which segment {} does not have", order.version,
                         segment);
    }
  }
  CheckpointWritten written{order.term, order.version, order.attempt, {}, "No space left"};
  if (!disk_fails(order.version)) {
    disk_[order.directory].segments.insert(order.segments.begin(), order.segments.end());
    const SegmentId first = order.segments.empty() ? 0 : order.segments.front();
    written.part = CheckpointPart{first, order.segments, process.id.name, 1, "checksum"};
    written.error.clear();
  }
  happen(random_.between(1, scenario_.disk.slow_ms), index, CheckpointWrittenLocally{written});
  return "";
}

void World::save_manifest(uint32_t index, const SaveManifest& effect) {
  Directory& directory = disk_[effect.directory];
  std::string error;
  if (directory.manifest) {
    error = "the manifest exists";
  } else if (directory.segments.size() != scenario_.segments.count() ||
             effect.version > reference_.steps) {
    checker_.fail(fmt::format("manifest of version {} over {} segments", effect.version,
                              directory.segments.size()));
  } else if (disk_fails(effect.version)) {
    error = "No space left";
  } else {
    directory.manifest = true;
    directory.version = effect.version;
    directory.damaged = !healed_ && random_.chance(scenario_.disk.damages_per_mille);
  }
  happen(random_.between(1, scenario_.disk.slow_ms), index,
         ManifestWritten{effect.directory, error});
}

void World::read_manifest(uint32_t index, const ReadManifest& effect) {
  const Directory& directory = disk_[effect.directory];
  ManifestRead answer;
  answer.directory = effect.directory;
  if (!directory.manifest || directory.damaged) {
    checker_.fail(fmt::format("'{}' is to be restored, and is not whole", effect.directory));
    return;
  }
  answer.identity = scenario_.identity;
  answer.version = directory.version;
  if (directory.version > 0) {
    const Record& last = reference_.records[directory.version - 1];
    answer.applied_steps = last.applied_steps;
    answer.skipped_in_a_row = last.skipped_in_a_row;
  }
  happen(random_.between(1, 30), index, answer);
}

std::string World::restore(Process& process, const RestoreSegments& effect) {
  const Directory& directory = disk_[effect.directory];
  for (const SegmentId segment : effect.segments) {
    std::vector<Values> states;
    for (uint32_t i = 0; i < reference_.states; ++i) {
      states.push_back(reference_.state_of(directory.version, segment, i));
    }
    std::string error = process.store.restore(
        segment, directory.version, reference_.parameters_of(directory.version, segment), states);
    if (!error.empty()) {
      return error;
    }
  }
  return "";
}

}  // namespace ballast::sim
