// What the shells of the simulated processes do: give events to machines, and perform effects in
// their order.
#include <algorithm>

#include <fmt/format.h>

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
      operator_.receive(received->envelope, now_ms_);
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
  if (mutation_ != Mutation::kNone && mutate_arrival(process, event)) {
    return;
  }
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
      perform(index, process.coordinator->start(now_ms_), event, nullptr);
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
    perform(index, process.coordinator->step(event, now_ms_), event, payload);
  }
  if (process.alive) {
    perform(index, process.server->step(event, now_ms_), event, payload);
  }
}

void World::deliver_to_worker(Process& process, const Event& event, const Values& payload) {
  if (const auto* ready = std::get_if<ContributionReady>(&event)) {
    if (ready->step < process.toy.discarded_below) {
      return;
    }
    process.toy.computed.emplace(ready->step, ready->node);
  }
  if (const auto* ready = std::get_if<EvaluationReady>(&event);
      ready != nullptr && ready->version < process.toy.discarded_below) {
    return;
  }
  perform(index_of(process.id), process.worker->step(event, now_ms_), event, payload);
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
    if (mutation_ != Mutation::kNone) {
      mutate_effect(process, effect, payload);
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
    const std::string error = store.summarise_root(*summarise, answer);
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
  } else if (auto* make = std::get_if<MakeInitial>(&effect)) {
    for (const SegmentId segment : make->segments) {
      happen(random_.between(1, 10), index, InitialReady{segment});
    }
  } else if (auto* end = std::get_if<WorkerEnd>(&effect)) {
    end_worker(process, *end);
  } else if (auto* committed = std::get_if<FactCommitted>(&effect)) {
    check_commit(process, committed->record);
  }
  return "";
}

void World::check_commit(const Process& process, const Record& record) {
  checker_.committed(process.id, process.coordinator_term, record, operator_.status().origin,
                     process.members);
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

std::string World::save_part(uint32_t index, const SaveCheckpointPart& effect) {
  Process& process = processes_[index];
  const WriteCheckpoint& order = effect.order;
  for (const SegmentId segment : order.segments) {
    const Replica* replica = process.store.replica(segment);
    if (replica == nullptr || replica->version != order.version) {
      return fmt::format("checkpoint of version {}, which segment {} does not have", order.version,
                         segment);
    }
    disk_[order.directory].segments.insert(segment);
  }
  const SegmentId first = order.segments.empty() ? 0 : order.segments.front();
  CheckpointPart part{first, order.segments, process.id.name, 1, "checksum"};
  happen(random_.between(1, 30), index,
         CheckpointWrittenLocally{{order.term, order.version, order.attempt, part, ""}});
  return "";
}

void World::save_manifest(uint32_t index, const SaveManifest& effect) {
  Directory& directory = disk_[effect.directory];
  std::string error;
  if (directory.manifest) {
    error = "the manifest exists";
  } else if (directory.segments.size() != scenario_.segments.count() ||
             effect.version != reference_.steps) {
    checker_.fail(fmt::format("manifest of version {} over {} segments", effect.version,
                              directory.segments.size()));
  } else {
    directory.manifest = true;
  }
  happen(random_.between(1, 30), index, ManifestWritten{effect.directory, error});
}

std::string World::accept_parameters(Process& process, const AcceptParameters& effect,
                                     const Values& payload) {
  if (effect.segment >= scenario_.segments.count() || effect.version > reference_.steps ||
      !payload) {
    return fmt::format("accepts version {} of segment {}", effect.version, effect.segment);
  }
  if (!same_bits(*payload, *reference_.parameters_of(effect.version, effect.segment))) {
    return fmt::format("takes other bits for version {} of segment {}", effect.version,
                       effect.segment);
  }
  process.toy.versions[effect.segment] = effect.version;
  return "";
}

void World::begin_work(uint32_t index, const BeginWork& effect) {
  ToyWorker& toy = processes_[index].toy;
  if (toy.step != effect.step) {
    toy.step = effect.step;
    toy.nodes.clear();
    toy.evaluations.clear();
  }
  toy.nodes.insert(toy.nodes.end(), effect.nodes.begin(), effect.nodes.end());
  toy.evaluations.insert(toy.evaluations.end(), effect.evaluations.begin(),
                         effect.evaluations.end());
  compute(index);
}

// Begins what waits, once every segment has the step's version. Gradients come last segments first.
// What is computed from the reference's bits has the reference's bits: they are taken from there.
void World::compute(uint32_t index) {
  Process& process = processes_[index];
  ToyWorker& toy = process.toy;
  if (!toy.step || std::any_of(toy.versions.begin(), toy.versions.end(),
                               [&](const auto& version) { return version != toy.step; })) {
    return;
  }
  const Step step = *toy.step;
  TimeMs at = std::max(now_ms_, toy.busy_until_ms);
  for (const TreeNode node : toy.nodes) {
    if (step >= reference_.steps) {
      checker_.fail(fmt::format("{} computes gradients of step {}", describe(process.id), step));
      return;
    }
    const uint32_t leaves = scenario_.training.microbatches;
    at += (scenario_.compute_ms + process.slow_ms) * microbatch_count(node, leaves);
    for (SegmentId segment = scenario_.segments.count(); segment-- > 0;) {
      happen(at - now_ms_, index,
             ContributionReady{step, node, segment, reference_.node_sum(step, node)});
    }
  }
  for (const uint32_t evaluation : toy.evaluations) {
    at += scenario_.compute_ms + process.slow_ms;
    const uint32_t batches = scenario_.training.evaluation_batches;
    if (evaluation >= batches) {
      checker_.fail(
          fmt::format("{} evaluates batch {} of {}", describe(process.id), evaluation, batches));
      return;
    }
    happen(at - now_ms_, index,
           EvaluationReady{step, evaluation, reference_.evaluations[step * batches + evaluation]});
  }
  toy.busy_until_ms = at;
  toy.nodes.clear();
  toy.evaluations.clear();
}

void World::end_worker(Process& process, const WorkerEnd& effect) {
  const bool over = checker_.next_step() == reference_.steps;
  if (effect.refused && !over) {
    checker_.fail(fmt::format("{} was refused: {}", describe(process.id), effect.reason));
  }
  const uint32_t index = index_of(process.id);
  if (over && (scenario_.fails || !effect.failed || effect.refused)) {
    process.ended = true;
    // Where status does not know of the end by then, workers are wanted again.
    begin(random_.between(500, 3000), [this, index, id = process.id] {
      if (lives(id) && !operator_.status().finished) {
        kill(index);
      }
    });
    return;
  }
  kill(index);  // a retry may help: it is started again
}

}  // namespace ballast::sim
