#include "operator/cluster/pod_view.h"

#include <algorithm>
#include <utility>

#include "operator/cluster/kept.h"
#include "operator/cluster/refusal.h"
#include "operator/core/pod_status.h"
#include "operator/core/pod_template.h"

namespace ballast::cluster {
namespace {

using decide::Process;
using decide::ProcessState;
using decide::TimeMs;
using kube::Object;

// A process on a node that is not ready may live, and then it answers.
constexpr TimeMs kSilenceOnLostNodeMs = 10'000;
// More nodes are not named in a pod.
constexpr size_t kMostTroubledNodes = 64;

std::string metrics_address(const Process& process) {
  return process.address.substr(0, process.address.rfind(':') + 1) +
         std::to_string(kube::kMetricsPort);
}

std::string name_of(const Process& process) {
  return decide::process_name(process.role, process.index);
}

// Nothing: it is another job's, or nobody's.
std::optional<Process> process_of(const Object& packed, const std::string& job_uid, TimeMs now_ms) {
  const Object pod = unpacked(packed);
  if (!is_owned_by(pod, job_uid)) return std::nullopt;
  return kube::process_of(*pod.body, now_ms);
}

}  // namespace

PodView::~PodView() {
  for (const auto& [uid, known] : known_) {
    if (known.followed_since_ms) options_.scraper->forget(uid);
  }
}

std::vector<Process> PodView::observe(const api::TrainingJob& job,
                                      const api::TrainingJobStatus& status, TimeMs now_ms) {
  std::map<std::string, Known> before = std::exchange(known_, {});
  const std::map<std::string, std::string> others_before = std::exchange(others_, {});
  std::map<std::string, Process> seen;
  answers_.clear();
  const api::Metadata& metadata = job.metadata;
  for (const Object& pod : options_.pods->in_group(metadata.name_space + "/" + metadata.name)) {
    const auto read = before.find(pod.uid);
    const bool is_new = read == before.end() || read->second.version != pod.resource_version;
    std::optional<Process> news;
    if (is_new) {
      const auto other = others_before.find(pod.uid);
      if (other == others_before.end() || other->second != pod.resource_version)
        news = process_of(pod, metadata.uid, now_ms);
      if (!news) {
        others_[pod.uid] = pod.resource_version;
        continue;
      }
    }
    Known known = read == before.end() ? Known{} : std::move(read->second);
    before.erase(pod.uid);
    if (news) known.read = *news;
    known.version = pod.resource_version;
    Process process = known.read;
    look_for_life(pod.uid, known, process, now_ms);
    look_at_end(known, process);
    look_at_node(known, process, now_ms);
    known.last = process;
    known_[pod.uid] = std::move(known);
    seen[name_of(process)] = std::move(process);
  }
  for (const auto& [uid, known] : before) vanish(uid, known, now_ms);
  // A policy may want more than the spec says; a plan may lag behind it.
  const int64_t servers = std::max(job.spec.servers.replicas, status.planned_servers);
  const int64_t workers = std::max(job.spec.workers.replicas, status.planned_workers);
  std::erase_if(vanished_, [&](const auto& entry) {
    const bool server = entry.second.role == decide::Role::kServer;
    return seen.contains(entry.first) || entry.second.index >= (server ? servers : workers);
  });
  std::vector<Process> processes;
  for (auto& [name, process] : seen) processes.push_back(std::move(process));
  for (const auto& [name, process] : vanished_) processes.push_back(process);
  return processes;
}

void PodView::look_for_life(const std::string& uid, Known& known, Process& process, TimeMs now_ms) {
  process.incarnation = known.last.incarnation;
  process.heard_ms = known.last.heard_ms;
  if (process.state == ProcessState::kExited || process.address.empty()) {
    if (std::exchange(known.followed_since_ms, std::nullopt)) options_.scraper->forget(uid);
    return;
  }
  if (!known.followed_since_ms) known.followed_since_ms = now_ms;
  options_.scraper->follow(uid, {metrics_address(process), name_of(process), options_.notify});
  const auto answer = options_.scraper->latest(uid);
  if (!answer) {
    // Its silence counts from when it was asked first: the news of it, or this turn, may come late.
    process.started_ms = std::max(process.started_ms, *known.followed_since_ms);
    return;
  }
  process.incarnation = answer->incarnation;
  const TimeMs spared_ms = std::min(answer->spared_until_ms + options_.unix_offset_ms, now_ms);
  process.heard_ms = std::max(answer->answered_ms + options_.unix_offset_ms, spared_ms);
  process.state = ProcessState::kReady;
  if (answer->exposition != nullptr) {
    answers_.push_back({name_of(process), process.instance,
                        answer->asked_ms + options_.unix_offset_ms,
                        answer->answered_ms + options_.unix_offset_ms, answer->exposition});
    options_.scraper->taken(uid, answer->asked_ms);
  }
  if (process.role == decide::Role::kWorker) process.address.clear();
}

// Whether we or somebody else wants it to end.
void PodView::look_at_end(const Known& known, Process& process) const {
  if (known.asked_ms) {
    if (!process.stopping_since_ms) process.stopping_since_ms = known.asked_ms;
    process.killed = process.killed || known.killed;
    // Ended without being asked: its end is its own.
    if (known.killed && !known.last.stopping_since_ms) process.stopping_since_ms.reset();
  } else if (process.stopping_since_ms && !process.taken) {
    process.taken = true;
    process.trouble = {"PodDeleted", "its pod is being deleted"};
  }
}

void PodView::look_at_node(Known& known, Process& process, TimeMs now_ms) const {
  const auto trouble = trouble_of_node(process.node);
  if (!trouble) return known.node_lost_since_ms.reset();
  if (!known.node_lost_since_ms) known.node_lost_since_ms = now_ms;
  if (process.state == ProcessState::kExited ||
      now_ms - std::max(process.heard_ms, *known.node_lost_since_ms) < kSilenceOnLostNodeMs) {
    return;
  }
  process.state = ProcessState::kExited;
  process.taken = process.lost = true;
  process.trouble = *trouble;
  process.ended_ms = now_ms;
}

std::optional<decide::Trouble> PodView::trouble_of_node(const std::string& name) const {
  if (name.empty() || options_.nodes == nullptr || !options_.nodes->synced()) return std::nullopt;
  const auto node = options_.nodes->find(name);
  return kube::node_trouble(name, node ? node->body.get() : nullptr);
}

void PodView::vanish(const std::string& uid, const Known& known, TimeMs now_ms) {
  if (known.followed_since_ms) options_.scraper->forget(uid);
  Process process = known.last;
  process.lost = false;
  if (process.state != ProcessState::kExited) {
    process.state = ProcessState::kExited;
    process.exit_code = 1;
    process.ended_ms = now_ms;
    if (!known.asked_ms && !process.taken) {
      process.taken = true;
      process.trouble = {"PodDeleted", "its pod was deleted"};
    }
  }
  vanished_[name_of(process)] = std::move(process);
}

bool PodView::knows_all() const {
  return std::all_of(known_.begin(), known_.end(), [&](const auto& entry) {
    return !entry.second.followed_since_ms || options_.scraper->known(entry.first);
  });
}

std::optional<Object> PodView::find(const api::TrainingJob& job,
                                    const std::string& pod_name) const {
  auto found = options_.pods->find(job.metadata.name_space + "/" + pod_name);
  if (!found) return std::nullopt;
  return unpacked(std::move(*found));
}

std::vector<std::string> PodView::troubled_nodes() const {
  std::vector<std::string> names;
  if (options_.nodes == nullptr) return names;
  for (const Object& node : options_.nodes->all()) {
    if (names.size() < kMostTroubledNodes && kube::node_trouble(node.name, node.body.get()))
      names.push_back(node.name);
  }
  return names;
}

bool PodView::has_ended(const Object& pod, TimeMs now_ms) const {
  const auto process = kube::process_of(*pod.body, now_ms);
  return process && process->state == ProcessState::kExited;
}

bool PodView::is_lost(const Object& pod) const {
  const auto known = known_.find(pod.uid);
  return known != known_.end() && known->second.last.state == ProcessState::kExited &&
         trouble_of_node(known->second.last.node);
}

void PodView::asked_to_end(const Object& pod, bool kill, TimeMs now_ms) {
  const auto known = known_.find(pod.uid);
  if (known == known_.end()) return;
  if (!known->second.asked_ms) known->second.asked_ms = now_ms;
  known->second.killed = known->second.killed || kill;
}

}  // namespace ballast::cluster
