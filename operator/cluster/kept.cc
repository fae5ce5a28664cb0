#include "operator/cluster/kept.h"

#include <initializer_list>

#include <fmt/format.h>

#include "operator/core/pod_template.h"
#include "operator/kube/resource.h"

namespace ballast::cluster {
namespace {

using nlohmann::json;

// These fields of a map, where they are there.
json picked(const json& map, std::initializer_list<const char*> names) {
  json out = json::object();
  if (!map.is_object()) return out;
  for (const char* name : names) {
    if (const auto found = map.find(name); found != map.end()) out[name] = *found;
  }
  return out;
}

}  // namespace

kube::WantedFields wanted_fields() {
  const std::string identity = "name,namespace,uid,resourceVersion";
  // There may be ten thousand of them: of what their lists say only what is read (pod_status.cc).
  const std::string pod = fmt::format(
      "metadata({},labels({},{},{},{},{}),ownerReferences(uid),creationTimestamp,"
      "deletionTimestamp,deletionGracePeriodSeconds),spec(nodeName),status(phase,podIP,reason,"
      "message,conditions(type,status,reason,message),containerStatuses(name,state),"
      "initContainerStatuses(name,state))",
      identity, kube::kJobLabel, kube::kRoleLabel, kube::kIndexLabel, kube::kInstanceLabel,
      kube::kStatusVersionLabel);
  const std::string job =
      "apiVersion,kind,metadata(*,!managedFields,"
      "annotations(*,!kubectl.kubernetes.io/last-applied-configuration)),spec,status";
  const std::string autoscaler = "metadata(" + identity + "),spec(scaleTargetRef)";
  return {{std::string(kube::kPods.plural), kube::FieldMask(pod)},
          {std::string(kube::kTrainingJobs.plural), kube::FieldMask(job)},
          {std::string(kube::kNodes.plural),
           kube::FieldMask("metadata(" + identity + "),status(conditions(type,status))")},
          {std::string(kube::kHorizontalPodAutoscalers.plural), kube::FieldMask(autoscaler)}};
}

json kept_of_pod(json pod) {
  if (const auto metadata = pod.find("metadata"); metadata != pod.end() && metadata->is_object()) {
    for (const char* known : {"name", "namespace", "uid", "resourceVersion"})
      metadata->erase(known);
  }
  const auto status = pod.find("status");
  if (status == pod.end() || !status->is_object()) return pod;
  const auto conditions = status->find("conditions");
  if (conditions == status->end() || !conditions->is_array()) return pod;
  json telling = json::array();
  for (json& condition : *conditions) {
    const json type = condition.is_object() ? condition.value("type", json()) : json();
    if (type == "PodScheduled" || type == "DisruptionTarget")
      telling.push_back(std::move(condition));
  }
  *conditions = std::move(telling);
  return pod;
}

std::string job_of_pod(const kube::Object& pod) {
  const auto metadata = pod.body->find("metadata");
  if (metadata == pod.body->end() || !metadata->is_object()) return "";
  const auto labels = metadata->find("labels");
  if (labels == metadata->end() || !labels->is_object()) return "";
  const auto job = labels->find(kube::kJobLabel);
  if (job == labels->end() || !job->is_string()) return "";
  return pod.name_space + "/" + job->get<std::string>();
}

std::string job_of_autoscaler(const kube::Object& autoscaler) {
  const json target =
      picked(picked(*autoscaler.body, {"spec"}).value("spec", json()), {"scaleTargetRef"})
          .value("scaleTargetRef", json());
  const auto word = [&](const char* name) {
    const json field = picked(target, {name}).value(name, json());
    return field.is_string() ? field.get<std::string>() : "";
  };
  const bool ours = word("kind") == kube::kTrainingJobs.kind &&
                    word("apiVersion").starts_with(std::string(kube::kTrainingJobs.group) + "/");
  return ours ? autoscaler.name_space + "/" + word("name") : "";
}

}  // namespace ballast::cluster
