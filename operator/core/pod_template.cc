#include "operator/core/pod_template.h"

#include <cstdint>
#include <utility>

#include <fmt/format.h>

#include "operator/api/quantity.h"
#include "operator/core/job_secrets.h"

namespace ballast::kube {
namespace {

using decide::Role;
using nlohmann::json;

constexpr int kSpreadWeight = 100;  // of 100
// Of files that belong to root, for a process that is nobody in particular. Only the containers
// that mount the volume see them.
constexpr int kReadableByAll = 0444;

// Whom a worker asks: names that lead to whichever life has them, known before any does.
std::string servers_of(const api::TrainingJob& job) {
  std::string servers;
  for (int64_t index = 0; index < job.spec.servers.replicas; ++index) {
    servers +=
        fmt::format("{}{}.{}.{}.svc:{}", index == 0 ? "" : ",", pod_name(job, Role::kServer, index),
                    job.metadata.name, job.metadata.name_space, kServerPort);
  }
  return servers;
}

json arguments_of(const api::TrainingJob& job, const decide::StartProcess& start) {
  json arguments = {"--name", decide::process_name(start.role, start.index), "--metrics-listen",
                    fmt::format("$(POD_IP):{}", kMetricsPort)};
  const auto add = [&](const char* flag, const std::string& value) {
    arguments.push_back(flag);
    arguments.push_back(value);
  };
  if (job.spec.trusted_network) {
    arguments.push_back("--trusted-network");
  } else {
    add("--tls-certificate", fmt::format("{}/tls.crt", kTlsFolder));
    add("--tls-key", fmt::format("{}/tls.key", kTlsFolder));
    add("--tls-ca", fmt::format("{}/ca.crt", kTlsFolder));
  }
  if (start.role == Role::kServer) {
    add("--job-uid", job.metadata.uid);
    add("--listen", fmt::format("$(POD_IP):{}", kServerPort));
    return arguments;
  }
  add("--servers", servers_of(job));
  add("--job", "/etc/ballast/job.json");
  add("--cache-dir", "/var/cache/ballast");
  add("--threads", "0");
  return arguments;
}

// A name that tells items of a list apart; empty: they are not to be told apart.
std::string name_of(const json& item) {
  for (const char* key : {"name", "mountPath"}) {
    if (item.is_object() && item.contains(key) && item[key].is_string()) return item[key];
  }
  return "";
}

json merged_lists(json ours, const json& theirs) {
  for (const json& item : theirs) {
    if (name_of(item).empty()) return theirs;
  }
  for (const json& item : theirs) {
    bool found = false;
    for (json& own : ours) {
      if (name_of(own) != name_of(item)) continue;
      own = merged(std::move(own), item);
      found = true;
    }
    if (!found) ours.push_back(item);
  }
  return ours;
}

json container_of(const api::TrainingJob& job, const decide::StartProcess& start,
                  const PodSettings& settings) {
  const bool server = start.role == Role::kServer;
  json container = {
      {"name", kMainContainer},
      {"image", settings.image},
      {"command", {server ? "/usr/bin/ballast-ps" : "/usr/bin/ballast-worker"}},
      {"args", arguments_of(job, start)},
      {"env",
       {{{"name", "POD_IP"}, {"valueFrom", {{"fieldRef", {{"fieldPath", "status.podIP"}}}}}}}},
      {"ports", {{{"name", "metrics"}, {"containerPort", kMetricsPort}}}},
      {"volumeMounts", {{{"name", "cache"}, {"mountPath", "/var/cache/ballast"}}}},
      {"securityContext",
       {{"allowPrivilegeEscalation", false}, {"capabilities", {{"drop", {"ALL"}}}}}}};
  if (!server) {
    container["volumeMounts"].push_back(
        {{"name", "config"}, {"mountPath", "/etc/ballast"}, {"readOnly", true}});
  }
  if (!job.spec.trusted_network) {
    container["volumeMounts"].push_back(
        {{"name", "tls"}, {"mountPath", kTlsFolder}, {"readOnly", true}});
  }
  return container;
}

// Replicas of a segment shall share no node where there is another.
json apart_from_servers(const api::TrainingJob& job) {
  const json servers = {{kJobLabel, job.metadata.name}, {kRoleLabel, "ps"}};
  const json term = {
      {"weight", kSpreadWeight},
      {"podAffinityTerm",
       {{"topologyKey", "kubernetes.io/hostname"}, {"labelSelector", {{"matchLabels", servers}}}}}};
  return {{"podAntiAffinity",
           {{"preferredDuringSchedulingIgnoredDuringExecution", json::array({term})}}}};
}

json our_spec(const api::TrainingJob& job, const decide::StartProcess& start,
              const PodSettings& settings) {
  const bool server = start.role == Role::kServer;
  json volumes = {{{"name", "cache"}, {"emptyDir", json::object()}}};
  if (!server) volumes.push_back({{"name", "config"}, {"configMap", {{"name", config_name(job)}}}});
  if (!job.spec.trusted_network) {
    volumes.push_back(
        {{"name", "tls"},
         {"secret",
          {{"secretName", tls_secret_name(job, start.role)}, {"defaultMode", kReadableByAll}}}});
  }
  json spec = {{"hostname", pod_name(job, start.role, start.index)},
               {"subdomain", job.metadata.name},
               {"automountServiceAccountToken", false},
               {"enableServiceLinks", false},
               {"terminationGracePeriodSeconds", decide::kStopGraceMs / 1000},
               {"securityContext",
                {{"runAsNonRoot", true}, {"seccompProfile", {{"type", "RuntimeDefault"}}}}},
               {"containers", {container_of(job, start, settings)}},
               {"volumes", volumes}};
  if (server) spec["affinity"] = apart_from_servers(job);
  if (!job.spec.priority_class_name.empty())
    spec["priorityClassName"] = job.spec.priority_class_name;
  return spec;
}

void limit_memory(json& spec, uint64_t bytes) {
  for (json& container : spec["containers"]) {
    if (name_of(container) == kMainContainer)
      container["resources"]["limits"]["memory"] = api::format_bytes(bytes);
  }
}

// One preference: a node has to be none of them.
void prefer_others(json& spec, const std::vector<std::string>& shunned) {
  json fields = json::array();
  for (const std::string& node : shunned) {
    fields.push_back({{"key", "metadata.name"}, {"operator", "NotIn"}, {"values", {node}}});
  }
  spec["affinity"]["nodeAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"].push_back(
      {{"weight", kSpreadWeight}, {"preference", {{"matchFields", std::move(fields)}}}});
}

}  // namespace

json owner_of(const api::TrainingJob& job) {
  return json::array({{{"apiVersion", api::kApiVersion},
                       {"kind", api::kKind},
                       {"name", job.metadata.name},
                       {"uid", job.metadata.uid},
                       {"controller", true},
                       {"blockOwnerDeletion", true}}});
}

std::string pod_name(const api::TrainingJob& job, Role role, int64_t index) {
  return job.metadata.name + "-" + decide::process_name(role, index);
}

std::string config_name(const api::TrainingJob& job) { return job.metadata.name + "-config"; }

json merged(json ours, const json& theirs) {
  if (ours.is_object() && theirs.is_object()) {
    for (const auto& [key, value] : theirs.items()) {
      ours[key] = ours.contains(key) ? merged(ours[key], value) : value;
    }
    return ours;
  }
  if (ours.is_array() && theirs.is_array()) return merged_lists(std::move(ours), theirs);
  return theirs;
}

namespace {

json filled(const api::TrainingJob& job, const decide::StartProcess& start,
            const PodSettings& settings, const PodNeeds& needs) {
  const bool server = start.role == Role::kServer;
  const json ours = {{"metadata", json::object()}, {"spec", our_spec(job, start, settings)}};
  json pod = merged(ours, server ? job.spec.servers.pod_template : job.spec.workers.pod_template);
  pod["apiVersion"] = "v1";
  pod["kind"] = "Pod";
  pod["spec"]["restartPolicy"] = "Never";  // a process that ends is another life: ours to start
  if (!needs.shunned_nodes.empty()) prefer_others(pod["spec"], needs.shunned_nodes);
  if (needs.memory_bytes > 0) limit_memory(pod["spec"], needs.memory_bytes);
  json& metadata = pod["metadata"];
  metadata["name"] = pod_name(job, start.role, start.index);
  metadata["namespace"] = job.metadata.name_space;
  metadata["ownerReferences"] = owner_of(job);
  metadata["labels"][kJobLabel] = job.metadata.name;
  metadata["labels"][kRoleLabel] = server ? "ps" : "worker";
  metadata["labels"][kIndexLabel] = std::to_string(start.index);
  metadata["labels"][kInstanceLabel] = std::to_string(start.instance);
  metadata["labels"][kStatusVersionLabel] = std::to_string(start.status_version);
  return pod;
}

}  // namespace

Result<json> pod_of(const api::TrainingJob& job, const decide::StartProcess& start,
                    const PodSettings& settings, const PodNeeds& needs) {
  const bool server = start.role == Role::kServer;
  try {
    return filled(job, start, settings, needs);
  } catch (const json::exception& error) {  // people write templates, and no schema holds them
    return fail(ErrorCode::kInvalid, std::string("spec.") + (server ? "servers" : "workers") +
                                         ".template is none of a pod: " + error.what());
  }
}

json service_of(const api::TrainingJob& job) {
  const json labels = {{kJobLabel, job.metadata.name}};
  // Nobody looks for a worker by name, and a thousand of them would be a thousand endpoints that
  // the cluster keeps up to date.
  const json selector = {{kJobLabel, job.metadata.name}, {kRoleLabel, "ps"}};
  return {{"apiVersion", "v1"},
          {"kind", "Service"},
          {"metadata",
           {{"name", job.metadata.name},
            {"namespace", job.metadata.name_space},
            {"labels", labels},
            {"ownerReferences", owner_of(job)}}},
          {"spec",
           {{"clusterIP", "None"},
            {"publishNotReadyAddresses", true},
            {"selector", selector},
            {"ports", {{{"name", "metrics"}, {"port", kMetricsPort}}}}}}};
}

json config_of(const api::TrainingJob& job, const std::string& job_json) {
  return {{"apiVersion", "v1"},
          {"kind", "ConfigMap"},
          {"metadata",
           {{"name", config_name(job)},
            {"namespace", job.metadata.name_space},
            {"labels", {{kJobLabel, job.metadata.name}}},
            {"ownerReferences", owner_of(job)}}},
          {"data", {{"job.json", job_json}}}};
}

}  // namespace ballast::kube
