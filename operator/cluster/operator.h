// ballast-operator without its flags: elects a leader, runs the jobs while this process is it, and
// tells how it fares. When it is destroyed it first stops to act, then gives the Lease up. Jobs and
// pods stay as they are. Any thread may ask.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include <prometheus/collectable.h>

#include "common/log.h"
#include "common/mutex.h"
#include "operator/cluster/certificate_authority.h"
#include "operator/cluster/guarded_transport.h"
#include "operator/cluster/job_controller.h"
#include "operator/cluster/leader.h"
#include "operator/cluster/operator_config.h"
#include "operator/cluster/operator_metrics.h"

namespace ballast::cluster {

struct OperatorOptions {
  OperatorConfig config;  // valid
  std::shared_ptr<kube::HttpTransport> transport;
  // A renewal that hangs must end while there is time to cease before another may begin: this one
  // gives up sooner.
  std::shared_ptr<kube::HttpTransport> lease_transport;
  std::string server;      // of the API, for metrics
  std::string name_space;  // our own
  std::string identity;    // of this process; never used again
  Logger log;
};

class Operator {
 public:
  explicit Operator(OperatorOptions options);
  ~Operator();
  Operator(const Operator&) = delete;
  Operator& operator=(const Operator&) = delete;

  // Whether the process is sound: an API server that is away is none of its faults.
  Result<void> healthy() const;
  // Whether it does its work: it leads or stands by, and knows all jobs and pods.
  Result<void> ready() const;
  // They ask this object, and must end before it does.
  std::vector<std::shared_ptr<prometheus::Collectable>> collectables() const;

 private:
  TransportGuards guards() const;  // of what only a leader writes
  std::shared_ptr<JobController> make_controller() const;
  void begin();
  void cease();
  void end_controller();
  std::shared_ptr<JobController> controller() const;
  std::map<std::string, int64_t> jobs_by_state() const;

  const OperatorOptions options_;
  const std::shared_ptr<OperatorMetrics> metrics_;
  const std::shared_ptr<local::DecisionCounters> decisions_ =
      std::make_shared<local::DecisionCounters>(metrics_->registry());
  const std::shared_ptr<Leadership> leadership_ = std::make_shared<Leadership>();
  // The authority is kept from one leadership to the next.
  const std::shared_ptr<GuardedTransport> authority_transport_;
  const std::shared_ptr<CertificateAuthority> authority_;
  mutable Mutex mutex_;
  // Reads along while another process leads. Nothing: it has just ceased to act.
  std::shared_ptr<JobController> controller_ BALLAST_GUARDED_BY(mutex_);
  std::atomic<bool> leads_ = false;
  std::atomic<bool> ending_ = false;
  std::unique_ptr<Leader> leader_;  // last: its thread uses all of the above
};

}  // namespace ballast::cluster
