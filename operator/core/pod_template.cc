#include "operator/core/pod_template.h"

#include <charconv>
#include <cstdint>

#include <fmt/format.h>

namespace ballast::kube {
namespace {

using decide::Process;
using decide::ProcessState;
using decide::Role;
using nlohmann::json;

constexpr const char* kMain = "main";  // the container that is ours
constexpr int kSignalled = 128;        // + number: how a container runtime tells a signal
constexpr int kInterrupted = 130;      // our own exit code

json owner_of(const api::TrainingJob& job) {
  return json::array({{{"apiVersion", api::kApiVersion},
                       {"kind", api::kKind},
                       {"name", job.metadata.name},
                       {"uid", job.metadata.uid},
                       {"controller", true},
                       {"blockOwnerDeletion", true}}});
}

json arguments_of(const api::TrainingJob& job, const decide::StartProcess& start,
                  const std::vector<api::MemberStatus>& members) {
  json arguments = {"--name", decide::process_name(start.role, start.index), "--metrics-listen",
                    fmt::format("$(POD_IP):{}", kMetricsPort)};
  // Without it, and without certificates, the processes refuse to talk over TCP.
  if (job.spec.trusted_network) arguments.push_back("--trusted-network");
  const auto add = [&](const char* flag, const std::string& value) {
    arguments.push_back(flag);
    arguments.push_back(value);
  };
  if (start.role == Role::kServer) {
    add("--job-uid", job.metadata.uid);
    add("--listen", fmt::format("$(POD_IP):{}", kServerPort));
    return arguments;
  }
  std::string servers;
  for (const api::MemberStatus& member : members) {
    servers += (servers.empty() ? "" : ",") + member.address;
  }
  add("--servers", servers);
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

std::string text_at(const json& map, const char* key) {
  if (!map.is_object()) return "";
  const auto found = map.find(key);
  return found != map.end() && found->is_string() ? found->get<std::string>() : "";
}

std::optional<int64_t> number_of(const std::string& text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 0) return std::nullopt;
  return value;
}

void read_end(const json& status, decide::TimeMs now_ms, Process& process) {
  process.state = ProcessState::kExited;
  process.exit_code = 1;  // evicted, or never started: most often another try helps
  process.ended_ms = now_ms;
  if (!status.contains("containerStatuses")) return;
  for (const json& container : status["containerStatuses"]) {
    if (text_at(container, "name") != kMain || !container.contains("state")) continue;
    const auto terminated = container["state"].find("terminated");
    if (terminated == container["state"].end()) continue;
    const int code = terminated->value("exitCode", 1);
    const bool signalled = code > kSignalled && code != kInterrupted;
    process.exit_code = signalled ? 0 : code;
    process.exit_signal = signalled ? code - kSignalled : 0;
    process.ended_ms = parse_time(text_at(*terminated, "finishedAt")).value_or(now_ms);
  }
}

}  // namespace

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

json pod_of(const api::TrainingJob& job, const decide::StartProcess& start,
            const std::vector<api::MemberStatus>& members, const PodSettings& settings) {
  const bool server = start.role == Role::kServer;
  json container = {
      {"name", kMain},
      {"image", settings.image},
      {"command", {server ? "/usr/bin/ballast-ps" : "/usr/bin/ballast-worker"}},
      {"args", arguments_of(job, start, members)},
      {"env",
       {{{"name", "POD_IP"}, {"valueFrom", {{"fieldRef", {{"fieldPath", "status.podIP"}}}}}}}},
      {"ports", {{{"name", "metrics"}, {"containerPort", kMetricsPort}}}},
      {"volumeMounts", {{{"name", "cache"}, {"mountPath", "/var/cache/ballast"}}}},
      {"securityContext",
       {{"allowPrivilegeEscalation", false}, {"capabilities", {{"drop", {"ALL"}}}}}}};
  json volumes = {{{"name", "cache"}, {"emptyDir", json::object()}}};
  if (!server) {
    container["volumeMounts"].push_back(
        {{"name", "config"}, {"mountPath", "/etc/ballast"}, {"readOnly", true}});
    volumes.push_back({{"name", "config"}, {"configMap", {{"name", config_name(job)}}}});
  }
  const json ours = {{"metadata", json::object()},
                     {"spec",
                      {{"restartPolicy", "Never"},
                       {"automountServiceAccountToken", false},
                       {"enableServiceLinks", false},
                       {"terminationGracePeriodSeconds", decide::kStopGraceMs / 1000},
                       {"securityContext",
                        {{"runAsNonRoot", true}, {"seccompProfile", {{"type", "RuntimeDefault"}}}}},
                       {"containers", {container}},
                       {"volumes", volumes}}}};
  json pod = merged(ours, server ? job.spec.servers.pod_template : job.spec.workers.pod_template);
  pod["apiVersion"] = "v1";
  pod["kind"] = "Pod";
  json& metadata = pod["metadata"];
  metadata["name"] = pod_name(job, start.role, start.index);
  metadata["namespace"] = job.metadata.name_space;
  metadata["ownerReferences"] = owner_of(job);
  metadata["labels"][kJobLabel] = job.metadata.name;
  metadata["labels"][kRoleLabel] = server ? "ps" : "worker";
  metadata["labels"][kIndexLabel] = std::to_string(start.index);
  metadata["labels"][kInstanceLabel] = std::to_string(start.instance);
  return pod;
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

std::optional<Process> process_of(const json& pod, decide::TimeMs now_ms) {
  if (!pod.is_object() || !pod.contains("metadata")) return std::nullopt;
  const json& metadata = pod["metadata"];
  const json labels = metadata.value("labels", json::object());
  const std::string role = text_at(labels, kRoleLabel);
  const auto index = number_of(text_at(labels, kIndexLabel));
  const auto instance = number_of(text_at(labels, kInstanceLabel));
  if ((role != "ps" && role != "worker") || !index || !instance) return std::nullopt;
  Process process;
  process.role = role == "ps" ? Role::kServer : Role::kWorker;
  process.index = *index;
  process.instance = static_cast<uint64_t>(*instance);
  process.started_ms = parse_time(text_at(metadata, "creationTimestamp")).value_or(now_ms);
  if (metadata.contains("deletionTimestamp")) {
    // When it must have ended; it was asked a grace period before.
    const auto latest = parse_time(text_at(metadata, "deletionTimestamp"));
    process.stopping_since_ms = latest ? *latest - decide::kStopGraceMs : now_ms;
  }
  if (pod.contains("spec")) process.node = text_at(pod["spec"], "nodeName");
  const json status = pod.value("status", json::object());
  const std::string phase = text_at(status, "phase");
  const std::string address = text_at(status, "podIP");
  if (phase == "Succeeded" || phase == "Failed") {
    read_end(status, now_ms, process);
  } else if (phase == "Running" && !address.empty()) {
    process.address = address + ":" + std::to_string(kServerPort);
  }
  return process;
}

// Days from civil, after Howard Hinnant's chrono algorithms (proleptic Gregorian calendar).
std::optional<decide::TimeMs> parse_time(std::string_view text) {
  if (text.size() < 20 || text[10] != 'T' || text.back() != 'Z') return std::nullopt;
  const auto number = [&](size_t at, size_t digits) {
    int64_t value = -1;
    const auto [end, error] = std::from_chars(text.data() + at, text.data() + at + digits, value);
    return error == std::errc() && end == text.data() + at + digits ? value : int64_t{-1};
  };
  const int64_t month = number(5, 2), day = number(8, 2);
  const int64_t hour = number(11, 2), minute = number(14, 2), second = number(17, 2);
  if (number(0, 4) < 1970 || month < 1 || month > 12 || day < 1 || day > 31) return std::nullopt;
  if (hour < 0 || minute < 0 || second < 0) return std::nullopt;
  const int64_t year = number(0, 4) - (month <= 2 ? 1 : 0);
  const int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  const int64_t year_of_era = year % 400;
  const int64_t days = year / 400 * 146'097 + year_of_era * 365 + year_of_era / 4 -
                       year_of_era / 100 + day_of_year - 719'468;
  return (((days * 24 + hour) * 60 + minute) * 60 + second) * 1000;
}

std::string format_time(decide::TimeMs unix_ms) {
  const int64_t seconds = unix_ms / 1000;
  const int64_t days = seconds / 86'400 + 719'468;
  const int64_t era = days / 146'097;
  const int64_t day_of_era = days % 146'097;
  const int64_t year_of_era =
      (day_of_era - day_of_era / 1460 + day_of_era / 36'524 - day_of_era / 146'096) / 365;
  const int64_t day_of_year =
      day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const int64_t shifted = (5 * day_of_year + 2) / 153;
  const int64_t day = day_of_year - (153 * shifted + 2) / 5 + 1;
  const int64_t month = shifted < 10 ? shifted + 3 : shifted - 9;
  const int64_t year = year_of_era + era * 400 + (month <= 2 ? 1 : 0);
  const int64_t rest = seconds % 86'400;
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", year, month, day, rest / 3600,
                     rest / 60 % 60, rest % 60);
}

}  // namespace ballast::kube
