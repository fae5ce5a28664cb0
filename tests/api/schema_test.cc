// The schema of TrainingJobs (crds/trainingjobs.yaml) against the types: the same fields, defaults,
// choices and ranges. tests/cluster holds both against a real API server.
#include <fstream>
#include <functional>
#include <set>
#include <sstream>

#include <gmock/gmock.h>

#include "operator/api/read_training_job.h"
#include "operator/api/training_choices.h"

namespace ballast::api {
namespace {

using nlohmann::json;
using ::testing::ElementsAreArray;

// Of `spec`.
json spec_schema() {
  std::ifstream file(BALLAST_SCHEMA);
  std::stringstream text;
  text << file.rdbuf();
  const auto document = parse_yaml(text.str());
  if (!document) throw std::runtime_error(document.error().message);
  return to_json(*document)
      .at("spec")
      .at("versions")
      .at(0)
      .at("schema")
      .at("openAPIV3Schema")
      .at("properties")
      .at("spec");
}

// Calls `visit(path, schema)` for every field below, parents first. A template's fields are not
// ours.
void for_each_field(const json& schema, const std::string& path,
                    const std::function<void(const std::string&, const json&)>& visit) {
  if (!schema.contains("properties")) return;
  for (const auto& [name, field] : schema.at("properties").items()) {
    visit(path + "." + name, field);
    for_each_field(field, path + "." + name, visit);
  }
}

json smallest_job() {
  return {{"apiVersion", kApiVersion},
          {"kind", kKind},
          {"metadata", {{"name", "tiny"}}},
          {"spec", {{"data", {{"train", {"/a.txt"}}}}}}};
}

json& at_path(json& value, const std::string& path) {
  json* place = &value;
  std::stringstream words(path);
  for (std::string word; std::getline(words, word, '.');) place = &(*place)[word];
  return *place;
}

std::set<std::string> paths_of(const json& value, const std::string& path) {
  std::set<std::string> paths;
  if (!value.is_object()) return paths;
  for (const auto& [name, inner] : value.items()) {
    const std::string inner_path = path + "." + name;
    paths.insert(inner_path);
    const bool ours = name != "template" && name != "weights" && name != "priorities";
    if (ours) paths.merge(paths_of(inner, inner_path));
  }
  return paths;
}

// Every field that some job has.
std::set<std::string> fields_of_jobs() {
  TrainingJob job;
  job.spec.data.vocabulary = "/v";
  job.spec.checkpoint.path = "/c";
  job.spec.ttl_seconds_after_finished = 0;
  job.spec.priority_class_name = "high";
  job.spec.policy.servers.max_replicas = 1;
  job.spec.policy.memory.cap = "1Gi";
  job.spec.policy.worker_balance.weights = {{"worker-0", 1}};
  job.spec.policy.server_balance.weights = {{"ps-0", 1}};
  job.spec.policy.worker_balance.priorities = {{"worker-0", 1}};
  std::set<std::string> paths;
  for (const NamedChoice& optimizer : optimizer_choices()) {
    job.spec.training.optimizer.name = optimizer.name;
    paths.merge(paths_of(to_json(job).at("spec"), "spec"));
  }
  for (const NamedChoice& schedule : schedule_choices()) {
    job.spec.training.schedule.name = schedule.name;
    paths.merge(paths_of(to_json(job).at("spec"), "spec"));
  }
  return paths;
}

TEST(Schema, HasTheFieldsOfAJobAndNoOthers) {
  std::set<std::string> described;
  for_each_field(spec_schema(), "spec",
                 [&](const std::string& path, const json&) { described.insert(path); });
  EXPECT_EQ(described, fields_of_jobs());
}

TEST(Schema, HasOurDefaults) {
  const auto job = read_training_job_json(smallest_job().dump());
  ASSERT_TRUE(job);
  json defaults = to_json(*job);
  int compared = 0;
  for_each_field(spec_schema(), "spec", [&](const std::string& path, const json& field) {
    if (!field.contains("default") || field.at("default") == json::object()) return;
    EXPECT_EQ(field.at("default"), at_path(defaults, path)) << path;
    ++compared;
  });
  EXPECT_GT(compared, 20);
}

TEST(Schema, NamesTheSameChoices) {
  const json training = spec_schema().at("properties").at("training").at("properties");
  const auto names = [&](const char* field) {
    return training.at(field)
        .at("properties")
        .at("name")
        .at("enum")
        .get<std::vector<std::string>>();
  };
  EXPECT_THAT(names("optimizer"), ElementsAreArray(names_of(optimizer_choices())));
  EXPECT_THAT(names("schedule"), ElementsAreArray(names_of(schedule_choices())));
}

// Whether the field is a problem of the smallest job with this value.
bool refused(const std::string& path, int64_t value) {
  json job = smallest_job();
  // Schedules that have the field.
  if (path.ends_with("decaySteps")) {
    at_path(job, "spec.training.schedule.name") = "warmupStableDecay";
  }
  at_path(job, path) = value;
  const auto read = read_training_job_json(job.dump());
  if (read) return false;
  for (const Problem& problem : read.error()) {
    if (problem.path == path && problem.message.find(" to ") != std::string::npos &&
        problem.message.find("minReplicas to") == std::string::npos) {
      return true;
    }
  }
  return false;
}

TEST(Schema, HasOurRanges) {
  int compared = 0;
  for_each_field(spec_schema(), "spec", [&](const std::string& path, const json& field) {
    if (field.at("type") != "integer") return;
    const int64_t low = field.at("minimum");
    const int64_t high = field.at("maximum");
    EXPECT_TRUE(refused(path, low - 1)) << path;
    EXPECT_FALSE(refused(path, low)) << path;
    EXPECT_FALSE(refused(path, high)) << path;
    EXPECT_TRUE(refused(path, high + 1)) << path;
    ++compared;
  });
  EXPECT_GT(compared, 20);
}

TEST(Schema, DescribesEveryField) {
  for_each_field(spec_schema(), "spec", [&](const std::string& path, const json& field) {
    EXPECT_TRUE(field.contains("description")) << path;
  });
}

}  // namespace
}  // namespace ballast::api
