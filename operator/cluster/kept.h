// What the operator keeps in memory of the objects that it follows: what it reads, and no more. Of
// ten thousand pods the rest would be most. Pure functions.
#pragma once

#include <string>

#include <nlohmann/json.hpp>

#include "operator/core/object.h"

namespace ballast::cluster {

// Without what others manage, and without the copy that `kubectl apply` leaves behind.
nlohmann::json kept_of_job(const nlohmann::json& job);
// Who it is, whose it is, on which node it is, and its status.
nlohmann::json kept_of_pod(const nlohmann::json& pod);

// Whether it is ready.
nlohmann::json kept_of_node(const nlohmann::json& node);

// What it scales.
nlohmann::json kept_of_autoscaler(const nlohmann::json& autoscaler);

// The group of a pod: the key of its job, "namespace/name"; empty: it is of none.
std::string job_of_pod(const kube::Object& pod);
// Likewise, of a HorizontalPodAutoscaler: the TrainingJob that it scales.
std::string job_of_autoscaler(const kube::Object& autoscaler);

}  // namespace ballast::cluster
