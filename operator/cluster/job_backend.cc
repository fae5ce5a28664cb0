#include "operator/cluster/job_backend.h"

#include <algorithm>
#include <utility>

#include "operator/api/read_training_job.h"
#include "operator/core/advance.h"
#include "operator/core/cluster_status.h"
#include "operator/core/events.h"
#include "operator/core/pod_status.h"
#include "operator/local/job_config.h"

namespace ballast::cluster {
namespace {

using decide::Process;
using decide::ProcessState;
using kube::Object;
using nlohmann::json;

// Of a job that works: what its processes answer is judged by its age.
constexpr decide::TimeMs kLookAgainMs = 1'000;
// Of all others: in case that something which was asked for never came.
constexpr decide::TimeMs kLookRarelyMs = kExpectWithinMs;
constexpr decide::TimeMs kUntilAskedMs = 50;
constexpr decide::TimeMs kLookAroundMs = 3'000;  // for so long at most
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

std::string metrics_address(const Process& process) {
  return process.address.substr(0, process.address.rfind(':') + 1) +
         std::to_string(kube::kMetricsPort);
}

// By which expected_ knows them.
std::string creation_of(const std::string& name) { return "made " + name; }
std::string deletion_of(const std::string& uid) { return "gone " + uid; }

bool is_start(const decide::Action& action) {
  return std::holds_alternative<decide::StartProcess>(action);
}

bool concerns_a_pod(const decide::Action& action) {
  return is_start(action) || std::holds_alternative<decide::StopProcess>(action) ||
         std::holds_alternative<decide::RemoveEnded>(action);
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

JobBackend::~JobBackend() {
  for (const std::string& pod : followed_) options_.scraper->forget(pod);
}

Result<std::optional<decide::TimeMs>> JobBackend::turn(const Object& job, decide::TimeMs now_ms) {
  for (int round = 0; round < kMaxRoundsAtOnce; ++round) {
    if (auto seen = observe(job, now_ms); !seen) return tl::unexpected(seen.error());
    if (!looked_around()) return now_ms + kUntilAskedMs;
    if (keep_certificates()) continue;
    const auto more = act();
    if (!more) return tl::unexpected(more.error());
    if (finished_) return wake_at_ms_;
    if (!*more) break;
  }
  const decide::TimeMs latest_ms = now_ms + (works() ? kLookAgainMs : kLookRarelyMs);
  return std::min(wake_at_ms_.value_or(latest_ms), latest_ms);
}

// An operator that has just begun knows no life yet: nothing is decided, and nothing is written,
// before all processes were asked.
bool JobBackend::looked_around() {
  if (looked_around_) return true;
  looked_around_ = observed_.now_ms - observed_.watching_since_ms >= kLookAroundMs ||
                   std::all_of(followed_.begin(), followed_.end(), [&](const std::string& pod) {
                     return options_.scraper->tried(pod);
                   });
  return looked_around_;
}

bool JobBackend::works() const {
  return observed_.session.has_value() ||
         std::any_of(observed_.processes.begin(), observed_.processes.end(),
                     [](const Process& process) { return process.state == ProcessState::kReady; });
}

Result<void> JobBackend::observe(const Object& job, decide::TimeMs now_ms) {
  observed_.now_ms = now_ms;
  if (observed_.watching_since_ms == 0) observed_.watching_since_ms = now_ms;
  // Our own last write is newer than what the watch has brought so far.
  if (!newest_ || newest_->uid != job.uid ||
      newer(job.resource_version, newest_->resource_version)) {
    newest_ = job;
  }
  if (auto read = read_job(); !read) return read;
  observed_.deleting = newest_->body->at("metadata").contains("deletionTimestamp");
  observed_.pods = true;
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

// What was read before is not read again: most turns come from pods.
Result<void> JobBackend::read_job() {
  if (newest_->resource_version == read_version_) return {};
  const json& metadata = newest_->body->at("metadata");
  const std::string spec =
      newest_->uid + " " + metadata.value("generation", json(newest_->resource_version)).dump();
  if (spec != read_spec_) {
    auto read = job_of(*newest_);
    if (!read) return tl::unexpected(read.error());
    observed_.job = std::move(*read);
    read_spec_ = spec;
  }
  auto status = kube::record_of(*newest_->body);
  if (!status) return tl::unexpected(status.error());
  if (status->term > observed_.status.term) {
    observed_.coordinator_heard_ms = observed_.now_ms;
    observed_.standing_since_ms.reset();
  }
  observed_.status = std::move(*status);
  read_version_ = newest_->resource_version;
  return {};
}

void JobBackend::observe_pods() {
  observed_.processes.clear();
  std::set<std::string> followed;
  const api::Metadata& metadata = observed_.job.metadata;
  for (const Object& pod : options_.pods->in_group(metadata.name_space + "/" + metadata.name)) {
    if (!owned_by(pod, metadata.uid)) continue;
    auto process = kube::process_of(*pod.body, observed_.now_ms);
    if (!process) continue;
    expected_.settle(creation_of(pod.name));
    if (process->stopping_since_ms) expected_.settle(deletion_of(pod.uid));
    if (process->state != ProcessState::kExited && !process->address.empty()) {
      followed.insert(pod.uid);
      look_for_life(pod, *process);
    }
    observed_.processes.push_back(std::move(*process));
  }
  for (const std::string& pod : followed_) {
    if (!followed.contains(pod)) options_.scraper->forget(pod);
  }
  followed_ = std::move(followed);
}

void JobBackend::look_for_life(const Object& pod, Process& process) {
  const std::string name = decide::process_name(process.role, process.index);
  options_.scraper->follow(pod.uid, {metrics_address(process), name, options_.notify});
  const auto answer = options_.scraper->latest(pod.uid);
  if (!answer) return;
  process.incarnation = answer->incarnation;
  process.heard_ms = answer->answered_ms + options_.unix_offset_ms;
  process.state = ProcessState::kReady;
  if (process.role == decide::Role::kWorker) process.address.clear();
}

Result<bool> JobBackend::act() {
  const decide::Actions actions = decide::decide(observed_);
  wake_at_ms_ = actions.wake_at_ms;
  finished_ = false;  // a suspended job may go on
  bool written = false;
  for (size_t at = 0; at < actions.list.size();) {
    const decide::Action& action = actions.list[at];
    size_t end = at;
    while (end < actions.list.size() && concerns_a_pod(actions.list[end])) ++end;
    auto performed = end > at
                         ? perform_at_once(actions.list, at, end)
                         : std::visit([this](const auto& one) { return perform(one); }, action);
    if (!performed) return tl::unexpected(performed.error());
    written = written || std::holds_alternative<decide::WriteStatus>(action);
    at = std::max(end, at + 1);
  }
  return written;
}

// No pod depends on another one.
Result<void> JobBackend::perform_at_once(const std::vector<decide::Action>& list, size_t begin,
                                         size_t end) {
  if (!no_certificates_ && std::any_of(list.begin() + static_cast<ptrdiff_t>(begin),
                                       list.begin() + static_cast<ptrdiff_t>(end), is_start)) {
    if (auto made = make_config(); !made) return made;
  }
  return options_.parallel->for_each(end - begin, [&](size_t i) {
    return std::visit([this](const auto& one) { return perform(one); }, list[begin + i]);
  });
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
  read_version_ = newest_->resource_version;
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
  const std::string name = kube::pod_name(observed_.job, start.role, start.index);
  // An ended life of that name goes first; its successor is made when it is gone.
  if (const auto old = find_pod(name)) {
    if (!owned_by(*old, observed_.job.metadata.uid)) {
      return fail(ErrorCode::kAlreadyExists, "the pod " + name + " is somebody else's");
    }
    const auto process = kube::process_of(*old->body, observed_.now_ms);
    const bool ended = process && process->state == ProcessState::kExited;
    return ended ? remove(*old) : Result<void>();  // made meanwhile: what is there is no end
  }
  if (!expected_.ask(creation_of(name), observed_.now_ms)) return {};
  const auto made = options_.client->create(
      kube::kPods, observed_.job.metadata.name_space,
      kube::pod_of(observed_.job, start, observed_.status.members, options_.settings));
  // It is there already, and the watch will tell: a repeat is harmless.
  if (!made && made.error().error.code != ErrorCode::kAlreadyExists) {
    expected_.settle(creation_of(name));
    return tl::unexpected(error_of(made.error()));
  }
  if (made) options_.log.info("pod created", {{"pod", name}});
  return {};
}

Result<void> JobBackend::perform(const decide::StopProcess& stop) {
  const auto pod = find_pod(observed_.job.metadata.name + "-" + stop.name);
  return pod ? remove(*pod) : Result<void>();
}

Result<void> JobBackend::remove(const Object& pod) {
  if (!expected_.ask(deletion_of(pod.uid), observed_.now_ms)) return {};
  const auto gone = options_.client->remove(kube::kPods, {pod.name_space, pod.name}, {pod.uid, ""});
  if (!gone && gone.error().error.code != ErrorCode::kNotFound) {
    expected_.settle(deletion_of(pod.uid));
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
