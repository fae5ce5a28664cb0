#include "operator/cluster/job_backend.h"

#include <algorithm>
#include <utility>

#include "common/clock.h"
#include "operator/api/read_training_job.h"
#include "operator/cluster/kept.h"
#include "operator/core/advance.h"
#include "operator/core/cluster_status.h"
#include "operator/core/events.h"
#include "operator/policy/decision_json.h"

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
// Until all are known; each that becomes known is told at once.
constexpr decide::TimeMs kUntilKnownMs = 1'000;
// For so long at most, however many are silent: the scraper waits for so many at once.
constexpr decide::TimeMs kLookAroundMs = 30'000;
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

// For a write of a status, which leaves the spec as it is; to read it once more would cost the
// server time. All other metadata stays: of what is not there its owners would be forgotten.
json with_status(const Object& job, json status) {
  json body = *job.body;
  body.erase("spec");
  body["status"] = std::move(status);
  return body;
}

// The actions of one kind from there on; `at` becomes the index of the one after them.
template <typename Kind>
std::vector<Kind> row_of(const decide::Actions& actions, size_t& at) {
  std::vector<Kind> row;
  for (; at < actions.list.size(); ++at) {
    const auto* one = std::get_if<Kind>(&actions.list[at]);
    if (one == nullptr) break;
    row.push_back(*one);
  }
  return row;
}

}  // namespace

JobBackend::JobBackend(JobBackendOptions options)
    : options_(std::move(options)),
      pods_({options_.pods, options_.nodes, options_.scraper, options_.unix_offset_ms,
             options_.notify}),
      starter_({options_.client, options_.parallel, options_.settings, options_.log}),
      session_({"operator",
                [authority = options_.authority](const api::TrainingJob& of) {
                  return control_tls(authority, of);
                },
                options_.notify, nullptr,
                [log = options_.log](const std::string& folder, const std::string& error) {
                  log.warning("a checkpoint is left over", {{"folder", folder}, {"error", error}});
                }}),
      certificates_(options_.client, options_.parallel, options_.authority, options_.log) {}

// A turn that comes late, for whatever reason, has not listened meanwhile.
Result<std::optional<decide::TimeMs>> JobBackend::turn(const Object& job, decide::TimeMs now_ms) {
  observed_.now_ms = now_ms;
  if (due_ms_ && now_ms > *due_ms_) decide::excuse(observed_, now_ms - *due_ms_);
  due_ms_ = now_ms;  // unless it ends well
  auto again = do_turn(job, now_ms);
  if (again) due_ms_ = *again;
  return again;
}

Result<std::optional<decide::TimeMs>> JobBackend::do_turn(const Object& job,
                                                          decide::TimeMs now_ms) {
  for (int round = 0; round < kMaxRoundsAtOnce; ++round) {
    if (auto seen = observe(job, now_ms); !seen) return tl::unexpected(seen.error());
    if (!looked_around()) return now_ms + kUntilKnownMs;
    keep_certificates();
    ask_policies();
    const auto more = act();
    if (!more) return tl::unexpected(more.error());
    if (finished_) return wake_at_ms_;
    if (!*more) break;
  }
  if (auto told = tell_certificates(); !told) return tl::unexpected(told.error());
  const decide::TimeMs latest_ms = now_ms + (works() ? kLookAgainMs : kLookRarelyMs);
  return std::min(wake_at_ms_.value_or(latest_ms), latest_ms);
}

// An operator that has just begun knows no life yet: nothing is decided, and nothing is written,
// before it is known of each process whether it answers. Silence counts from then on.
bool JobBackend::looked_around() {
  if (looked_around_) return true;
  const decide::TimeMs took_ms = observed_.now_ms - observed_.watching_since_ms;
  if (took_ms < kLookAroundMs && !pods_.knows_all()) return false;
  looked_around_ = true;
  observed_.watching_since_ms = observed_.now_ms;
  decide::excuse(observed_, took_ms);
  return true;
}

// Where there are none yet, no process is started; what runs is looked after all the same.
void JobBackend::keep_certificates() {
  const auto kept = certificates_.keep(observed_, *newest_);
  no_certificates_.reset();
  if (!kept) no_certificates_ = kept.error();
}

// Those that no other write of the status took along.
Result<void> JobBackend::tell_certificates() {
  const auto& untold = certificates_.untold();
  if (!untold) return {};
  const Object job = unpacked(*newest_);
  return write_status(kube::with_certificates(
      with_status(job, job.body->value("status", json::object())), *untold));
}

void JobBackend::ask_policies() {
  for (const policy::ProcessAnswer& answer : pods_.take_answers()) policies_.take(answer);
  const auto outcome = policies_.turn(observed_);
  if (!outcome) return;
  policy::adopt(*outcome, observed_);
  if (options_.decisions != nullptr) options_.decisions->count(outcome->decisions);
  for (const policy::Decision& decision : outcome->news) tell(decision);
}

// The audit: a line with the numbers it was made of. Holding still is no event: what lasts of it
// becomes a condition.
void JobBackend::tell(const policy::Decision& decision) {
  options_.log.info("policy decided", {{"policy", to_string(decision.policy)},
                                       {"step", observed_.status.progress.step},
                                       {"plan", observed_.status.plan_number},
                                       {"decision", policy::to_json(decision).dump()}});
  if (options_.events == nullptr || decision.action == policy::Action::kHold) return;
  const bool warning = decision.action == policy::Action::kTell;
  options_.events->write(kube::event_object(observed_.job,
                                            {warning, decision.reason, policy::told(decision)},
                                            observed_.now_ms, options_.reporter));
}

