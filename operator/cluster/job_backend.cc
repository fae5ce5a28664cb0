#include "operator/cluster/job_backend.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "operator/api/read_training_job.h"
#include "operator/core/advance.h"
#include "operator/core/cluster_status.h"
#include "operator/core/events.h"
#include "operator/core/pod_status.h"
#include "operator/local/job_config.h"
#include "operator/scrape/parse.h"

namespace ballast::cluster {
namespace {

using decide::Process;
using decide::ProcessState;
using kube::Object;
using nlohmann::json;

constexpr decide::TimeMs kLookAgainMs = 500;
constexpr int kLifeDeadlineMs = 500;
constexpr int kMaxRoundsAtOnce = 100;

Error error_of(const kube::ApiError& error) { return error.error; }

// Numbers in fact; what is none is not newer.
bool newer(const std::string& version, const std::string& than) {
  return version.size() != than.size() ? version.size() > than.size() : version > than;
}

Result<api::TrainingJob> job_of(const Object& object) {
  json body = *object.body;
  body.erase("status");
  body["metadata"].erase("managedFields");
  auto job = api::read_training_job_json(body.dump());
  if (!job) return fail(ErrorCode::kInvalid, api::format(job.error().front()));
  return *job;
}

// Of the life that answers at this address: the label of ballast_process_info.
std::optional<uint64_t> incarnation_at(const std::string& address, const std::string& name) {
  const auto text = local::http_get(address, "/metrics", kLifeDeadlineMs);
  if (!text) return std::nullopt;
  const auto exposition = scrape::parse(*text, scrape::Format::kPrometheus);
  if (!exposition) return std::nullopt;
  for (const scrape::Sample& sample : exposition->samples) {
    if (sample.name != "ballast_process_info") continue;
    const std::string_view life = exposition->label_of(sample, "incarnation");
    if (exposition->label_of(sample, "process") != name) return std::nullopt;
    uint64_t incarnation = 0;
    const auto [parsed, error] =
        std::from_chars(life.data(), life.data() + life.size(), incarnation);
    if (error != std::errc() || parsed != life.data() + life.size() || incarnation == 0) {
      return std::nullopt;
    }
    return incarnation;
  }
  return std::nullopt;
}

std::string metrics_address(const Process& process) {
  return process.address.substr(0, process.address.rfind(':') + 1) +
         std::to_string(kube::kMetricsPort);
}

bool owned_by(const Object& pod, const std::string& uid) {
  const json& metadata = pod.body->at("metadata");
  if (!metadata.contains("ownerReferences")) return false;
  const json& owners = metadata["ownerReferences"];
  return std::any_of(owners.begin(), owners.end(), [&](const json& owner) {
    return owner.is_object() && owner.value("uid", "") == uid;
  });
}

}  // namespace

JobBackend::JobBackend(JobBackendOptions options)
    : options_(std::move(options)),
      session_({"operator",
                [authority = options_.authority](const api::TrainingJob& of) {
                  return control_tls(authority, of);
                },
                options_.notify, nullptr}),
      certificates_(options_.client, options_.authority, options_.log) {}

Result<std::optional<decide::TimeMs>> JobBackend::turn(const Object& job, decide::TimeMs now_ms) {
  for (int round = 0; round < kMaxRoundsAtOnce; ++round) {
    if (auto seen = observe(job, now_ms); !seen) return tl::unexpected(seen.error());
    if (keep_certificates()) continue;
    const auto more = act();
    if (!more) return tl::unexpected(more.error());
    if (finished_) return wake_at_ms_;
    if (!*more) break;
  }
  return std::min(wake_at_ms_.value_or(now_ms + kLookAgainMs), now_ms + kLookAgainMs);
}

Result<void> JobBackend::observe(const Object& job, decide::TimeMs now_ms) {
  observed_.now_ms = now_ms;
  if (observed_.watching_since_ms == 0) observed_.watching_since_ms = now_ms;
  // Our own last write is newer than what the watch has brought so far.
  if (!newest_ || newest_->uid != job.uid ||
      newer(job.resource_version, newest_->resource_version)) {
    newest_ = job;
  }
  auto read = job_of(*newest_);
  if (!read) return tl::unexpected(read.error());
  auto status = kube::record_of(*newest_->body);
  if (!status) return tl::unexpected(status.error());
  if (status->term > observed_.status.term) {
    observed_.coordinator_heard_ms = now_ms;
    observed_.standing_since_ms.reset();
  }
  observed_.job = std::move(*read);
  observed_.deleting = newest_->body->at("metadata").contains("deletionTimestamp");
  observed_.pods = true;
  observed_.status = std::move(*status);
  observe_pods();
  session_.observe(observed_);
  return {};
}

// Where there are none yet, no process is started; what runs is looked after all the same.
bool JobBackend::keep_certificates() {
  auto told = certificates_.keep(observed_, *newest_);
  no_certificates_.reset();
  if (!told) no_certificates_ = told.error();
  if (!told || !*told) return false;
  newest_ = std::move(**told);
  return true;
}

void JobBackend::observe_pods() {
  observed_.processes.clear();
  std::map<std::string, uint64_t> known;
  for (const Object& pod : options_.pods->all()) {
    if (pod.name_space != observed_.job.metadata.name_space) continue;
    if (!owned_by(pod, observed_.job.metadata.uid)) continue;
    auto process = kube::process_of(*pod.body, observed_.now_ms);
    if (!process) continue;
    look_for_life(pod, *process);
    if (process->incarnation != 0) known[pod.uid] = process->incarnation;
    observed_.processes.push_back(std::move(*process));
  }
  incarnations_ = std::move(known);
}

void JobBackend::look_for_life(const Object& pod, Process& process) {
  const std::string name = decide::process_name(process.role, process.index);
  const auto known = incarnations_.find(pod.uid);
  if (known != incarnations_.end()) process.incarnation = known->second;
  if (process.state == ProcessState::kExited) {
    options_.scraper->remove(pod.uid);
    return;
  }
  if (process.address.empty()) return;
  if (process.incarnation == 0) {
    const auto found = incarnation_at(metrics_address(process), name);
    if (!found) return;
    process.incarnation = *found;
    process.heard_ms = observed_.now_ms;
    options_.scraper->add(pod.uid, metrics_address(process));
  }
  process.state = ProcessState::kReady;
  if (process.role == decide::Role::kWorker) process.address.clear();
  const auto answered = options_.scraper->answered_ms();
  if (const auto last = answered.find(pod.uid); last != answered.end()) {
    process.heard_ms = std::max(process.heard_ms, last->second + options_.unix_offset_ms);
  }
}

Result<bool> JobBackend::act() {
  const decide::Actions actions = decide::decide(observed_);
  wake_at_ms_ = actions.wake_at_ms;
  finished_ = false;  // a suspended job may go on
  bool written = false;
  for (const decide::Action& action : actions.list) {
    auto performed = std::visit([this](const auto& one) { return perform(one); }, action);
    if (!performed) return tl::unexpected(performed.error());
    written = written || std::holds_alternative<decide::WriteStatus>(action);
  }
  return written;
}

Result<void> JobBackend::perform(const decide::WriteStatus& write) {
  json body = *newest_->body;
  const int64_t generation = body["metadata"].value("generation", int64_t{0});
  json status = kube::status_object(observed_, write.next, generation);
  kube::keep_certificates(body, status);
  body["status"] = std::move(status);
  body["metadata"].erase("managedFields");
  const kube::ObjectName name{newest_->name_space, newest_->name};
  auto written = options_.client->replace(kube::kTrainingJobs, name, body, "status");
  if (!written) {
    // Somebody was faster: decide anew from what they wrote.
    if (written.error().error.code == ErrorCode::kConflict) {
      if (auto fresh = options_.client->get(kube::kTrainingJobs, name)) newest_ = *fresh;
    }
    return tl::unexpected(error_of(written.error()));
  }
  newest_ = *written;
  if (options_.events != nullptr) {
    for (const kube::JobEvent& event : kube::events_between(observed_.status, write.next)) {
      options_.events->write(
          kube::event_object(observed_.job, event, observed_.now_ms, options_.reporter));
    }
  }
  decide::adopt_written(observed_, write.next);
  return {};
}

Result<void> JobBackend::make_config() {
  if (has_config_) return {};
  const auto made = options_.client->apply(
      kube::kConfigMaps, {observed_.job.metadata.name_space, kube::config_name(observed_.job)},
      kube::config_of(observed_.job, local::job_config_json(observed_.job)), true);
  if (!made) return tl::unexpected(error_of(made.error()));
  has_config_ = true;
  return {};
}

std::optional<Object> JobBackend::find_pod(const std::string& name) const {
  return options_.pods->find(observed_.job.metadata.name_space + "/" + name);
}

Result<void> JobBackend::perform(const decide::StartProcess& start) {
  if (no_certificates_) return tl::unexpected(*no_certificates_);
  if (auto made = make_config(); !made) return made;
  const std::string name = kube::pod_name(observed_.job, start.role, start.index);
  // An ended life of that name goes first; its successor is made when it is gone.
  if (const auto old = find_pod(name)) {
    if (!owned_by(*old, observed_.job.metadata.uid)) {
      return fail(ErrorCode::kAlreadyExists, "the pod " + name + " is somebody else's");
    }
    const auto gone = options_.client->remove(kube::kPods, {old->name_space, name}, {old->uid, ""});
    if (!gone && gone.error().error.code != ErrorCode::kNotFound) {
      return tl::unexpected(error_of(gone.error()));
    }
    return {};
  }
  const auto made = options_.client->create(
      kube::kPods, observed_.job.metadata.name_space,
      kube::pod_of(observed_.job, start, observed_.status.members, options_.settings));
  // It is there already, and the watch will tell: a repeat is harmless.
  if (!made && made.error().error.code != ErrorCode::kAlreadyExists) {
    return tl::unexpected(error_of(made.error()));
  }
  if (made) options_.log.info("pod created", {{"pod", name}});
  return {};
}

Result<void> JobBackend::perform(const decide::StopProcess& stop) {
  const auto pod = find_pod(observed_.job.metadata.name + "-" + stop.name);
  if (!pod) return {};
  const auto gone =
      options_.client->remove(kube::kPods, {pod->name_space, pod->name}, {pod->uid, ""});
  if (!gone && gone.error().error.code != ErrorCode::kNotFound) {
    return tl::unexpected(error_of(gone.error()));
  }
  return {};
}

// The volume is the servers', who wrote it with checksums and its manifest last: they are believed.
Result<void> JobBackend::perform(const decide::VerifyCheckpoint& verify) {
  observed_.checked.push_back({verify.directory, ""});
  options_.notify();
  return {};
}

Result<void> JobBackend::perform(const decide::DeleteCheckpoint& remove) {
  options_.log.warning("a checkpoint is left over", {{"folder", remove.directory}});
  observed_.deleted.push_back(remove.directory);
  options_.notify();
  return {};
}

Result<void> JobBackend::perform(const decide::RemoveEnded& ended) {
  return perform(decide::StopProcess{ended.name, ended.instance, false});
}

Result<void> JobBackend::perform(const decide::DeleteJob&) {
  const auto gone = options_.client->remove(
      kube::kTrainingJobs, {newest_->name_space, newest_->name}, {newest_->uid, ""});
  if (!gone && gone.error().error.code != ErrorCode::kNotFound) {
    return tl::unexpected(error_of(gone.error()));
  }
  options_.log.info("job deleted, as spec.ttlSecondsAfterFinished has passed");
  return {};
}

Result<void> JobBackend::perform(const decide::Finish&) {
  session_.close(observed_);
  finished_ = true;
  return {};
}

}  // namespace ballast::cluster
