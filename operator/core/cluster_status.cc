#include "operator/core/cluster_status.h"

#include <algorithm>

#include <fmt/format.h>

#include "operator/api/quantity.h"
#include "operator/api/status_json.h"
#include "operator/core/advance.h"
#include "operator/core/pod_template.h"
#include "operator/core/policy_wish.h"
#include "operator/core/time_text.h"

namespace ballast::kube {
namespace {

using api::ConditionType;
using decide::Process;
using decide::ProcessState;
using decide::Role;
using nlohmann::json;

json conditions_of(const api::TrainingJobStatus& status, int64_t generation) {
  json list = json::array();
  for (const api::Condition& condition : status.conditions) {
    list.push_back({{"type", api::to_string(condition.type)},
                    {"status", condition.status ? "True" : "False"},
                    {"observedGeneration", generation},
                    {"lastTransitionTime", format_time(condition.since_ms)},
                    {"reason", condition.reason.empty() ? "Unknown" : condition.reason},
                    {"message", condition.message}});
  }
  return list;
}

json recommendations_of(const api::TrainingJobStatus& status) {
  json list = json::array();
  for (const api::RecommendationStatus& one : status.recommendations) {
    list.push_back({{"policy", one.policy},
                    {"reason", one.reason},
                    {"message", one.message},
                    {"since", format_time(one.since_ms)}});
  }
  return list;
}

// Once there is an outcome nothing is to run, and nothing is written when it has stopped.
json counts_of(const decide::Observed& observed, const api::TrainingJobStatus& status, Role role,
               int64_t desired) {
  if (decide::has_outcome(status)) return {{"desired", desired}, {"replicas", 0}, {"ready", 0}};
  const auto count = [&](auto matches) {
    return std::count_if(
        observed.processes.begin(), observed.processes.end(),
        [&](const Process& process) { return process.role == role && matches(process.state); });
  };
  return {{"desired", desired},
          {"replicas", count([](ProcessState state) { return state != ProcessState::kExited; })},
          {"ready", count([](ProcessState state) { return state == ProcessState::kReady; })}};
}

const char* word_for(const api::TrainingJobStatus& status) {
  if (decide::is_true(status, ConditionType::kSucceeded)) return "Succeeded";
  if (decide::is_true(status, ConditionType::kFailed)) return "Failed";
  if (decide::is_true(status, ConditionType::kSuspended)) return "Suspended";
  for (const ConditionType type : {ConditionType::kDegraded, ConditionType::kRestarting,
                                   ConditionType::kScaling, ConditionType::kRunning}) {
    if (decide::is_true(status, type)) return api::to_string(type);
  }
  return "Starting";
}

}  // namespace

json status_object(const decide::Observed& observed, const api::TrainingJobStatus& status,
                   int64_t generation) {
  int64_t restarts = 0;
  for (const auto& [name, restart] : status.restarts) restarts += restart.total;
  json out = {{"observedGeneration", generation},
              {"state", word_for(status)},
              {"step", status.progress.step},
              {"startTime", format_time(status.start_ms)},
              {"restarts", restarts},
              {"servers", counts_of(observed, status, Role::kServer,
                                    decide::wanted_servers(observed.job.spec, status))},
              {"workers", counts_of(observed, status, Role::kWorker,
                                    decide::wanted_workers(observed.job.spec, status))},
              {"conditions", conditions_of(status, generation)},
              {"authority", {{"record", api::status_to_json(status)}}}};
  out["workers"]["selector"] =
      fmt::format("{}={},{}=worker", kJobLabel, observed.job.metadata.name, kRoleLabel);
  for (const auto& [name, memory] : status.memory)
    out["memory"][name] = api::format_bytes(memory.bytes);
  if (!status.recommendations.empty()) out["recommendations"] = recommendations_of(status);
  if (status.progress.tokens_per_second > 0)
    out["tokensPerSecond"] = status.progress.tokens_per_second;
  if (status.progress.loss > 0) out["loss"] = fmt::format("{:.4f}", status.progress.loss);
  if (!status.progress.last_checkpoint.empty()) {
    out["lastCheckpoint"] = status.progress.last_checkpoint;
  }
  for (const ConditionType type : {ConditionType::kSucceeded, ConditionType::kFailed}) {
    if (decide::is_true(status, type)) {
      out["completionTime"] = format_time(decide::find_condition(status, type)->since_ms);
    }
  }
  return out;
}

Result<api::TrainingJobStatus> record_of(const json& job) {
  if (!job.contains("status") || !job["status"].contains("authority")) {
    return api::TrainingJobStatus{};
  }
  const json& authority = job["status"]["authority"];
  if (!authority.is_object() || !authority.contains("record") || !authority["record"].is_string()) {
    return fail(ErrorCode::kCorrupt, "status.authority has no record");
  }
  return api::status_from_json(authority["record"].get<std::string>());
}

}  // namespace ballast::kube
