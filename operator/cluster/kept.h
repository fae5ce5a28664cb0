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

// The body of an object in a fraction of the memory, with a word about it that is read without
// unpacking. Most objects are read once, and then stay as they are.
nlohmann::json packed(const nlohmann::json& body, const std::string& word = "");
kube::Object packed(kube::Object object);
// As it came. CHECKs that it was packed; so does word_of.
kube::Object unpacked(kube::Object packed);
std::string word_of(const kube::Object& packed);

nlohmann::json packed_pod(const nlohmann::json& pod);
// The group of such a pod: the key of its job, "namespace/name"; empty: it is of none.
std::string job_of_pod(const kube::Object& packed);
// Likewise, of a HorizontalPodAutoscaler: the TrainingJob that it scales.
std::string job_of_autoscaler(const kube::Object& autoscaler);

}  // namespace ballast::cluster
