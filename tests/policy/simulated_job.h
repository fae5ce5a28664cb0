// A job as its policies meet it: workers whose speed differs and changes, with noise; servers that
// get slower with each worker; scrapes that are lost or late; workers that come, die and come back.
// The samples take the whole way: exposed as text, parsed, remembered, measured, decided on. One
// seed reproduces everything; one thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "operator/policy/job_samples.h"
#include "operator/policy/policies.h"

namespace ballast::policy {

class Random {  // splitmix64
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  double unit();  // [0, 1)
  double within(double low, double high) { return low + (high - low) * unit(); }
  int64_t below(int64_t bound) { return static_cast<int64_t>(unit() * static_cast<double>(bound)); }

 private:
  uint64_t state_;
};

struct SimulatedOptions {
  uint64_t seed = 1;
  int64_t microbatches = 64;
  std::vector<double> speeds = {10, 10};  // microbatches a second, of the workers at the start
  double newcomer_speed = 10;
  double noise = 0.2;             // each step of each worker: +- this, evenly
  double seconds_per_worker = 0;  // that each worker adds to every step: contention
  double lost = 0;                // share of scrapes without an answer
  double late = 0;                // share of answers that come too late
  TimeMs scrape_every_ms = 5'000;
  TimeMs start_takes_ms = 5'000;
  Settings settings;
};

class SimulatedJob {
 public:
  explicit SimulatedJob(SimulatedOptions options);

  void run_for(TimeMs duration_ms);

  // Faults and other people.
  void set_speed(size_t worker, double speed) { workers_.at(worker).speed = speed; }
  void set_speeds(double factor);
  void kill(size_t worker);  // it is started again, as another life
  void silence(size_t worker, bool silent) { workers_.at(worker).silent = silent; }
  void set_scraping(double lost, double late) {
    options_.lost = lost;
    options_.late = late;
  }

  // Microbatches a second, by the true speeds, without noise: now, and with the best shares.
  double throughput() const;
  double best_throughput() const;
  double throughput_of(size_t workers) const;  // of so many equal newcomers

  struct Change {
    TimeMs at_ms = 0;
    Decision decision;
    int64_t moves = 0;          // microbatches, where it was the shares
    bool samples_sound = true;  // every worker but newcomers had answered shortly before
  };
  const std::vector<Change>& changes() const { return changes_; }
  int64_t changes_since(TimeMs at_ms) const;
  int64_t changes_since(TimeMs at_ms, Policy policy) const;
  const std::vector<Decision>& decisions() const { return decisions_; }  // of the last evaluation
  TimeMs now() const { return static_cast<TimeMs>(now_seconds_ * 1000); }
  std::vector<int64_t> counts() const;
  size_t workers() const { return workers_.size(); }
  // What the policy has settled on: without a trial that is under way.
  int64_t chosen_workers() const {
    return state_.worker_count.from.value_or(static_cast<int64_t>(workers_.size()));
  }

 private:
  struct Worker {
    std::string name;
    double speed = 0;
    bool silent = false;
    int64_t count = 0;
    double microbatches_total = 0;
    double compute_seconds = 0;
    TimeMs started_ms = 0;
    TimeMs ready_ms = 0;
    TimeMs answered_ms = 0;
  };

  bool ready(const Worker& worker) const { return worker.ready_ms <= now(); }
  void share_equally();
  void step();
  void scrape();
  void decide();
  void carry_out(const Evaluation& evaluation, const JobView& view);
  void start(double speed, TimeMs takes_ms);

  SimulatedOptions options_;
  Random random_;
  scrape::History history_;
  State state_;
  std::vector<Worker> workers_;
  std::vector<ThroughputSample> throughput_;
  std::vector<Change> changes_;
  std::vector<Decision> decisions_;
  double now_seconds_ = 1;
  TimeMs next_scrape_ms_ = 1'000;
  double tokens_ = 0;
  int64_t lives_ = 0;
  size_t ready_workers_ = 0;
};

}  // namespace ballast::policy
