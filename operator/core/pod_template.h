// The objects of a job as the API server gets them. Pods are ours with the user's template over
// them. Pure functions.
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "common/error.h"
#include "operator/core/decide.h"

namespace ballast::kube {

inline constexpr int kServerPort = 7600;
inline constexpr int kMetricsPort = 9600;

inline constexpr const char* kJobLabel = "ballast.dev/job";
inline constexpr const char* kRoleLabel = "ballast.dev/role";    // ps | worker
inline constexpr const char* kIndexLabel = "ballast.dev/index";  // 0, 1, ...
inline constexpr const char* kInstanceLabel = "ballast.dev/instance";
inline constexpr const char* kStatusVersionLabel = "ballast.dev/status-version";  // that wanted it

inline constexpr const char* kMainContainer = "main";  // the one that is ours

struct PodSettings {
  std::string image;
};

// "<job>-ps-0", "<job>-worker-3"
std::string pod_name(const api::TrainingJob& job, decide::Role role, int64_t index);
// Holds what workers read of the job.
std::string config_name(const api::TrainingJob& job);

// Beside what the spec says.
struct PodNeeds {
  // It comes to them only where no other takes it: a pod keeps what it was made with, and a node
  // in trouble may be the only one left, or well again, by the time that it is placed.
  std::vector<std::string> shunned_nodes;
  uint64_t memory_bytes = 0;  // its limit; 0: as the template has it
};

// kInvalid: the template has something else where a pod has a map or a list.
Result<nlohmann::json> pod_of(const api::TrainingJob& job, const decide::StartProcess& start,
                              const PodSettings& settings, const PodNeeds& needs = {});
// Gives each server the name <pod>.<job>.<namespace>.svc.
nlohmann::json service_of(const api::TrainingJob& job);
nlohmann::json config_of(const api::TrainingJob& job, const std::string& job_json);
// The owner references of whatever is made for the job.
nlohmann::json owner_of(const api::TrainingJob& job);

// The user's template over ours: maps field by field, lists whose items have a name (mountPath)
// item by item, everything else as a whole.
nlohmann::json merged(nlohmann::json ours, const nlohmann::json& theirs);

}  // namespace ballast::kube
