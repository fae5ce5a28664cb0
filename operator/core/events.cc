#include "operator/core/events.h"

#include <algorithm>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "common/checksum.h"
#include "operator/core/advance.h"
#include "operator/core/checkpoint_list.h"
#include "operator/core/time_text.h"

namespace ballast::kube {
namespace {

using api::Condition;
using api::ConditionType;
using nlohmann::json;

constexpr const char* kController = "ballast.dev/operator";
constexpr size_t kMaxNoteBytes = 1'000;  // the API server takes 1,024

// Nothing: the change is not worth an event.
std::optional<JobEvent> event_of(const Condition& now) {
  const auto normal = [&](const char* reason) { return JobEvent{false, reason, now.message}; };
  const JobEvent warning{true, now.reason, now.message};
  const bool ends = now.reason == "Ended";
  switch (now.type) {
    case ConditionType::kCreated:
      return now.status ? std::nullopt : std::optional(warning);
    case ConditionType::kRunning:
      if (now.status) return normal("Running");
      return ends || now.reason == "Waiting" ? std::nullopt : std::optional(warning);
    case ConditionType::kRestarting:
      return now.status ? std::optional(warning) : std::nullopt;
    case ConditionType::kDegraded:
      return now.status ? warning : normal("Recovered");
    case ConditionType::kScaling:
      return now.status ? std::optional(normal("Scaling")) : std::nullopt;
    case ConditionType::kPoliciesHeld:
      if (now.status) return warning;
      return ends ? std::nullopt : std::optional(normal("PoliciesFree"));
    case ConditionType::kSuspended:
      return normal(now.status ? "Suspended" : "Resumed");
    case ConditionType::kSucceeded:
      return normal("Succeeded");
    case ConditionType::kFailed:
      return warning;
  }
  return std::nullopt;
}

bool is_news(const api::TrainingJobStatus& before, const Condition& now) {
  const Condition* old = decide::find_condition(before, now.type);
  if (old == nullptr || old->status != now.status || old->reason != now.reason) return true;
  // Another process is lost while the one before is being replaced.
  return now.type == ConditionType::kRestarting && old->message != now.message;
}

// One that is still to be read may be taken before the parameters are restored.
std::string where_to(const api::TrainingJobStatus& next) {
  const auto& all = next.checkpoints;
  if (!all.empty() && decide::is_unread(all.back())) {
    return "the newest checkpoint that is whole";
  }
  return next.restore_from.empty() ? "the beginning" : next.restore_from;
}

void add_checkpoint_events(const api::TrainingJobStatus& before, const api::TrainingJobStatus& next,
                           std::vector<JobEvent>& events) {
  for (const api::CheckpointStatus& checkpoint : next.checkpoints) {
    const auto same = [&](const api::CheckpointStatus& known) {
      return known.directory == checkpoint.directory && known.damaged;
    };
    const auto& known = before.checkpoints;
    if (!checkpoint.damaged || std::any_of(known.begin(), known.end(), same)) continue;
    events.push_back(
        {true, "CheckpointDamaged", fmt::format("{}: {}", checkpoint.directory, checkpoint.error)});
  }
  if (before.sought || !next.sought) return;
  if (next.restore_from.empty()) {
    events.push_back({false, "NothingToResume",
                      "no whole checkpoint in spec.checkpoint.path: training begins at step 0"});
  } else {
    events.push_back({false, "GoesOn", "training goes on from " + next.restore_from});
  }
}

// With microseconds, as this group has them.
std::string micro_time(decide::TimeMs unix_ms) {
  std::string text = format_time(unix_ms);
  text.pop_back();
  return fmt::format("{}.{:06}Z", text, unix_ms % 1'000 * 1'000);
}

}  // namespace

std::vector<JobEvent> events_between(const api::TrainingJobStatus& before,
                                     const api::TrainingJobStatus& next) {
  std::vector<JobEvent> events;
  for (const Condition& now : next.conditions) {
    if (!is_news(before, now)) continue;
    if (auto event = event_of(now)) events.push_back(std::move(*event));
  }
  add_checkpoint_events(before, next, events);
  const bool suspended = decide::is_true(before, ConditionType::kSuspended);
  if (before.origin > 0 && next.origin == 0 && !suspended) {
    events.push_back(
        {true, "WentBack",
         "parameters were lost with their last replica: training goes on from " + where_to(next)});
  } else if (before.term > 0 && next.term > before.term && !next.coordinator.empty()) {
    const bool restores = next.start == api::StartMode::kRestore;
    events.push_back({false, "CoordinatorAppointed",
                      fmt::format("{} coordinates, in term {}{}", next.coordinator, next.term,
                                  restores ? ", from " + next.restore_from : "")});
  }
  return events;
}

json event_object(const api::TrainingJob& job, const JobEvent& event, decide::TimeMs unix_ms,
                  const std::string& reporter) {
  const std::string note = event.message.substr(0, kMaxNoteBytes);
  const uint64_t hash = xxh3_64(as_bytes(job.metadata.uid + "/" + event.reason + "/" + note));
  return {{"apiVersion", "events.k8s.io/v1"},
          {"kind", "Event"},
          {"metadata",
           {{"name", fmt::format("{}.{:016x}", job.metadata.name, hash)},
            {"namespace", job.metadata.name_space}}},
          {"eventTime", micro_time(unix_ms)},
          {"reportingController", kController},
          {"reportingInstance", reporter.substr(0, 128)},
          {"action", "Reconcile"},
          {"reason", event.reason.empty() ? "Unknown" : event.reason.substr(0, 128)},
          {"note", note},
          {"type", event.warning ? "Warning" : "Normal"},
          {"regarding",
           {{"apiVersion", api::kApiVersion},
            {"kind", api::kKind},
            {"name", job.metadata.name},
            {"namespace", job.metadata.name_space},
            {"uid", job.metadata.uid}}}};
}

json series_patch(int64_t count, decide::TimeMs unix_ms) {
  return {{"series", {{"count", count}, {"lastObservedTime", micro_time(unix_ms)}}}};
}

}  // namespace ballast::kube
