// What the operator keeps in memory of the objects that it follows: what it reads, and no more. Of
// ten thousand pods the rest would be most. Pure functions.
#pragma once

#include <string>

#include <nlohmann/json.hpp>

#include "operator/core/object.h"
#include "operator/kube/client.h"

namespace ballast::cluster {

// For a KubeClient: of jobs all but what others manage and the copy that `kubectl apply` leaves
// behind; of pods who they are, whose, on which node, and their status; of nodes whether they are
// ready; of autoscalers what they scale.
kube::WantedFields wanted_fields();

// What is kept of such a pod: without who it is, which an Object says, and with the conditions that
// tell something.
nlohmann::json kept_of_pod(nlohmann::json pod);

// The group of a pod: the key of its job, "namespace/name"; empty: it is of none.
std::string job_of_pod(const kube::Object& pod);
// Likewise, of a HorizontalPodAutoscaler: the TrainingJob that it scales.
std::string job_of_autoscaler(const kube::Object& autoscaler);

}  // namespace ballast::cluster
