// The kinds of objects that the operator knows, and where the API server has them. Pure functions.
#pragma once

#include <string>
#include <string_view>

namespace ballast::kube {

struct Resource {
  std::string_view group;  // empty: the core group
  std::string_view version;
  std::string_view plural;
  std::string_view kind;

  // "v1", "ballast.dev/v1alpha1"
  std::string api_version() const;
};

inline constexpr Resource kTrainingJobs = {"ballast.dev", "v1alpha1", "trainingjobs",
                                           "TrainingJob"};
inline constexpr Resource kPods = {"", "v1", "pods", "Pod"};
inline constexpr Resource kServices = {"", "v1", "services", "Service"};
inline constexpr Resource kSecrets = {"", "v1", "secrets", "Secret"};
inline constexpr Resource kConfigMaps = {"", "v1", "configmaps", "ConfigMap"};
inline constexpr Resource kNodes = {"", "v1", "nodes", "Node"};
inline constexpr Resource kNamespaces = {"", "v1", "namespaces", "Namespace"};
inline constexpr Resource kLeases = {"coordination.k8s.io", "v1", "leases", "Lease"};
inline constexpr Resource kHorizontalPodAutoscalers = {
    "autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler"};
inline constexpr Resource kEvents = {"events.k8s.io", "v1", "events", "Event"};

// "/apis/ballast.dev/v1alpha1/namespaces/n/trainingjobs/x/status". Without a namespace: of all
// namespaces, or of a kind that has none; without a name: the collection.
std::string path_of(const Resource& resource, std::string_view name_space,
                    std::string_view name = {}, std::string_view subresource = {});

// "path?a=b", then "path?a=b&c=d"; the value is encoded. Nothing when the value is empty.
void add_query(std::string& path, std::string_view key, std::string_view value);

}  // namespace ballast::kube
