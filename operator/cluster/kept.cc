#include "operator/cluster/kept.h"

#include <initializer_list>

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

// The same of each item of a list, where it is one.
void pick_of_each(json& map, const char* list, std::initializer_list<const char*> names) {
  const auto found = map.find(list);
  if (found == map.end() || !found->is_array()) return;
  for (json& item : *found) item = picked(item, names);
}

}  // namespace

json kept_of_job(const json& job) {
  json out = picked(job, {"apiVersion", "kind", "metadata", "spec", "status"});
  json& metadata = out["metadata"];
  metadata.erase("managedFields");
  if (metadata.contains("annotations") && metadata["annotations"].is_object()) {
    metadata["annotations"].erase("kubectl.kubernetes.io/last-applied-configuration");
  }
  return out;
}

// There may be ten thousand of them: of what their lists say only what is read (pod_status.cc).
json kept_of_pod(const json& pod) {
  json out = picked(pod, {"metadata", "spec", "status"});
  json& metadata = out["metadata"];
  metadata = picked(metadata, {"labels", "ownerReferences", "creationTimestamp",
                               "deletionTimestamp", "deletionGracePeriodSeconds"});
  if (const auto labels = metadata.find("labels"); labels != metadata.end())
    *labels = picked(*labels, {kube::kJobLabel, kube::kRoleLabel, kube::kIndexLabel,
                               kube::kInstanceLabel, kube::kStatusVersionLabel});
  pick_of_each(metadata, "ownerReferences", {"uid"});
  out["spec"] = picked(out["spec"], {"nodeName"});
  json& status = out["status"];
  status = picked(status, {"phase", "podIP", "reason", "message", "conditions", "containerStatuses",
                           "initContainerStatuses"});
  pick_of_each(status, "conditions", {"type", "status", "reason", "message"});
  pick_of_each(status, "containerStatuses", {"name", "state"});
  pick_of_each(status, "initContainerStatuses", {"name", "state"});
  if (const auto conditions = status.find("conditions");
      conditions != status.end() && conditions->is_array()) {
    json telling = json::array();
    for (json& condition : *conditions) {
      const json type = condition.value("type", json());
      if (type == "PodScheduled" || type == "DisruptionTarget")
        telling.push_back(std::move(condition));
    }
    *conditions = std::move(telling);
  }
  return out;
}

json kept_of_node(const json& node) {
  json out = picked(node, {"metadata", "status"});
  out["metadata"] = picked(out["metadata"], {"name", "uid", "resourceVersion"});
  out["status"] = picked(out["status"], {"conditions"});
  return out;
}

json kept_of_autoscaler(const json& autoscaler) {
  json out = picked(autoscaler, {"metadata", "spec"});
  out["metadata"] = picked(out["metadata"], {"name", "namespace", "uid", "resourceVersion"});
  out["spec"] = picked(out["spec"], {"scaleTargetRef"});
  return out;
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
