// All TrainingJobs of a cluster: watches them and their pods, and gives each a turn when something
// of it has changed, or its time has come. Threads of its own; stops when it is told to, or
// destroyed. Jobs and pods stay as they are then, and training goes on. Any thread may ask.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "common/random_id.h"
#include "operator/cluster/event_writer.h"
#include "operator/cluster/guarded_transport.h"
#include "operator/cluster/job_backend.h"
#include "operator/cluster/job_queue.h"
#include "operator/cluster/operator_metrics.h"
#include "operator/cluster/progress_pace.h"

namespace ballast::cluster {

struct ControllerOptions {
  std::shared_ptr<GuardedTransport> transport;
  std::string manager;     // our name as the owner of fields
  std::string name_space;  // empty: all
  std::shared_ptr<CertificateAuthority> authority;
  kube::PodSettings settings;
  int threads = 24;   // jobs that are looked after at once
  int requests = 64;  // pods that are made or removed at once, of all jobs together
  std::shared_ptr<OperatorMetrics> metrics;
  std::shared_ptr<local::DecisionCounters> decisions;  // of policies
  Logger log;
};

// Every state, with none in it.
std::map<std::string, int64_t> no_jobs_by_state();

class JobController {
 public:
  explicit JobController(ControllerOptions options);
  ~JobController();
  JobController(const JobController&) = delete;
  JobController& operator=(const JobController&) = delete;

  // Until then it reads along, so that it knows all jobs and pods when its turn to act comes. Once.
  void begin();
  // Ends turns and requests that are under way; nothing is begun after it.
  void stop();

  // Whether all jobs and pods are known.
  bool synced() const { return jobs_->synced() && pods_->synced(); }
  kube::TimeMs longest_turn_ms() const { return queue_->longest_work_ms(); }
  // Of all jobs: how many have which state.
  std::map<std::string, int64_t> jobs_by_state() const;

 private:
  void work(const std::stop_token& stop);
  TurnResult turn(const std::string& key);
  void job_changed(const std::string& key);
  void pod_changed(const std::string& key);
  void forget(const kube::Object& job);
  JobBackend& backend_of(const kube::Object& job);

  const ControllerOptions options_;
  const std::shared_ptr<SteadyClock> clock_ = std::make_shared<SteadyClock>();
  const int64_t unix_offset_ms_;
  const std::shared_ptr<kube::KubeClient> client_;
  const std::shared_ptr<JobQueue> queue_;
  const std::shared_ptr<PodScraper> scraper_ = std::make_shared<PodScraper>();
  const std::shared_ptr<Parallel> parallel_;
  const std::shared_ptr<EventWriter> events_;
  const std::string reporter_ = "ballast-operator-" + random_uuid();

  std::atomic<bool> begun_ = false;
  ProgressPace pace_;
  Mutex mutex_;
  struct Known {
    std::string uid;
    // In use by the one thread that has its key. Nothing: the job needs nothing more.
    std::unique_ptr<JobBackend> backend;
  };
  std::map<std::string, Known> known_ BALLAST_GUARDED_BY(mutex_);

  std::shared_ptr<kube::Informer> pods_;
  std::shared_ptr<kube::Informer> nodes_;
  std::shared_ptr<kube::Informer> autoscalers_;
  std::unique_ptr<kube::Informer> jobs_;
  std::vector<std::jthread> threads_;
};

}  // namespace ballast::cluster