bool JobBackend::works() const {
  return observed_.session.has_value() ||
         std::any_of(observed_.processes.begin(), observed_.processes.end(),
                     [](const Process& process) { return process.state == ProcessState::kReady; });
}

Result<void> JobBackend::observe(const Object& job, decide::TimeMs now_ms) {
  observed_.now_ms = now_ms;
  if (observed_.watching_since_ms == 0) observed_.watching_since_ms = now_ms;
  // Our own last write is newer than what the watch has brought so far. Of the same version, what
  // it has brought is in memory once.
  if (!newest_ || newest_->uid != job.uid ||
      !newer(newest_->resource_version, job.resource_version)) {
    newest_ = job;
  }
  if (auto read = read_job(); !read) return read;
  // Also where nothing was read: others may have come or gone since.
  if (options_.progress_every_ms) observed_.progress_every_ms = options_.progress_every_ms();
  observed_.processes = pods_.observe(observed_.job, observed_.status, now_ms);
  observed_.horizontal_autoscaler =
      options_.autoscalers != nullptr && !options_.autoscalers->in_group(job.key()).empty();
  starter_.seen(observed_);
  session_.observe(observed_);
  return {};
}

// What was read before is not read again: most turns come from pods.
Result<void> JobBackend::read_job() {
  if (newest_->resource_version == read_version_) return {};
  const Object job = unpacked(*newest_);
  const json& metadata = job.body->at("metadata");
  const std::string spec =
      newest_->uid + " " + metadata.value("generation", json(newest_->resource_version)).dump();
  if (spec != read_spec_) {
    auto read = job_of(job);
    if (!read) return tl::unexpected(read.error());
    observed_.job = std::move(*read);
    read_spec_ = spec;
  }
  observed_.deleting = metadata.contains("deletionTimestamp");
  observed_.pods = true;
  observed_.checkpoints_by_servers = true;
  auto status = kube::record_of(*job.body);
  if (!status) return tl::unexpected(status.error());
  if (status->term > observed_.status.term) {
    observed_.coordinator_heard_ms = observed_.now_ms;
    observed_.standing_since_ms.reset();
  }
  observed_.status = std::move(*status);
  read_version_ = newest_->resource_version;
  return {};
}

Result<bool> JobBackend::act() {
  const decide::Actions actions = decide::decide(observed_);
  wake_at_ms_ = actions.wake_at_ms;
  finished_ = false;  // a suspended job may go on
  const bool starts =
      std::any_of(actions.list.begin(), actions.list.end(), [](const decide::Action& action) {
        return std::holds_alternative<decide::StartProcess>(action);
      });
  bool written = false;
  for (size_t at = 0; at < actions.list.size();) {
    const decide::Action& action = actions.list[at];
    Result<void> performed;
    if (std::holds_alternative<decide::StartProcess>(action)) {
      performed = perform(row_of<decide::StartProcess>(actions, at));
    } else if (std::holds_alternative<decide::StopProcess>(action)) {
      performed = perform(row_of<decide::StopProcess>(actions, at));
    } else if (std::holds_alternative<decide::RemoveEnded>(action)) {
      performed = perform(row_of<decide::RemoveEnded>(actions, at));
    } else if (const auto* write = std::get_if<decide::WriteStatus>(&action)) {
      performed = perform(*write, starts);
      ++at;
    } else {
      performed = std::visit([this](const auto& one) { return perform(one); }, action);
      ++at;
    }
    if (!performed) return tl::unexpected(performed.error());
    written = written || std::holds_alternative<decide::WriteStatus>(action);
  }
  return written;
}

Result<void> JobBackend::perform(const decide::WriteStatus& write, bool starts_follow) {
  const Object job = unpacked(*newest_);
  const int64_t generation = job.body->at("metadata").value("generation", int64_t{0});
  json status = kube::status_object(observed_, write.next, generation);
  kube::keep_certificates(*job.body, status);
  json body = with_status(job, std::move(status));
  if (const auto& untold = certificates_.untold())
    body = kube::with_certificates(std::move(body), *untold);
  Result<void> written;
  const auto replace = [&] { written = write_status(std::move(body)); };
  if (starts_follow && !no_certificates_) {
    starter_.surround(observed_.job, replace);
  } else {
    replace();
  }
  if (!written) return written;
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

// Only if the job is still as it was seen. The certificates that nobody knew of are told with it.
Result<void> JobBackend::write_status(json body) {
  const kube::ObjectName name{newest_->name_space, newest_->name};
  const SteadyClock clock;
  const int64_t begin_ms = clock.now_ms();
  auto written = options_.client->replace(kube::kTrainingJobs, name, body, "status");
  if (options_.status_written) options_.status_written(clock.now_ms() - begin_ms);
  if (!written) {
    // Somebody was faster: decide anew from what they wrote.
    if (written.error().error.code == ErrorCode::kConflict) {
      if (const auto fresh = options_.client->get(kube::kTrainingJobs, name))
        newest_ = packed(*fresh);
    }
    return tl::unexpected(error_of(written.error()));
  }
  newest_ = packed(*written);
  certificates_.told();
  return {};
}

Result<void> JobBackend::perform(const std::vector<decide::StartProcess>& starts) {
  if (no_certificates_) return starter_.refuse(starts, *no_certificates_, observed_);
  return starter_.start(starts, observed_, pods_);
}

Result<void> JobBackend::perform(const std::vector<decide::StopProcess>& stops) {
  return starter_.stop(stops, observed_, pods_);
}

// What is deleted of a running process ends it; of an ended one it is what is left.
Result<void> JobBackend::perform(const std::vector<decide::RemoveEnded>& ended) {
  std::vector<decide::StopProcess> stops;
  for (const decide::RemoveEnded& one : ended) stops.push_back({one.name, one.instance, false});
  return perform(stops);
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
