// What a worker machine knows: the coordinator it follows, its assignment, what it has pulled, and
// what it pushed and keeps. Plain data, changed only by the functions of worker_steps.h.
#pragma once

#include <deque>
#include <map>
#include <set>
#include <vector>

#include "services/core/worker_machine.h"

namespace ballast {

enum class Delivery : uint8_t { kWaiting, kInFlight, kDone };

// One piece that this worker contributes to the step: kept until the step is committed.
struct Contribution {
  TreeNode node = 1;
  LossSum sum;
  Delivery delivery = Delivery::kWaiting;
  bool queued = false;
  ProcessId to;   // where it is in flight to, or was delivered
  Term term = 0;  // under which it was delivered
  TimeMs sent_ms = 0;
};

struct SegmentWork {
  std::vector<Contribution> contributions;  // of the step in hand
  bool pulled = false;                      // holds parameters of the step in hand
  Delivery pull = Delivery::kWaiting;
  ProcessId pull_from;
  TimeMs pull_sent_ms = 0;
  bool initial_asked = false;  // MakeInitial was given
  bool initial_ready = false;
  Delivery initial = Delivery::kWaiting;
  ProcessId initial_to;
  MapVersion initial_under;  // delivered: the map under which it was there
  TimeMs initial_sent_ms = 0;
};

// What waits for, and is in flight to, one primary.
struct ServerQueue {
  std::deque<std::pair<SegmentId, uint32_t>> pushes;  // segment, index of its contribution
  std::vector<std::pair<SegmentId, uint32_t>> retry;  // answered "not yet": again on the next tick
  std::vector<SegmentId> pulls;                       // ascending segments of this primary
  size_t next_pull = 0;
  uint32_t pushes_in_flight = 0;
  uint32_t pulls_in_flight = 0;
};

struct WorkerState {
  ProcessId self;
  std::vector<Member> servers;  // whom to ask for the coordinator
  JobIdentity identity;
  uint32_t microbatches = 1;
  uint32_t segment_elements = kDefaultSegmentElements;
  std::string build;
  WorkerOptions options;

  // The coordinator.
  bool joined = false;
  Term term = 0;
  Origin origin = 0;
  ProcessId coordinator;
  std::optional<ProcessId> hint;  // where a Redirect pointed
  size_t next_server = 0;
  TimeMs join_sent_ms = 0;
  TimeMs join_wait_ms = 0;  // grows while nobody answers
  TimeMs heard_ms = 0;      // last word of the coordinator
  TimeMs heartbeat_sent_ms = 0;
  bool leaving = false;
  bool ended = false;

  // The assignment.
  SegmentMap map;
  bool assigned = false;
  Step step = 0;
  uint32_t number = 0;
  MapVersion needed_map;
  bool wants_parameters = false;  // this step has work, so it pulls
  std::vector<bool> begun;        // microbatches of this step that BeginWork named
  std::set<uint32_t> evaluating;  // evaluation microbatches, likewise
  std::vector<SegmentId> initialise;
  std::map<uint32_t, LossSum> evaluations;  // done, sent until the step is over
  TimeMs evaluations_sent_ms = 0;

  std::vector<SegmentWork> segments;
  std::vector<ServerQueue> queues;  // by ServerIndex of the map

  bool map_known() const {
    return map.version.term == term && map.version >= needed_map && !map.segments.empty();
  }
};

}  // namespace ballast
