#include "operator/cluster/job_controller.h"

#include <chrono>
#include <utility>

#include "common/random_id.h"

namespace ballast::cluster {
namespace {

constexpr int kScrapeEveryMs = 1'000;
constexpr kube::TimeMs kUntilSyncedMs = 100;

int64_t unix_now_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

kube::InformerOptions watch_of(const kube::Resource& kind, const std::string& name_space,
                               std::string selector, const Logger& log,
                               std::function<void(const std::string&)> changed) {
  return {kind,
          name_space,
          std::move(selector),
          random_id(),
          std::move(changed),
          [log, name = std::string(kind.plural)](const kube::WatchTrouble& trouble) {
            log.info("watch interrupted", {{"kind", name},
                                           {"code", trouble.code},
                                           {"error", trouble.text},
                                           {"relist", trouble.relist}});
          }};
}

}  // namespace

JobController::JobController(ControllerOptions options)
    : options_(std::move(options)),
      unix_offset_ms_(unix_now_ms() - clock_->now_ms()),
      scraper_(std::make_shared<local::Scraper>(kScrapeEveryMs)),
      events_(std::make_shared<EventWriter>(options_.client, options_.log)) {
  pods_ = std::make_shared<kube::Informer>(
      options_.client, clock_,
      watch_of(kube::kPods, options_.name_space, kube::kJobLabel, options_.log,
               [this](const std::string& key) { pod_changed(key); }));
  jobs_ = std::make_unique<kube::Informer>(
      options_.client, clock_,
      watch_of(kube::kTrainingJobs, options_.name_space, "", options_.log,
               [queue = queue_](const std::string& key) { queue->add(key); }));
  for (int i = 0; i < options_.threads; ++i) {
    threads_.emplace_back([this](const std::stop_token& stop) { work(stop); });
  }
}

JobController::~JobController() {
  for (std::jthread& thread : threads_) thread.request_stop();
  threads_.clear();
  jobs_.reset();
  const MutexLock lock(mutex_);
  known_.clear();
}

// "<job>-ps-0" and "<job>-worker-3" are turns of "<job>".
void JobController::pod_changed(const std::string& key) {
  for (const char* role : {"-ps-", "-worker-"}) {
    if (const size_t at = key.rfind(role); at != key.npos) return queue_->add(key.substr(0, at));
  }
}

void JobController::work(const std::stop_token& stop) {
  while (const auto key = queue_->wait(stop)) {
    turn(*key);
    queue_->done(*key);
  }
}

void JobController::turn(const std::string& key) {
  const auto job = jobs_ == nullptr ? std::nullopt : jobs_->find(key);
  if (!job) {
    // Gone; its pods go with it, by their owner references.
    const MutexLock lock(mutex_);
    known_.erase(key);
    return;
  }
  // What is not known yet may well exist: nothing is decided before the pods are.
  if (!pods_->synced()) return queue_->add_at(key, clock_->now_ms() + kUntilSyncedMs);
  const auto again = backend_of(*job).turn(*job, clock_->now_ms() + unix_offset_ms_);
  if (!again) {
    options_.log.warning("a turn failed", {{"job", key}, {"error", again.error()}});
    return queue_->add_after_failure(key);
  }
  queue_->forget(key);
  if (*again) queue_->add_at(key, **again - unix_offset_ms_);
}

JobBackend& JobController::backend_of(const kube::Object& job) {
  const MutexLock lock(mutex_);
  Known& known = known_[job.key()];
  if (known.backend == nullptr || known.uid != job.uid) {
    known.uid = job.uid;
    known.backend = std::make_unique<JobBackend>(
        JobBackendOptions{options_.client, pods_, scraper_, options_.authority, options_.settings,
                          unix_offset_ms_, [queue = queue_, key = job.key()] { queue->add(key); },
                          options_.log.child({{"job", job.key()}}), events_, reporter_});
  }
  return *known.backend;
}

}  // namespace ballast::cluster
