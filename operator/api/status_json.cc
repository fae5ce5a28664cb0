#include "operator/api/status_json.h"

#include <array>

#include <nlohmann/json.hpp>

namespace ballast::api {
namespace {

using nlohmann::json;

constexpr std::array kConditionNames = {"Created",   "Running",   "Restarting",
                                        "Degraded",  "Scaling",   "PoliciesHeld",
                                        "Suspended", "Succeeded", "Failed"};
constexpr std::array kStartNames = {"initialise", "continue", "restore"};

// Index of a word in a fixed list; throws what json throws, so that one catch serves both.
template <size_t N>
size_t index_of(const std::array<const char*, N>& names, const std::string& word) {
  for (size_t i = 0; i < N; ++i) {
    if (names[i] == word) return i;
  }
  throw json::other_error::create(501, "unknown word \"" + word + "\"", nullptr);
}

json write_conditions(const TrainingJobStatus& status) {
  json list = json::array();
  for (const Condition& condition : status.conditions) {
    list.push_back({{"type", to_string(condition.type)},
                    {"status", condition.status ? "True" : "False"},
                    {"reason", condition.reason},
                    {"message", condition.message},
                    {"sinceMs", condition.since_ms}});
  }
  return list;
}

json write_members(const TrainingJobStatus& status) {
  json list = json::array();
  for (const MemberStatus& member : status.members) {
    list.push_back({{"name", member.name},
                    {"incarnation", member.incarnation},
                    {"address", member.address},
                    {"node", member.node}});
  }
  return list;
}

json write_removed(const TrainingJobStatus& status) {
  json list = json::array();
  for (const RemovedStatus& removed : status.removed) {
    list.push_back(
        {{"name", removed.name}, {"incarnation", removed.incarnation}, {"atMs", removed.at_ms}});
  }
  return list;
}

json write_checkpoints(const TrainingJobStatus& status) {
  json list = json::array();
  for (const CheckpointStatus& checkpoint : status.checkpoints) {
    list.push_back({{"directory", checkpoint.directory},
                    {"verified", checkpoint.verified},
                    {"damaged", checkpoint.damaged},
                    {"error", checkpoint.error}});
  }
  return list;
}

json write_replacements(const TrainingJobStatus& status) {
  json map = json::object();
  for (const auto& [name, replaced] : status.replacements) {
    map[name] = {{"instance", replaced.instance}, {"node", replaced.node}};
  }
  return map;
}

json write_memory(const TrainingJobStatus& status) {
  json map = json::object();
  for (const auto& [name, memory] : status.memory) {
    map[name] = {{"instance", memory.instance}, {"bytes", memory.bytes}};
  }
  return map;
}

json write_recommendations(const TrainingJobStatus& status) {
  json list = json::array();
  for (const RecommendationStatus& one : status.recommendations) {
    list.push_back({{"policy", one.policy},
                    {"reason", one.reason},
                    {"message", one.message},
                    {"sinceMs", one.since_ms}});
  }
  return list;
}

json write_restarts(const TrainingJobStatus& status) {
  json map = json::object();
  for (const auto& [name, restart] : status.restarts) {
    map[name] = {{"failures", restart.failures},
                 {"total", restart.total},
                 {"disruptions", restart.disruptions},
                 {"lastInstance", restart.last_instance},
                 {"notBeforeMs", restart.not_before_ms}};
  }
  return map;
}

void read_lists(const json& in, TrainingJobStatus& status) {
  for (const json& item : in.at("members")) {
    status.members.push_back(
        {item.at("name"), item.at("incarnation"), item.at("address"), item.at("node")});
  }
  for (const json& item : in.at("removed")) {
    status.removed.push_back({item.at("name"), item.at("incarnation"), item.at("atMs")});
  }
  for (const json& item : in.at("checkpoints")) {
    status.checkpoints.push_back({item.at("directory"), item.at("verified"), item.at("damaged"),
                                  item.value("error", std::string())});
  }
  for (const json& item : in.at("deletable")) status.deletable.push_back(item);
  for (const auto& [name, item] : in.at("restarts").items()) {
    status.restarts[name] = {item.at("failures"), item.at("total"), item.at("disruptions"),
                             item.at("lastInstance"), item.at("notBeforeMs")};
  }
  for (const json& item : in.at("conditions")) {
    Condition condition;
    condition.type = static_cast<ConditionType>(index_of(kConditionNames, item.at("type")));
    condition.status = item.at("status") == "True";
    condition.reason = item.at("reason");
    condition.message = item.at("message");
    condition.since_ms = item.at("sinceMs");
    status.conditions.push_back(std::move(condition));
  }
}

// Records of before there were policies have neither of the next two.
void read_recommendations(const json& in, TrainingJobStatus& status) {
  for (const json& item : in.value("recommendations", json::array())) {
    status.recommendations.push_back(
        {item.at("policy"), item.at("reason"), item.at("message"), item.at("sinceMs")});
  }
}

void read_wishes(const json& plan, TrainingJobStatus& status) {
  using Shares = std::map<std::string, int64_t>;
  status.planned_worker_shares = plan.value("workerShares", Shares());
  status.planned_server_shares = plan.value("serverShares", Shares());
  status.desired_workers = plan.value("desiredWorkers", int64_t{0});
  status.specified_workers = plan.value("specifiedWorkers", int64_t{0});
  status.desired_servers = plan.value("desiredServers", int64_t{0});
  status.specified_servers = plan.value("specifiedServers", int64_t{0});
  const json replacements = plan.value("replacements", json::object());
  for (const auto& [name, item] : replacements.items()) {
    status.replacements[name] = {item.at("instance"), item.at("node")};
  }
  const json memory = plan.value("memory", json::object());
  for (const auto& [name, item] : memory.items()) {
    status.memory[name] = {item.at("instance"), item.at("bytes")};
  }
}

}  // namespace

const char* to_string(ConditionType type) { return kConditionNames[static_cast<size_t>(type)]; }

std::string status_to_json(const TrainingJobStatus& status) {
  const json out = {
      {"version", status.version},
      {"startMs", status.start_ms},
      {"term", status.term},
      {"coordinator",
       {{"name", status.coordinator}, {"incarnation", status.coordinator_incarnation}}},
      {"start", kStartNames[static_cast<size_t>(status.start)]},
      {"restoreFrom", status.restore_from},
      {"membersNumber", status.members_number},
      {"members", write_members(status)},
      {"removed", write_removed(status)},
      {"origin", status.origin},
      {"sought", status.sought},
      {"checkpoints", write_checkpoints(status)},
      {"deletable", status.deletable},
      {"plan",
       {{"number", status.plan_number},
        {"servers", status.planned_servers},
        {"workers", status.planned_workers},
        {"steps", status.planned_steps},
        {"checkpointEverySteps", status.planned_checkpoint_steps},
        {"checkpointEverySeconds", status.planned_checkpoint_seconds},
        {"suspend", status.planned_suspend},
        {"workerShares", status.planned_worker_shares},
        {"serverShares", status.planned_server_shares},
        {"desiredWorkers", status.desired_workers},
        {"specifiedWorkers", status.specified_workers},
        {"desiredServers", status.desired_servers},
        {"specifiedServers", status.specified_servers},
        {"replacements", write_replacements(status)},
        {"memory", write_memory(status)}}},
      {"restarts", write_restarts(status)},
      {"progress",
       {{"step", status.progress.step},
        {"loss", status.progress.loss},
        {"lastCheckpoint", status.progress.last_checkpoint},
        {"tokensPerSecond", status.progress.tokens_per_second},
        {"atMs", status.progress.at_ms}}},
      {"recommendations", write_recommendations(status)},
      {"conditions", write_conditions(status)}};
  // Paths and messages may hold bytes that are no UTF-8: replaced, never a reason to fail.
  return out.dump(2, ' ', false, json::error_handler_t::replace) + "\n";
}

Result<TrainingJobStatus> status_from_json(std::string_view text) {
  try {
    const json in = json::parse(text);
    TrainingJobStatus status;
    status.version = in.at("version");
    status.start_ms = in.at("startMs");
    status.term = in.at("term");
    status.coordinator = in.at("coordinator").at("name");
    status.coordinator_incarnation = in.at("coordinator").at("incarnation");
    status.start = static_cast<StartMode>(index_of(kStartNames, in.at("start")));
    status.restore_from = in.at("restoreFrom");
    status.members_number = in.at("membersNumber");
    status.origin = in.at("origin");
    status.sought = in.value("sought", false);
    status.plan_number = in.at("plan").at("number");
    status.planned_servers = in.at("plan").at("servers");
    status.planned_workers = in.at("plan").at("workers");
    status.planned_steps = in.at("plan").at("steps");
    status.planned_checkpoint_steps = in.at("plan").at("checkpointEverySteps");
    status.planned_checkpoint_seconds = in.at("plan").at("checkpointEverySeconds");
    status.planned_suspend = in.at("plan").at("suspend");
    read_wishes(in.at("plan"), status);
    const json& progress = in.at("progress");
    status.progress = {
        progress.at("step"), progress.at("loss").is_null() ? 0 : progress.at("loss").get<double>(),
        progress.at("lastCheckpoint"), progress.at("tokensPerSecond"), progress.at("atMs")};
    read_lists(in, status);
    read_recommendations(in, status);
    return status;
  } catch (const json::exception& error) {
    return fail(ErrorCode::kCorrupt, std::string("the status is damaged: ") + error.what());
  }
}

}  // namespace ballast::api
