// The processes of a job as its pods, their nodes and the lives that answer in them tell. A pod
// that has vanished is told as a process that has ended. What is remembered is only what would be
// found again. One thread at a time.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "operator/cluster/pod_scraper.h"
#include "operator/core/observed.h"
#include "operator/kube/informer.h"
#include "operator/policy/job_policies.h"

namespace ballast::cluster {

struct PodViewOptions {
  std::shared_ptr<const kube::Informer> pods;   // packed, in groups by the key of their job
  std::shared_ptr<const kube::Informer> nodes;  // null: nothing is known of nodes
  std::shared_ptr<PodScraper> scraper;
  int64_t unix_offset_ms = 0;    // what the clock of this process lacks to the time since 1970
  std::function<void()> notify;  // a life has answered, or none does; any thread
};

class PodView {
 public:
  explicit PodView(PodViewOptions options) : options_(std::move(options)) {}
  ~PodView();
  PodView(const PodView&) = delete;
  PodView& operator=(const PodView&) = delete;

  // `status`: how many there are to be.
  std::vector<decide::Process> observe(const api::TrainingJob& job,
                                       const api::TrainingJobStatus& status, decide::TimeMs now_ms);

  // What those of the last look have answered since the look before; times as observe() has them.
  std::vector<policy::ProcessAnswer> take_answers() { return std::exchange(answers_, {}); }

  // Whether each process that could answer has, or is known not to.
  bool knows_all() const;

  // Of the name of one of the job's pods, whosever it is; nothing: the watch tells of none.
  std::optional<kube::Object> find(const api::TrainingJob& job, const std::string& pod_name) const;
  // Nodes where a pod would not start now.
  std::vector<std::string> troubled_nodes() const;
  // Its process has, or its whole pod.
  bool has_ended(const kube::Object& pod, decide::TimeMs now_ms) const;
  // Its node is lost: no kubelet will end it.
  bool is_lost(const kube::Object& pod) const;

  // We asked for the end of it. `kill`: without grace. The threads of one batch may call this and
  // is_lost() at once, for different pods.
  void asked_to_end(const kube::Object& pod, bool kill, decide::TimeMs now_ms);

 private:
  struct Known {
    std::string version;                              // of its pod
    decide::Process read;                             // from that
    decide::Process last;                             // with all that is known beside it
    std::optional<decide::TimeMs> followed_since_ms;  // by the scraper
    std::optional<decide::TimeMs> asked_ms;           // to end
    bool killed = false;
    std::optional<decide::TimeMs> node_lost_since_ms;
  };

  void look_for_life(const std::string& uid, Known& known, decide::Process& process,
                     decide::TimeMs now_ms);
  void look_at_end(const Known& known, decide::Process& process) const;
  void look_at_node(Known& known, decide::Process& process, decide::TimeMs now_ms) const;
  std::optional<decide::Trouble> trouble_of_node(const std::string& name) const;
  void vanish(const std::string& uid, const Known& known, decide::TimeMs now_ms);

  const PodViewOptions options_;
  std::map<std::string, Known> known_;         // by uid of the pod
  std::map<std::string, std::string> others_;  // likewise, versions of those that are not ours
  std::map<std::string, decide::Process> vanished_;  // by name of the process
  std::vector<policy::ProcessAnswer> answers_;
};

}  // namespace ballast::cluster
