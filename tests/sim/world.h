// A whole job in one thread: servers, workers, the operator, the network between them and the
// faults that a scenario allows, on virtual time. Deterministic: a scenario always gives the same
// run.
//
// Invariant: events happen in the order of (time, sequence); a dead process does nothing, a paused
// one nothing until it goes on; nothing of one incarnation reaches another.
#pragma once

#include <array>
#include <bitset>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "services/core/coordinator_machine.h"
#include "services/core/server_machine.h"
#include "services/core/worker_machine.h"
#include "tests/sim/authority.h"
#include "tests/sim/checker.h"
#include "tests/sim/random.h"
#include "tests/sim/store.h"

namespace ballast::sim {

struct Outcome {
  std::string failure;  // empty: all promises held
  uint64_t events = 0;
  TimeMs virtual_ms = 0;
  uint32_t terms = 0;
  uint32_t server_losses = 0;
  uint32_t worker_losses = 0;
  uint32_t returns = 0;  // to a checkpoint or the beginning
  uint32_t left = 0;     // servers that gave their segments away
  uint32_t rests = 0;    // suspensions
};

// Called with each line of a trace; empty: no trace.
using TraceSink = std::function<void(TimeMs now, const std::string& line)>;

// The training loop of a simulated worker: which parameters it has, and what it has computed.
struct ToyWorker {
  std::vector<std::optional<Step>> versions;  // by segment; the bits were checked on arrival
  std::optional<Step> step;                   // work at hand
  std::vector<TreeNode> nodes;                // not yet begun
  std::vector<uint32_t> evaluations;
  std::set<std::pair<Step, TreeNode>> computed;
  Step discarded_below = 0;
  TimeMs busy_until_ms = 0;
};

struct Process {
  ProcessId id;
  bool alive = false;
  bool paused = false;
  TimeMs died_at_ms = 0;
  TimeMs slow_ms = 0;              // added to whatever it sends
  TimeMs clock_ms = 0;             // of its clock when it started
  int64_t clock_per_mille = 1000;  // its speed
  int64_t effects_to_death = -1;   // killed when so many more effects are done; -1: not
  std::vector<uint32_t> held;      // slots of events that came while paused
  // server
  std::unique_ptr<ServerMachine> server;
  std::unique_ptr<CoordinatorMachine> coordinator;
  Term coordinator_term = 0;
  MemberList members;  // that its coordinator has been told
  SimStore store;
  // worker
  std::unique_ptr<WorkerMachine> worker;
  std::bitset<kMaxServers> addresses;  // of the servers that it can send to
  TimeMs next_look_ms = 0;             // for addresses, unless it has joined
  ToyWorker toy;
  bool ended = false;
};

// What is known of the lives that a process's name has had, where the operator starts them.
struct Lives {
  uint64_t instance = 0;  // 0: never started
  uint64_t status_version = 0;
  bool starting = false;
  TimeMs started_ms = 0;
  std::optional<TimeMs> stopping_since_ms;
  bool killed = false;
  int exit_code = 0;
  int exit_signal = 0;
};

class World final : public OperatorView {
 public:
  World(const Scenario& scenario, TraceSink trace);
  Outcome run();

 private:
  static constexpr uint32_t kFirstWorker = kMaxServers;
  static constexpr uint32_t kOperator = kMaxServers + kMaxWorkers;
  static constexpr uint32_t kProcesses = kOperator + 1;

  // What happens at a time: an event for one life of one process, or an action of the world.
  struct Slot {
    uint32_t process = kProcesses;
    uint64_t incarnation = 0;
    Event event;
    Values payload;
    std::function<void()> action;
  };
  struct Entry {
    TimeMs at_ms;
    uint64_t sequence;
    uint32_t slot;
    bool operator<(const Entry& other) const {  // a heap keeps the greatest on top
      return at_ms != other.at_ms ? at_ms > other.at_ms : sequence > other.sequence;
    }
  };

  // world.cc: time, lives
  void schedule(TimeMs delay_ms, Slot slot);
  void happen(TimeMs delay_ms, uint32_t process, Event event, Values payload = nullptr);
  void begin(TimeMs delay_ms, std::function<void()> action);
  void dispatch(uint32_t slot);
  void start_process(uint32_t process);
  void kill(uint32_t process);
  void restart_later(uint32_t process, TimeMs delay_ms);
  bool finished();
  std::vector<Member> addresses_found(Process& worker);
  void learn_addresses(Process& worker, const Event& event);
  bool is_server(uint32_t process) const { return process < kFirstWorker; }
  uint32_t index_of(const ProcessId& id) const;  // kProcesses: no such name
  bool lives(const ProcessId& id) const;
  TimeMs clock(const Process& process) const;  // what it takes the time to be
  void trace(const std::string& line) const;

