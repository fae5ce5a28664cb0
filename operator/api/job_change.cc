#include "operator/api/job_change.h"

#include <algorithm>
#include <array>

#include "operator/api/override.h"

namespace ballast::api {
namespace {

using nlohmann::json;

constexpr std::array kMutable = {
    "spec.servers.replicas",      "spec.workers.replicas",        "spec.workers.minReplicas",
    "spec.workers.maxReplicas",   "spec.checkpoint.everySteps",   "spec.checkpoint.everySeconds",
    "spec.checkpoint.keep",       "spec.training.steps",          "spec.backoffLimit",
    "spec.activeDeadlineSeconds", "spec.ttlSecondsAfterFinished", "spec.suspend"};

// Defaults that depend on fields which may change.
constexpr std::array kDerived = {
    "spec.training.schedule.lengthSteps", "spec.training.schedule.warmupSteps",
    "spec.training.schedule.decaySteps", "spec.servers.replication", "spec.workers.minReplicas"};

const Node* find(const Node& document, std::string_view path) {
  const Node* node = &document;
  while (node != nullptr && !path.empty()) {
    const size_t dot = path.find('.');
    node = node->find(path.substr(0, dot));
    path = dot == std::string_view::npos ? "" : path.substr(dot + 1);
  }
  return node;
}

const json* find(const json& document, std::string_view path) {
  const json* value = &document;
  while (value != nullptr && !path.empty()) {
    const size_t dot = path.find('.');
    const std::string key(path.substr(0, dot));
    value = value->is_object() && value->contains(key) ? &value->at(key) : nullptr;
    path = dot == std::string_view::npos ? "" : path.substr(dot + 1);
  }
  return value;
}

json::json_pointer pointer(const std::string& path) {
  std::string text = "/" + path;
  std::replace(text.begin(), text.end(), '.', '/');
  return json::json_pointer(text);
}

void compare(const std::string& path, const json& before, const json& after, Changes& changes) {
  if (!before.is_object() || !after.is_object()) {
    if (before != after) changes[path] = after;
    return;
  }
  const auto below = [&](const std::string& key) { return path.empty() ? key : path + "." + key; };
  for (const auto& [key, value] : after.items()) {
    compare(below(key), before.value(key, json()), value, changes);
  }
  for (const auto& [key, value] : before.items()) {
    if (!after.contains(key)) changes[below(key)] = json();
  }
}

std::string text_of(const json* value) {
  return value == nullptr || value->is_null() ? "nothing" : value->dump();
}

}  // namespace

tl::expected<TrainingJob, Problems> read_edited_yaml(std::string_view text,
                                                     const std::vector<std::string>& overrides,
                                                     const TrainingJob& running) {
  auto document = parse_yaml(text);
  if (!document) return tl::unexpected(Problems{{"", 0, document.error().message}});
  const json values = to_json(running);
  std::vector<std::string> all = overrides;
  for (const char* path : kDerived) {
    const json* value = find(values, path);
    const auto given = [&](const std::string& one) { return one.starts_with(path); };
    if (value != nullptr && find(*document, path) == nullptr &&
        std::none_of(overrides.begin(), overrides.end(), given)) {
      all.push_back(std::string(path) + "=" + value->dump());
    }
  }
  return read_training_job_yaml(text, all);
}

Changes changes_between(const TrainingJob& before, const TrainingJob& after) {
  json old_values = to_json(before);
  json new_values = to_json(after);
  for (json* values : {&old_values, &new_values}) values->at("metadata").erase("uid");
  Changes changes;
  compare("", old_values, new_values, changes);
  return changes;
}

tl::expected<TrainingJob, Problems> changed_job(const TrainingJob& running,
                                                const Changes& changes) {
  json values = to_json(running);
  Problems problems;
  for (const auto& [path, value] : changes) {
    const json* before = find(values, path);
    if (!path.starts_with("spec.policy.") &&
        std::find(kMutable.begin(), kMutable.end(), path) == kMutable.end()) {
      problems.push_back({path, 0,
                          "found " + text_of(&value) + "; expected " + text_of(before) +
                              ", which a running job keeps"});
      continue;
    }
    const bool shrinks = path == "spec.training.steps" && value.is_number_integer() &&
                         value.get<int64_t>() < running.spec.training.steps;
    if (shrinks) {
      problems.push_back({path, 0,
                          "found " + value.dump() + "; expected at least " + text_of(before) +
                              ": the steps of a running job only grow"});
      continue;
    }
    values[pointer(path)] = value;
  }
  if (!problems.empty()) return tl::unexpected(problems);
  return read_training_job_json(values.dump());
}

std::string describe(const Changes& changes, const TrainingJob& before) {
  const json values = to_json(before);
  std::string text;
  for (const auto& [path, value] : changes) {
    text += (text.empty() ? "" : ", ") + path + ": " + text_of(find(values, path)) + " -> " +
            text_of(&value);
  }
  return text;
}

}  // namespace ballast::api
