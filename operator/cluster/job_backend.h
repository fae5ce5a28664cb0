// One TrainingJob of a cluster: sees its pods, its status and its coordinator, asks decide(), and
// does what it says through the API server. Each turn works from what is there now, so that missed
// and merged events do not matter; what it remembers is only what would be found again.
// One turn of a job at a time.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/log.h"
#include "operator/cluster/event_writer.h"
#include "operator/cluster/job_certificates.h"
#include "operator/cluster/parallel.h"
#include "operator/cluster/pod_scraper.h"
#include "operator/cluster/pod_view.h"
#include "operator/cluster/starter.h"
#include "operator/core/decide.h"
#include "operator/core/pod_template.h"
#include "operator/kube/client.h"
#include "operator/kube/informer.h"
#include "operator/local/decision_counters.h"
#include "operator/local/session_keeper.h"
#include "operator/policy/job_policies.h"

namespace ballast::cluster {

struct JobBackendOptions {
  std::shared_ptr<kube::KubeClient> client;
  std::shared_ptr<const kube::Informer> pods;  // packed, in groups by the key of their job
  std::shared_ptr<PodScraper> scraper;
  std::shared_ptr<Parallel> parallel;  // makes and removes pods
  std::shared_ptr<CertificateAuthority> authority;
  kube::PodSettings settings;
  int64_t unix_offset_ms = 0;    // what the clock of this process lacks to the time since 1970
  std::function<void()> notify;  // another turn is worth it; any thread
  Logger log;
  std::shared_ptr<EventWriter> events = nullptr;          // null: none are written
  std::string reporter = {};                              // of events: which operator this is
  std::shared_ptr<const kube::Informer> nodes = nullptr;  // null: nothing is known of nodes
  // HorizontalPodAutoscalers, in groups by the key of the job that they scale; null: none is known.
  std::shared_ptr<const kube::Informer> autoscalers = nullptr;
  std::shared_ptr<local::DecisionCounters> decisions = nullptr;  // null: nobody counts
  // Between two writes of a job's progress; null: kProgressEveryMs. Any thread.
  std::function<decide::TimeMs()> progress_every_ms = nullptr;
  // A status was written, which took so long; null: nobody wants to know. Any thread.
  std::function<void(int64_t took_ms)> status_written = nullptr;
};

class JobBackend {
 public:
  explicit JobBackend(JobBackendOptions options);

  // When to come again at the latest; nothing: when something changes. `job` as the informer has
  // it: packed.
  Result<std::optional<decide::TimeMs>> turn(const kube::Object& job, decide::TimeMs now_ms);

 private:
  Result<std::optional<decide::TimeMs>> do_turn(const kube::Object& job, decide::TimeMs now_ms);
  Result<void> observe(const kube::Object& job, decide::TimeMs now_ms);
  Result<void> read_job();
  bool works() const;  // it has processes that answer
  bool looked_around();
  void keep_certificates();
  Result<void> tell_certificates();
  Result<void> write_status(nlohmann::json body);
  void ask_policies();
  void tell(const policy::Decision& decision);
  Result<bool> act();  // whether the status was written, so that there may be more to do

  // `starts_follow`: what the first processes need around them is asked for beside it.
  Result<void> perform(const decide::WriteStatus& write, bool starts_follow = false);
  Result<void> perform(const std::vector<decide::StartProcess>& starts);
  Result<void> perform(const std::vector<decide::StopProcess>& stops);
  Result<void> perform(const decide::StartProcess& start) { return perform(std::vector{start}); }
  Result<void> perform(const decide::StopProcess& stop) { return perform(std::vector{stop}); }
  Result<void> perform(const std::vector<decide::RemoveEnded>& ended);
  Result<void> perform(const decide::RemoveEnded& ended) { return perform(std::vector{ended}); }
  Result<void> perform(const decide::DeleteJob& remove);
  Result<void> perform(const decide::Finish& finish);
  template <typename Message>
  Result<void> perform(const Message& message) {
    session_.send(message, observed_);
    return {};
  }

  const JobBackendOptions options_;
  decide::Observed observed_;
  PodView pods_;
  Starter starter_;
  local::SessionKeeper session_;
  JobCertificates certificates_;
  policy::JobPolicies policies_{policy::kInACluster};
  std::optional<Error> no_certificates_;
  std::optional<kube::Object> newest_;  // of the job, packed: read, or written by us
  std::string read_version_;            // of newest_, as observed_ has it
  std::string read_spec_;               // uid and generation
  bool looked_around_ = false;
  std::optional<decide::TimeMs> wake_at_ms_;
  std::optional<decide::TimeMs> due_ms_;  // the next turn, as was promised with the last one
  bool finished_ = false;
};

}  // namespace ballast::cluster
