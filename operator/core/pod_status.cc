#include "operator/core/pod_status.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <string_view>

#include "operator/core/decide.h"
#include "operator/core/pod_template.h"
#include "operator/core/time_text.h"

namespace ballast::kube {
namespace {

using decide::Process;
using decide::ProcessState;
using decide::Role;
using decide::Trouble;
using nlohmann::json;

constexpr int kSignalled = 128;    // + number: how a container runtime tells a signal
constexpr int kInterrupted = 130;  // our own exit code
constexpr size_t kMaxMessageBytes = 512;

// Null: there is none of that name and kind.
const json* map_at(const json& map, const char* key) {
  const auto found = map.find(key);
  return map.is_object() && found != map.end() && found->is_object() ? &*found : nullptr;
}

const json& list_at(const json& map, const char* key) {
  static const json kNone = json::array();
  const auto found = map.find(key);
  return map.is_object() && found != map.end() && found->is_array() ? *found : kNone;
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

// Goes into conditions, whose form the API server checks.
Trouble trouble_of(const json& told) {
  Trouble trouble{text_at(told, "reason"), text_at(told, "message").substr(0, kMaxMessageBytes)};
  std::erase_if(trouble.reason, [](char c) {
    return !((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'));
  });
  return trouble;
}

// The condition of that type; null: there is none with this status.
const json* condition_of(const json& status, std::string_view type, std::string_view value) {
  for (const json& condition : list_at(status, "conditions")) {
    if (text_at(condition, "type") == type && text_at(condition, "status") == value)
      return &condition;
  }
  return nullptr;
}

// "state" of the container that is ours; null: the kubelet has told nothing yet.
const json* main_state(const json& status) {
  for (const json& container : list_at(status, "containerStatuses")) {
    if (text_at(container, "name") == kMainContainer) return map_at(container, "state");
  }
  return nullptr;
}

void read_end(const json& terminated, decide::TimeMs now_ms, Process& process) {
  const auto found = terminated.find("exitCode");
  const int64_t code =
      found != terminated.end() && found->is_number_integer() ? found->get<int64_t>() : 1;
  const bool signalled = code > kSignalled && code <= kSignalled + 64 && code != kInterrupted;
  process.exit_code = signalled ? 0 : static_cast<int>(code);
  process.exit_signal = signalled ? static_cast<int>(code) - kSignalled : 0;
  process.ended_ms = parse_time(text_at(terminated, "finishedAt")).value_or(now_ms);
  const std::string reason = text_at(terminated, "reason");
  if (reason != "Error" && reason != "Completed") process.trouble = trouble_of(terminated);
}

// Why containers do not run, unless that is what every pod goes through.
Trouble waiting_trouble(const json& status) {
  constexpr std::array kUsual = {"", "ContainerCreating", "PodInitializing"};
  for (const char* list : {"initContainerStatuses", "containerStatuses"}) {
    for (const json& container : list_at(status, list)) {
      const json* state = map_at(container, "state");
      const json* waiting = state == nullptr ? nullptr : map_at(*state, "waiting");
      if (waiting == nullptr) continue;
      Trouble trouble = trouble_of(*waiting);
      if (std::find(kUsual.begin(), kUsual.end(), trouble.reason) != kUsual.end()) continue;
      // The kubelet goes to and fro between these two.
      if (trouble.reason == "ErrImagePull") trouble.reason = "ImagePullBackOff";
      return trouble;
    }
  }
  const json* unscheduled = condition_of(status, "PodScheduled", "False");
  return unscheduled == nullptr ? Trouble{} : trouble_of(*unscheduled);
}

void read_status(const json& status, decide::TimeMs now_ms, Process& process) {
  const std::string phase = text_at(status, "phase");
  const json* state = main_state(status);
  const json* terminated = state == nullptr ? nullptr : map_at(*state, "terminated");
  const json* running = state == nullptr ? nullptr : map_at(*state, "running");
  if (const json* target = condition_of(status, "DisruptionTarget", "True")) {
    process.taken = true;
    process.trouble = trouble_of(*target);
  }
  if (terminated != nullptr || phase == "Succeeded" || phase == "Failed") {
    process.state = ProcessState::kExited;
    process.exit_code = 1;
    process.ended_ms = now_ms;
    const Trouble taken_by = process.trouble;
    if (terminated != nullptr) read_end(*terminated, now_ms, process);
    // The kubelet ended it, or never began: the node had no room, or goes down.
    if (const Trouble told = trouble_of(status); !told.reason.empty() && !process.taken) {
      process.taken = told.reason != "DeadlineExceeded";
      process.trouble = told;
    } else if (process.taken) {
      process.trouble = taken_by;
    }
  } else if (running != nullptr) {
    process.started_ms = parse_time(text_at(*running, "startedAt")).value_or(process.started_ms);
    const std::string address = text_at(status, "podIP");
    if (!address.empty()) process.address = address + ":" + std::to_string(kServerPort);
  } else {
    process.hindered = true;
    if (!process.taken) process.trouble = waiting_trouble(status);
  }
}

void read_deletion(const json& metadata, decide::TimeMs now_ms, Process& process) {
  if (!metadata.contains("deletionTimestamp")) return;
  // When it must have ended; it was asked a grace period before.
  const auto latest = parse_time(text_at(metadata, "deletionTimestamp"));
  process.stopping_since_ms = latest ? *latest - decide::kStopGraceMs : now_ms;
  const auto grace = metadata.find("deletionGracePeriodSeconds");
  process.killed = grace != metadata.end() && grace->is_number_integer() && *grace <= 1;
}

}  // namespace

std::optional<Process> process_of(const json& pod, decide::TimeMs now_ms) {
  const json* metadata = map_at(pod, "metadata");
  const json* labels = metadata == nullptr ? nullptr : map_at(*metadata, "labels");
  if (labels == nullptr) return std::nullopt;
  const std::string role = text_at(*labels, kRoleLabel);
  const auto index = number_of(text_at(*labels, kIndexLabel));
  const auto instance = number_of(text_at(*labels, kInstanceLabel));
  if ((role != "ps" && role != "worker") || !index || !instance) return std::nullopt;
  Process process;
  process.role = role == "ps" ? Role::kServer : Role::kWorker;
  process.index = *index;
  process.instance = static_cast<uint64_t>(*instance);
  process.status_version =
      static_cast<uint64_t>(number_of(text_at(*labels, kStatusVersionLabel)).value_or(0));
  process.started_ms = parse_time(text_at(*metadata, "creationTimestamp")).value_or(now_ms);
  if (const json* spec = map_at(pod, "spec")) process.node = text_at(*spec, "nodeName");
  read_deletion(*metadata, now_ms, process);
  const json* status = map_at(pod, "status");
  read_status(status == nullptr ? json::object() : *status, now_ms, process);
  return process;
}

std::optional<Trouble> node_trouble(const std::string& name, const json* node) {
  if (node == nullptr) return Trouble{"NodeGone", "the node " + name + " is there no more"};
  const json* status = map_at(*node, "status");
  const json none = json::object();
  if (condition_of(status == nullptr ? none : *status, "Ready", "True") != nullptr)
    return std::nullopt;
  return Trouble{"NodeNotReady", "the node " + name + " is not ready"};
}

}  // namespace ballast::kube