  // world_shells.cc: what the shells of the processes do
  void deliver(uint32_t process, Event event, const Values& payload);
  void deliver_to_server(Process& process, Event& event, const Values& payload);
  void perform(uint32_t process, Effects effects, const Event& event, const Values& payload);
  std::string perform_one(uint32_t process, Effect& effect, const Event& event,
                          const Values& payload);
  std::string send_effect(uint32_t process, Send& send);
  void check_commit(const Process& process, const Record& record);
  void check_store(const Process& process);
  bool disk_fails(Step version);
  std::string save_part(uint32_t process, const SaveCheckpointPart& effect);
  void save_manifest(uint32_t process, const SaveManifest& effect);
  void read_manifest(uint32_t process, const ReadManifest& effect);
  std::string restore(Process& process, const RestoreSegments& effect);

  // world_workers.cc: the training loop
  void deliver_to_worker(Process& process, const Event& event, const Values& payload);
  std::string accept_parameters(Process& process, const AcceptParameters& effect,
                                const Values& payload);
  void begin_work(uint32_t process, const BeginWork& effect);
  void compute(uint32_t process);
  void end_worker(Process& process, const WorkerEnd& effect);

  // world_network.cc
  void transmit(uint32_t from, const ProcessId& to, Message message, Values payload);
  void announce_death(uint32_t process);
  void cut(uint32_t from, uint32_t to, TimeMs duration_ms);
  void cut_link();
  void clog_link();
  void cut_process();

  // world_faults.cc
  void next_fault();
  void make_fault();
  uint32_t live_process();  // any; kProcesses: none
  bool one_more_server_may_go() const;
  bool all_answer() const;
  TimeMs spared(uint32_t process, TimeMs silence_ms) const;
  void kill_server(uint32_t process);
  void kill_any_server();
  void kill_worker();
  void ask_to_leave();
  void flip_bit_in_time(const Record& committed);
  void flip_bit();
  void pause(uint32_t process);
  void resume(uint32_t process);
  void slow(uint32_t process);
  void false_alarm();
  void operator_down();
  void heal();

  // world_view.cc
  std::vector<Member> live_servers() override;
  bool known_gone(const ProcessId& id) override;
  bool may_remove_living(const ProcessId& id, const MemberList& members) override;
  uint32_t number_of(const ProcessId& server) override { return index_of(server); }
  void left(const ProcessId& server) override;
  void send(const ProcessId& to, Message message) override;
  void later(TimeMs delay, std::function<void()> action) override;
  void appointed(Term term, const ProcessId& coordinator) override;
  void heard(const Progress& progress, const Status& status) override;
  void went_back(Origin abandoned, const std::string& checkpoint, bool wished) override;
  void gave_up(Origin origin) override { checker_.gave_up(origin); }
  void goes_back_instead(const std::string& checkpoint) override;
  bool is_whole(const std::string& checkpoint) override;

  // world_backend.cc: processes that the operator starts and ends
  std::vector<decide::Process> processes() override;
  bool answers(const std::string& process) override;
  void start(const std::string& process, uint64_t instance, uint64_t status_version) override;
  void end(const std::string& process, uint64_t instance, bool kill) override;
  bool send_in_order(const ProcessId& to, Message message) override;
  void removed_alive(const ProcessId& id) override;
  void note(const std::string& line) override { trace(line); }
  void delete_checkpoint(const std::string& checkpoint) override;
  uint32_t index_of_name(const std::string& name) const;
  bool answers(uint32_t process) const;
  void end_quietly(uint32_t process, int exit_code);

  const Scenario& scenario_;
  const TraceSink trace_;
  const Reference reference_;
  Random random_;
  Checker checker_;
  const std::unique_ptr<Authority> operator_;

  TimeMs now_ms_ = 0;
  uint64_t sequence_ = 0;
  uint64_t events_ = 0;
  std::vector<Entry> queue_;  // a heap
  std::vector<Slot> slots_;
  std::vector<uint32_t> free_slots_;

  std::array<Process, kProcesses> processes_;
  std::array<Lives, kProcesses> lives_;
  std::array<TimeMs, kProcesses> answered_ms_ = {};       // who asked them then would have heard
  std::array<TimeMs, kProcesses> last_delivery_ms_ = {};  // of what the operator sends in order
  uint64_t next_incarnation_ = 1;
  using Links = std::array<std::array<TimeMs, kProcesses>, kProcesses>;  // [from][to]
  Links cut_until_ms_ = {};
  Links clogged_until_ms_ = {};
  bool healed_ = false;
  MapVersion flip_map_;  // of the latest commit
  Step flip_map_since_ = 0;
  std::optional<TimeMs> done_at_ms_;

  // The one loss at a time: from the death of a server until the world is whole again.
  std::optional<ProcessId> lost_server_;

  struct Directory {
    std::set<SegmentId> segments;
    bool manifest = false;
    Step version = 0;
    bool damaged = false;
  };
  std::map<std::string, Directory> disk_;
  std::map<Step, uint32_t> disk_failures_;
  Outcome outcome_;
};

}  // namespace ballast::sim
