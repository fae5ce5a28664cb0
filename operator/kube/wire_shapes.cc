// Which fields of which kinds are known, by their numbers.
#include <array>

#include "operator/kube/wire_format.h"

namespace ballast::kube {
namespace {

constexpr std::array kOwnerFields = {WireField{5, "apiVersion"}, WireField{1, "kind"},
                                     WireField{3, "name"}, WireField{4, "uid"}};
constexpr WireShape kOwner(kOwnerFields);
constexpr std::array kMetadataFields = {
    WireField{1, "name"},
    WireField{3, "namespace"},
    WireField{5, "uid"},
    WireField{6, "resourceVersion"},
    WireField{8, "creationTimestamp", WireKind::kTime},
    WireField{9, "deletionTimestamp", WireKind::kTime},
    WireField{10, "deletionGracePeriodSeconds", WireKind::kNumber},
    WireField{11, "labels", WireKind::kTexts},
    WireField{12, "annotations", WireKind::kTexts},
    WireField{13, "ownerReferences", WireKind::kMessages, &kOwner}};
constexpr WireShape kMetadata(kMetadataFields);

constexpr std::array kConditionFields = {WireField{1, "type"}, WireField{2, "status"},
                                         WireField{5, "reason"}, WireField{6, "message"}};
constexpr WireShape kCondition(kConditionFields);
constexpr std::array kWaitingFields = {WireField{1, "reason"}, WireField{2, "message"}};
constexpr WireShape kWaiting(kWaitingFields);
constexpr std::array kRunningFields = {WireField{1, "startedAt", WireKind::kTime}};
constexpr WireShape kRunning(kRunningFields);
constexpr std::array kTerminatedFields = {
    WireField{1, "exitCode", WireKind::kNumber}, WireField{3, "reason"}, WireField{4, "message"},
    WireField{5, "startedAt", WireKind::kTime}, WireField{6, "finishedAt", WireKind::kTime}};
constexpr WireShape kTerminated(kTerminatedFields);
constexpr std::array kStateFields = {WireField{1, "waiting", WireKind::kMessage, &kWaiting},
                                     WireField{2, "running", WireKind::kMessage, &kRunning},
                                     WireField{3, "terminated", WireKind::kMessage, &kTerminated}};
constexpr WireShape kState(kStateFields);
constexpr std::array kContainerFields = {WireField{1, "name"},
                                         WireField{2, "state", WireKind::kMessage, &kState}};
constexpr WireShape kContainer(kContainerFields);
constexpr std::array kPodSpecFields = {WireField{10, "nodeName"}};
constexpr WireShape kPodSpec(kPodSpecFields);
constexpr std::array kPodStatusFields = {
    WireField{1, "phase"},
    WireField{2, "conditions", WireKind::kMessages, &kCondition},
    WireField{3, "message"},
    WireField{4, "reason"},
    WireField{6, "podIP"},
    WireField{8, "containerStatuses", WireKind::kMessages, &kContainer},
    WireField{10, "initContainerStatuses", WireKind::kMessages, &kContainer}};
constexpr WireShape kPodStatus(kPodStatusFields);
constexpr std::array kPodFields = {WireField{1, "metadata", WireKind::kMessage, &kMetadata},
                                   WireField{2, "spec", WireKind::kMessage, &kPodSpec},
                                   WireField{3, "status", WireKind::kMessage, &kPodStatus}};
constexpr WireShape kPod(kPodFields);

constexpr std::array kNodeStatusFields = {
    WireField{4, "conditions", WireKind::kMessages, &kCondition}};
constexpr WireShape kNodeStatus(kNodeStatusFields);
constexpr std::array kNodeFields = {WireField{1, "metadata", WireKind::kMessage, &kMetadata},
                                    WireField{3, "status", WireKind::kMessage, &kNodeStatus}};
constexpr WireShape kNode(kNodeFields);

constexpr std::array kDetailsFields = {WireField{5, "retryAfterSeconds", WireKind::kNumber}};
constexpr WireShape kDetails(kDetailsFields);
constexpr std::array kErrorFields = {WireField{3, "message"}, WireField{4, "reason"},
                                     WireField{5, "details", WireKind::kMessage, &kDetails},
                                     WireField{6, "code", WireKind::kNumber}};
constexpr WireShape kError(kErrorFields);

}  // namespace

const WireShape* shape_of(const Resource& kind) {
  if (!kind.group.empty()) return nullptr;
  if (kind.plural == kPods.plural) return &kPod;
  if (kind.plural == kNodes.plural) return &kNode;
  return nullptr;
}

const WireShape& shape_of_status() { return kError; }

}  // namespace ballast::kube
