// The pods of a job as the API server gets them: ours, with the user's template over it. Also what
// a pod tells of its process. Pure functions.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "operator/core/decide.h"

namespace ballast::kube {

inline constexpr int kServerPort = 7600;
inline constexpr int kMetricsPort = 9600;

inline constexpr const char* kJobLabel = "ballast.dev/job";
inline constexpr const char* kRoleLabel = "ballast.dev/role";    // ps | worker
inline constexpr const char* kIndexLabel = "ballast.dev/index";  // 0, 1, ...
inline constexpr const char* kInstanceLabel = "ballast.dev/instance";

struct PodSettings {
  std::string image;
};

// "<job>-ps-0", "<job>-worker-3"
std::string pod_name(const api::TrainingJob& job, decide::Role role, int64_t index);
// Holds what workers read of the job.
std::string config_name(const api::TrainingJob& job);

// `members`: whom a worker asks first.
nlohmann::json pod_of(const api::TrainingJob& job, const decide::StartProcess& start,
                      const std::vector<api::MemberStatus>& members, const PodSettings& settings);
nlohmann::json config_of(const api::TrainingJob& job, const std::string& job_json);

// The user's template over ours: maps field by field, lists whose items have a name (mountPath)
// item by item, everything else as a whole.
nlohmann::json merged(nlohmann::json ours, const nlohmann::json& theirs);

// What is seen of a pod's process; its incarnation is not in there, so it is never ready. Nothing:
// the pod is not one of ours. `now_ms`: for what has no time.
std::optional<decide::Process> process_of(const nlohmann::json& pod, decide::TimeMs now_ms);

// "2026-01-31T12:00:00Z" in milliseconds since 1970; and back.
std::optional<decide::TimeMs> parse_time(std::string_view text);
std::string format_time(decide::TimeMs unix_ms);

}  // namespace ballast::kube
