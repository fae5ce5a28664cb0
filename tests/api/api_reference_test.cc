// docs/api.md is made from crds/trainingjobs.yaml: this makes it, and compares. To write it anew:
// BALLAST_WRITE_API_REFERENCE=1 build/release/bin/test_api --gtest_filter='ApiReference.*'
#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <sstream>

#include <gmock/gmock.h>

#include "operator/api/document.h"

namespace ballast::api {
namespace {

using nlohmann::json;

constexpr const char* kHead =
    "# The TrainingJob, field by field\n\n"
    "Made from `crds/trainingjobs.yaml` by `tests/api/api_reference_test.cc`. `kubectl explain "
    "tjob.spec.training` shows the same. [kubernetes.md](kubernetes.md) tells what becomes of a "
    "job; `crds/examples` has some.\n\n"
    "*Changes*: what may be done to the field of a job that exists. Where nothing is said there, "
    "the field may change at any time; `spec.model`, `spec.data` and `spec.network` never do.\n";
constexpr const char* kDecimal = R"(^-?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$)";

std::string file_text(const char* path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

json schema() {
  const auto document = parse_yaml(file_text(BALLAST_SCHEMA));
  if (!document) throw std::runtime_error(document.error().message);
  return to_json(*document)["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
}

// A cell of a table: one line, and no end of it inside.
std::string cell(const std::string& text) {
  std::string out;
  for (const char c : text) out += c == '|' ? "\\|" : std::string(1, c == '\n' ? ' ' : c);
  while (!out.empty() && out.back() == ' ') out.pop_back();
  return out;
}

std::string type_of(const json& field) {
  if (field.value("type", "") == "array") return "list of " + type_of(field.at("items"));
  if (field.value("pattern", "") == kDecimal) return "decimal";
  return field.value("type", "");
}

std::string choices_of(const json& field) {
  std::string text;
  for (const json& one : field.value("enum", json::array())) {
    text += (text.empty() ? "" : ", ") + ("`" + one.get<std::string>() + "`");
  }
  if (field.contains("minimum") && field.contains("maximum"))
    text += field["minimum"].dump() + " to " + field["maximum"].dump();
  return text;
}

// What the rules of one map say of changes of what lies at this path in it; the path begins with a
// dot. A rule without a path of its own speaks of all of the map.
std::string changes_by_rules_of(const json& map, const std::string& path) {
  for (const json& rule : map.value("x-kubernetes-validations", json::array())) {
    const std::string message = rule.value("message", "");
    if (!path.starts_with(rule.value("fieldPath", ""))) continue;
    if (message == "is immutable") return "never";
    if (message == "can only grow") return "may grow";
    if (message.starts_with("changes only while")) return "while suspended";
  }
  return "";
}

// From the spec down to the field.
std::string changes_of(const json& map, const std::string& path) {
  std::string changes = changes_by_rules_of(map, path);
  if (!changes.empty() || path.empty()) return changes;
  const size_t end = std::min(path.find('.', 1), path.size());
  return changes_of(map.at("properties").at(path.substr(1, end - 1)), path.substr(end));
}

void add_table(const json& root, const json& object, const std::string& path, std::string& out) {
  std::string rows;
  std::vector<std::string> below;
  for (const auto& [name, field] : object.at("properties").items()) {
    if (field.contains("properties")) {
      below.push_back(name);
      continue;
    }
    const std::string fallback =
        field.contains("default") ? "`" + field["default"].dump() + "`" : "";
    const bool spec = path.starts_with("spec");
    rows +=
        "| `" + name + "` | " + type_of(field) + " | " + (spec ? fallback + " | " : "") +
        (spec ? choices_of(field) + " | " + changes_of(root, path.substr(4) + "." + name) + " | "
              : "") +
        cell(field.value("description", "")) + " |\n";
  }
  out += "\n## `" + path + "`\n\n" + cell(object.value("description", "")) + "\n";
  if (!rows.empty()) {
    out += path.starts_with("spec") ? "\n| Field | Type | Default | Allowed | Changes | Meaning |\n"
                                      "| --- | --- | --- | --- | --- | --- |\n"
                                    : "\n| Field | Type | Meaning |\n| --- | --- | --- |\n";
    out += rows;
  }
  for (const std::string& name : below) {
    add_table(root, object["properties"][name], path + "." + name, out);
  }
}

std::string reference() {
  const json root = schema();
  const json& spec = root["properties"]["spec"];
  std::string out = kHead;
  add_table(spec, spec, "spec", out);
  add_table(spec, root["properties"]["status"], "status", out);
  const json& condition = root["properties"]["status"]["properties"]["conditions"]["items"];
  add_table(spec,
            {{"description", "One of the conditions."}, {"properties", condition["properties"]}},
            "status.conditions[]", out);
  return out;
}

TEST(ApiReference, IsMadeFromTheSchema) {
  const std::string made = reference();
  if (std::getenv("BALLAST_WRITE_API_REFERENCE") != nullptr) {
    std::ofstream(BALLAST_API_REFERENCE) << made;
  }
  EXPECT_EQ(file_text(BALLAST_API_REFERENCE), made)
      << "docs/api.md is not as the schema says; BALLAST_WRITE_API_REFERENCE=1 writes it anew";
}

}  // namespace
}  // namespace ballast::api
