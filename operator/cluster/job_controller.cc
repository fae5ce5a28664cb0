#include "operator/cluster/job_controller.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "common/random_id.h"
#include "common/unix_time.h"
#include "operator/cluster/kept.h"

namespace ballast::cluster {
namespace {

// The first that is true is the job's.
constexpr auto kStates = {"Succeeded", "Failed", "Suspended", "Degraded", "Running"};
constexpr const char* kNoState = "Starting";

kube::InformerOptions watch_of(const kube::Resource& kind, std::string selector,
                               const ControllerOptions& options,
                               std::function<void(const std::string&)> changed) {
  kube::InformerOptions watch;
  watch.kind = kind;
  watch.name_space = options.name_space;
  watch.label_selector = std::move(selector);
  watch.jitter_seed = random_id();
  watch.changed = std::move(changed);
  watch.trouble = [log = options.log, metrics = options.metrics,
                   name = std::string(kind.plural)](const kube::WatchTrouble& trouble) {
    metrics->watch_interrupted(name);
    log.info("watch interrupted", {{"kind", name},
                                   {"code", trouble.code},
                                   {"error", trouble.text},
                                   {"relist", trouble.relist}});
  };
  return watch;
}

bool is_true(const nlohmann::json& conditions, const std::string& type) {
  return std::any_of(conditions.begin(), conditions.end(), [&](const nlohmann::json& condition) {
    return condition.is_object() && condition.contains("type") && condition["type"] == type &&
           condition.contains("status") && condition["status"] == "True";
  });
}

// For people: the words of `status.state`, found again from the conditions, since a word may be
// anybody's.
std::string state_of(const nlohmann::json& job) {
  const auto status = job.find("status");
  if (status == job.end() || !status->is_object() || !status->contains("conditions")) {
    return kNoState;
  }
  const nlohmann::json& conditions = (*status)["conditions"];
  const auto found = std::find_if(kStates.begin(), kStates.end(),
                                  [&](const char* state) { return is_true(conditions, state); });
  return found == kStates.end() ? kNoState : *found;
}

}  // namespace

std::map<std::string, int64_t> no_jobs_by_state() {
  std::map<std::string, int64_t> counts = {{kNoState, 0}};
  for (const char* state : kStates) counts[state] = 0;
  return counts;
}

JobController::JobController(ControllerOptions options)
    : options_(std::move(options)),
      unix_offset_ms_(unix_now_ms() - clock_->now_ms()),
      client_(std::make_shared<kube::KubeClient>(options_.transport, options_.manager,
                                                 wanted_fields())),
      queue_(std::make_shared<JobQueue>(options_.metrics, options_.threads)),
      parallel_(std::make_shared<Parallel>(options_.requests)),
      events_(std::make_shared<EventWriter>(client_, options_.log)) {
  options_.metrics->max_workers.Set(options_.threads);
  auto pods = watch_of(kube::kPods, kube::kJobLabel, options_,
                       [this](const std::string& key) { pod_changed(key); });
  pods.keep = packed_pod;
  pods.group_of = job_of_pod;
  pods_ = std::make_shared<kube::Informer>(client_, clock_, std::move(pods));
  auto nodes = watch_of(kube::kNodes, "", options_, [](const std::string&) {});
  nodes.name_space.clear();  // they have none
  nodes_ = std::make_shared<kube::Informer>(client_, clock_, std::move(nodes));
  auto autoscalers =
      watch_of(kube::kHorizontalPodAutoscalers, "", options_, [](const std::string&) {});
  autoscalers.group_of = job_of_autoscaler;
  autoscalers_ = std::make_shared<kube::Informer>(client_, clock_, std::move(autoscalers));
  auto jobs = watch_of(kube::kTrainingJobs, "", options_,
                       [this](const std::string& key) { job_changed(key); });
  jobs.keep = [](const nlohmann::json& job) { return packed(job, state_of(job)); };
  jobs_ = std::make_unique<kube::Informer>(client_, clock_, std::move(jobs));
}

void JobController::begin() {
  begun_ = true;
  // Those of which it was told before; what comes from now on comes by itself.
  for (const kube::Object& job : jobs_->all()) job_changed(job.key());
  for (int i = 0; i < options_.threads; ++i) {
    threads_.emplace_back([this](const std::stop_token& stop) { work(stop); });
  }
}

JobController::~JobController() {
  stop();
  jobs_.reset();
  pods_.reset();
  nodes_.reset();
  autoscalers_.reset();
}

void JobController::stop() {
  options_.transport->stop();
  for (std::jthread& thread : threads_) thread.request_stop();
  for (std::jthread& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
  const MutexLock lock(mutex_);
  known_.clear();
}

std::map<std::string, int64_t> JobController::jobs_by_state() const {
  auto counts = no_jobs_by_state();
  for (const kube::Object& job : jobs_->all()) ++counts[word_of(job)];
  return counts;
}

void JobController::job_changed(const std::string& key) {
  if (!begun_) return;
  bool known = false;
  {
    const MutexLock lock(mutex_);
    known = known_.contains(key);
  }
  if (known) {
    queue_->add(key);
  } else {
    queue_->add_new(key);
  }
}

// "<job>-ps-0" and "<job>-worker-3" are turns of "<job>".
void JobController::pod_changed(const std::string& key) {
  if (!begun_) return;
  for (const char* role : {"-ps-", "-worker-"}) {
    if (const size_t at = key.rfind(role); at != key.npos) return queue_->add(key.substr(0, at));
  }
}

void JobController::work(const std::stop_token& stop) {
  // What is not known yet may well exist: nothing is decided before the pods are.
  if (!pods_->wait_until_synced(stop)) return;
  while (const auto key = queue_->wait(stop)) {
    options_.metrics->active_workers.Increment();
    const auto begin = std::chrono::steady_clock::now();
    const TurnResult result = turn(*key);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
    options_.metrics->turn(result, took.count());
    options_.metrics->work_seconds.Observe(took.count());
    options_.metrics->active_workers.Decrement();
    queue_->done(*key);
  }
}

TurnResult JobController::turn(const std::string& key) {
  const auto job = jobs_->find(key);
  if (!job) {
    // Gone; its pods go with it, by their owner references.
    const MutexLock lock(mutex_);
    const auto gone = known_.extract(key);
    if (gone && gone.mapped().backend) pace_.job_ended();
    return TurnResult::kSuccess;
  }
  const auto again = backend_of(*job).turn(*job, clock_->now_ms() + unix_offset_ms_);
  if (!again) {
    options_.log.warning("a turn failed", {{"job", key}, {"error", again.error()}});
    queue_->add_after_failure(key);
    return TurnResult::kError;
  }
  queue_->forget(key);
  if (!*again) {
    forget(*job);
    return TurnResult::kSuccess;
  }
  queue_->add_at(key, **again - unix_offset_ms_);
  return TurnResult::kRequeueAfter;
}

// Of a job that is over its name is enough: there may be thousands of them.
void JobController::forget(const kube::Object& job) {
  std::unique_ptr<JobBackend> ended;  // outside of the lock: it may have connections to close
  const MutexLock lock(mutex_);
  const auto found = known_.find(job.key());
  if (found != known_.end()) ended = std::move(found->second.backend);
  if (ended) pace_.job_ended();
}

JobBackend& JobController::backend_of(const kube::Object& job) {
  const MutexLock lock(mutex_);
  Known& known = known_[job.key()];
  if (known.backend == nullptr || known.uid != job.uid) {
    known.uid = job.uid;
    if (known.backend == nullptr) pace_.job_began();
    known.backend = std::make_unique<JobBackend>(JobBackendOptions{
        client_, pods_, scraper_, parallel_, options_.authority, options_.settings, unix_offset_ms_,
        [queue = queue_, key = job.key()] { queue->add(key); },
        options_.log.child({{"job", job.key()}}), events_, reporter_, nodes_, autoscalers_,
        options_.decisions, [this] { return pace_.every_ms(); },
        [this](int64_t took_ms) { pace_.wrote(took_ms); }});
  }
  return *known.backend;
}

}  // namespace ballast::cluster
