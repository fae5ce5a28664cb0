// What policies see of a job at one moment. Measurements are there or not; nothing is guessed where
// one is missing. Plain values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "operator/policy/decision.h"

namespace ballast::policy {

struct WorkerView {
  std::string name;
  std::string node;
  int64_t microbatches = 0;     // of each step, assigned to it now
  std::optional<double> speed;  // microbatches a second of computing; none: no sound measurement
  std::optional<double> busy_seconds;  // computing in each second of the clock, 0..1
  bool joining = false;                // too young to have been measured
  double weight = 1;                   // method weighted
  int64_t priority = 0;                // method priority: the highest first
  int64_t capacity = 0;                // method priority: most microbatches; 0: no limit

  bool operator==(const WorkerView&) const = default;
};

struct ServerView {
  std::string name;
  std::string node;
  std::optional<double> busy;  // 0..1 of its time
  bool joining = false;
  uint64_t instance = 0;  // which of its lives

  bool operator==(const ServerView&) const = default;
};

// Segments that move together.
struct GroupView {
  uint64_t bytes = 0;
  uint32_t primary = 0;           // index into JobView::servers
  std::vector<uint32_t> backups;  // likewise

  bool operator==(const GroupView&) const = default;
};

// Tokens a second of the whole job over the time that ended at `at_ms`.
struct ThroughputSample {
  TimeMs at_ms = 0;
  double tokens_per_second = 0;

  bool operator==(const ThroughputSample&) const = default;
};

// A process was ended because it needed more memory than it may have.
struct OutOfMemory {
  std::string process;
  uint64_t instance = 0;  // which of its lives
  uint64_t limit_bytes = 0;

  bool operator==(const OutOfMemory&) const = default;
};

struct JobView {
  // Why nothing may be changed now but memory, e.g. "FailingOver", "CheckpointUnderWay",
  // "ChangeInFlight", "Suspended"; empty: all is quiet.
  std::string unsettled;
  int64_t microbatches = 0;                  // of a step, in all
  std::vector<WorkerView> workers;           // without those that are ending
  int64_t wanted_workers = 0;                // as status has it
  bool horizontal_autoscaler = false;        // another one decides on the number of workers
  std::vector<ThroughputSample> throughput;  // ascending in time; without those that are in doubt
  std::vector<ServerView> servers;           // without those that are ending
  int64_t wanted_servers = 0;
  int64_t replication = 1;
  std::vector<GroupView> groups;
  std::vector<OutOfMemory> out_of_memory;
};

}  // namespace ballast::policy
