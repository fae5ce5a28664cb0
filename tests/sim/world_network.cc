// The network of a world: what it does to messages, and where it is cut.
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
  if (sender.worker && is_server(target) && !sender.addresses[target]) {
    return;  // it knows no address
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
    return std::max(time, clogged_until_ms_[from][target] - now_ms_);
  };
  if (!healed_ && random_.chance(network.doubled_per_mille)) {
    schedule(delay(), slot);
  }
  schedule(delay(), std::move(slot));
}

// A worker starts once the name of one server leads somewhere; of the others it learns.
std::vector<Member> World::addresses_found(Process& worker) {
  std::vector<Member> live = live_servers();
  if (live.empty()) {  // as if one after the other had been found
    for (uint32_t i = 0; i < scenario_.servers; ++i) {
      live.push_back({processes_[i].id, "sim:" + processes_[i].id.name, ""});
    }
  }
  const uint64_t first = random_.below(live.size());
  const bool all = random_.chance(500);
  std::vector<Member> found;
  for (size_t i = 0; i < live.size(); ++i) {
    if (all || i == first || random_.chance(300)) {
      found.push_back(live[i]);
      found.back().id.incarnation = 0;
      worker.addresses.set(index_of(live[i].id));
    }
  }
  return found;
}

void World::learn_addresses(Process& worker, const Event& event) {
  const auto learn = [&](const Member& server) {
    if (!server.address.empty()) worker.addresses.set(index_of(server.id));
  };
  const auto* received = std::get_if<Received>(&event);
  if (received == nullptr) return;
  const Message& message = received->envelope.message;
  if (const auto* update = std::get_if<MapUpdate>(&message)) {
    for (const Member& server : update->map.servers) learn(server);
  } else if (const auto* redirect = std::get_if<Redirect>(&message)) {
    if (redirect->coordinator) learn(*redirect->coordinator);
  }
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

// One direction of a link stands still for a while, and loses nothing.
void World::clog_link() {
  const uint32_t from = live_process();
  const uint32_t to = live_process();
  if (from == kProcesses || from == to) {
    return;
  }
  const auto duration = random_.between(50, 3000);
  trace(fmt::format("link {} -> {} is clogged for {} ms", processes_[from].id.name,
                    processes_[to].id.name, duration));
  clogged_until_ms_[from][to] = now_ms_ + duration;
}

// All links of one process, in one direction or both; sometimes with the operator's.
void World::cut_process() {
  const uint32_t process = live_process();
  if (process == kProcesses) {
    return;
  }
  const TimeMs duration = spared(process, random_.between(50, 6000));
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

}  // namespace ballast::sim
