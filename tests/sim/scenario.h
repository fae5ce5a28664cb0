// One world, drawn from a seed: how large it is, what it trains, how the network behaves, which
// faults come how often. A seed and a scenario are one-to-one; nothing else decides what a run
// does.
//
// The faults that we promise to survive; only these are made:
//
// - Network: any message may be late, doubled, overtaken or lost. Links between two processes, or
//   all links of one, may be cut in one direction or both, or clogged: what is sent comes all at
//   once when the clog is over. A process may be told that a connection closed although the peer
//   lives, and may hear nothing of a peer that died.
// - Workers: any number may die or leave at any moment, even all; new incarnations come back.
// - Servers, with replication 2: one is lost at a time, coordinator or not: killed between any two
//   effects of a list, or cut off or paused until it is removed. The next loss comes when Degraded
//   has become True and False again and status has forgotten the lost incarnation. It comes back
//   empty. With replication 1 no server is lost. Servers may join a job that runs.
// - Plans: the number of servers that are wanted changes at any moment, also while one is lost; the
//   job is suspended and goes on from its checkpoint;
//   those that leave, the coordinator too, give their segments away first.
// - All replicas of a segment, in some worlds (loses_all): servers are killed whenever it pleases.
// The
//   job returns to its last complete checkpoint, or to the beginning, under a new term and origin.
// - Processes: any may be paused, so that all its timers and messages come late, or slow. Clocks
// run
//   at different speeds.
// - Operator: may be down for a while, dies between any two writes and sends, appoints for no
//   reason. When it comes back it may see an older status for a while. It is the one of
//   status_operator.h or, where the world decides, that of production; then a server is killed only
//   while every other one answers, since one that has been silent for long is a loss by itself,
//   and none falls silent for long while another is lost.
// - Disk: a part or a manifest may take long or fail (twice at most for one version: a job that can
//   never write its last checkpoint fails). What was written may turn out damaged when it is read
//   back: a lost or torn write, a flipped byte.
// - Gradients: a few steps have a value that is not finite.
//
// - Memory, in some worlds and then nothing else: one bit of one replica's parameters changes. The
// job
//   must fail, and name the segment and both servers.
//
// Not made: bits that change on the way.
// After `heal_at_ms` nothing fails any more, no coordinator is replaced for standing still, and the
// job must end within kLivenessMs beyond what one worker alone would compute for.
#pragma once

#include <cstdint>

#include "services/core/coordinator_machine.h"
#include "services/core/server_machine.h"
#include "services/core/worker_machine.h"
#include "tests/sim/toy.h"

namespace ballast::sim {

inline constexpr uint32_t kMaxServers = 4;
inline constexpr uint32_t kMaxWorkers = 4;
inline constexpr TimeMs kLivenessMs = 60000;
inline constexpr TimeMs kBackoffMs = 30000;       // of decide(), before it starts a process again
inline constexpr TimeMs kEndOfWorkersMs = 20000;  // from "done" until each worker has ended

enum class Weather : uint8_t {
  kCalm,     // no faults at all
  kNetwork,  // only the network misbehaves
  kWorkers,  // and workers die, processes pause
  kAll,
  kMoves,  // like all, in worlds of more servers whose number changes all the time
};

struct NetworkScenario {
  TimeMs delay_min_ms = 1;
  TimeMs delay_max_ms = 4;
  uint32_t late_per_mille = 0;  // of messages: up to late_ms later
  TimeMs late_ms = 0;
  uint32_t lost_per_mille = 0;
  uint32_t doubled_per_mille = 0;
  uint32_t silent_death_per_mille = 500;  // a peer does not hear of a death
};

// Weights of what the next fault is; 0: never in this world.
struct FaultScenario {
  TimeMs every_min_ms = 50;
  TimeMs every_max_ms = 500;
  uint32_t kill_worker = 0;
  uint32_t kill_server = 0;
  uint32_t kill_coordinator = 0;
  uint32_t kill_any_server = 0;  // though it may hold the last replica of a segment
  uint32_t pause = 0;
  uint32_t slow = 0;
  uint32_t cut_link = 0;
  uint32_t cut_process = 0;
  uint32_t clog_link = 0;
  uint32_t false_alarm = 0;  // PeerLost of a living peer
  uint32_t operator_down = 0;
  uint32_t appoint = 0;  // without need
  uint32_t plan = 0;
  uint32_t leave = 0;  // a worker is asked to go
  // The next server goes as soon as the world is whole again.
  uint32_t kill_when_whole_per_mille = 0;
  // A server goes while the others hear of a commit.
  uint32_t kill_at_commit_per_mille = 0;
  uint32_t clock_drift_per_mille = 0;   // at most, of each process's clock
  uint32_t stale_status_per_mille = 0;  // of the operator's returns
};

struct DiskScenario {
  uint32_t fails_per_mille = 0;
  uint32_t damages_per_mille = 0;  // of complete checkpoints
  TimeMs slow_ms = 30;
};

struct Scenario {
  uint64_t seed = 0;
  Weather weather = Weather::kAll;
  bool decides = false;  // the operator is that of production, and starts the processes, too
  uint32_t servers = 1;
  uint32_t late_servers = 0;  // of them: come when the job runs already
  uint32_t workers = 1;
  TrainingSettings training;
  JobIdentity identity;
  Segments segments;
  Toy toy;
  bool fails = false;      // as many poisoned steps in a row as make the job fail
  Step flip_at_step = 0;   // a bit of one replica's parameters changes; 0: never
  TimeMs compute_ms = 10;  // of one microbatch
  TimeMs tick_ms = 25;
  TimeMs observed_after_ms = 150;  // the operator knows of a death
  TimeMs heal_at_ms = 0;
  NetworkScenario network;
  FaultScenario faults;
  DiskScenario disk;
  ServerOptions server_options;
  CoordinatorOptions coordinator_options;
  WorkerOptions worker_options;  // precision: of the parameters that all workers pull
};

Scenario make_scenario(uint64_t seed, Weather weather, bool decides);

// How long one worker computes, if it computes all gradients and an evaluation of every version.
TimeMs computed_by_one_ms(const Scenario& scenario);

}  // namespace ballast::sim
