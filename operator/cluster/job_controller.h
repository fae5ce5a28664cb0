// All TrainingJobs of a cluster: watches them and their pods, and gives each a turn when something
// of it has changed, or its time has come. Threads of its own; stops when it is destroyed. Jobs and
// pods stay as they are then, and training goes on.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "common/random_id.h"
#include "operator/cluster/job_backend.h"
#include "operator/cluster/job_queue.h"

namespace ballast::cluster {

struct ControllerOptions {
  std::shared_ptr<kube::KubeClient> client;
  std::string name_space;  // empty: all
  std::shared_ptr<CertificateAuthority> authority;
  kube::PodSettings settings;
  int threads = 4;
  Logger log;
};

class JobController {
 public:
  explicit JobController(ControllerOptions options);
  ~JobController();
  JobController(const JobController&) = delete;
  JobController& operator=(const JobController&) = delete;

 private:
  void work(const std::stop_token& stop);
  void turn(const std::string& key);
  void pod_changed(const std::string& key);
  JobBackend& backend_of(const kube::Object& job);

  const ControllerOptions options_;
  const std::shared_ptr<SteadyClock> clock_ = std::make_shared<SteadyClock>();
  const int64_t unix_offset_ms_;
  const std::shared_ptr<JobQueue> queue_ = std::make_shared<JobQueue>();
  const std::shared_ptr<local::Scraper> scraper_;
  const std::shared_ptr<EventWriter> events_;
  const std::string reporter_ = "ballast-operator-" + random_uuid();

  Mutex mutex_;
  struct Known {
    std::string uid;
    std::unique_ptr<JobBackend> backend;  // in use by the one thread that has its key
  };
  std::map<std::string, Known> known_ BALLAST_GUARDED_BY(mutex_);

  std::shared_ptr<kube::Informer> pods_;
  std::unique_ptr<kube::Informer> jobs_;
  std::vector<std::jthread> threads_;
};

}  // namespace ballast::cluster
