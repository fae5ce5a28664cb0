#include "operator/cluster/kept.h"

#include <initializer_list>
#include <utility>

#include <fmt/format.h>

#include "common/check.h"
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

// Of a pod that may be anybody's; empty: it has none.
std::string job_label(const json& pod) {
  const auto metadata = pod.find("metadata");
  if (metadata == pod.end() || !metadata->is_object()) return "";
  const auto labels = metadata->find("labels");
  if (labels == metadata->end() || !labels->is_object()) return "";
  const auto job = labels->find(kube::kJobLabel);
  return job != labels->end() && job->is_string() ? job->get<std::string>() : "";
}

bool is_packed(const json& body) {
  return body.is_array() && body.size() == 2 && body[0].is_string() && body[1].is_binary();
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

json packed(const json& body, const std::string& word) {
  auto bytes = json::to_cbor(body);
  bytes.shrink_to_fit();
  return json::array({word, json::binary(std::move(bytes))});
}

kube::Object packed(kube::Object object) {
  object.body = std::make_shared<const json>(packed(*object.body));
  return object;
}

kube::Object unpacked(kube::Object packed) {
  const json& body = *packed.body;
  CHECK(is_packed(body));
  packed.body = std::make_shared<const json>(json::from_cbor(body[1].get_binary()));
  return packed;
}

std::string word_of(const kube::Object& packed) {
  CHECK(is_packed(*packed.body));
  return packed.body->at(0).get<std::string>();
}

json packed_pod(const json& pod) { return packed(pod, job_label(pod)); }

std::string job_of_pod(const kube::Object& packed) {
  const std::string job = word_of(packed);
  return job.empty() ? "" : packed.name_space + "/" + job;
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
