#include "operator/api/field_reader.h"

#include <algorithm>
#include <utility>

namespace ballast::api {

FieldReader::FieldReader(const Node* node, std::string path, std::vector<Problem>& problems)
    : node_(node), path_(std::move(path)), problems_(&problems) {
  if (node_ == nullptr || node_->kind == NodeKind::kNull) {
    node_ = nullptr;
  } else if (node_->kind != NodeKind::kMap) {
    wrong(path_, *node_, "a map of fields");
    node_ = nullptr;
  }
}

FieldReader FieldReader::map(const std::string& name) {
  return FieldReader(take(name), path_of(name), *problems_);
}

void FieldReader::boolean(const std::string& name, bool& out) {
  const Node* node = take(name);
  if (node == nullptr) return;
  if (node->kind != NodeKind::kBoolean) return wrong(path_of(name), *node, "true or false");
  out = node->boolean;
}

void FieldReader::integer(const std::string& name, int64_t& out) {
  const Node* node = take(name);
  if (node == nullptr) return;
  if (node->kind != NodeKind::kInteger) return wrong(path_of(name), *node, "a whole number");
  out = node->integer;
}

void FieldReader::text(const std::string& name, std::string& out) {
  if (const Node* node = take(name)) read_text(path_of(name), *node, out);
}

void FieldReader::decimal(const std::string& name, std::string& out) {
  const Node* node = take(name);
  if (node == nullptr) return;
  const bool number = node->kind == NodeKind::kInteger || node->kind == NodeKind::kDecimal;
  if (number && node->from_override) {
    out = node->text;
  } else if (number) {
    wrong(path_of(name), *node, "a decimal as a string: \"" + node->text + "\", in quotes");
  } else if (node->kind == NodeKind::kString) {
    out = node->text;
  } else {
    wrong(path_of(name), *node, "a decimal as a string, such as \"1e-3\"");
  }
}

void FieldReader::texts(const std::string& name, std::vector<std::string>& out) {
  const Node* node = take(name);
  if (node == nullptr) return;
  if (node->kind != NodeKind::kList) return wrong(path_of(name), *node, "a list of strings");
  out.clear();
  for (size_t i = 0; i < node->items.size(); ++i) {
    out.emplace_back();
    read_text(path_of(name) + "[" + std::to_string(i) + "]", node->items[i], out.back());
  }
}

void FieldReader::text_map(const std::string& name, std::map<std::string, std::string>& out) {
  const Node* node = take(name);
  if (node == nullptr) return;
  if (node->kind != NodeKind::kMap) return wrong(path_of(name), *node, "a map of strings");
  out.clear();
  for (const Field& field : node->fields) {
    read_text(path_of(name) + "." + field.name, field.value, out[field.name]);
  }
}

void FieldReader::integer_map(const std::string& name, std::map<std::string, int64_t>& out) {
  const Node* node = take(name);
  if (node == nullptr) return;
  if (node->kind != NodeKind::kMap) return wrong(path_of(name), *node, "a map of whole numbers");
  out.clear();
  for (const Field& field : node->fields) {
    if (field.value.kind == NodeKind::kNull) continue;
    if (field.value.kind != NodeKind::kInteger) {
      wrong(path_of(name) + "." + field.name, field.value, "a whole number");
      continue;
    }
    out[field.name] = field.value.integer;
  }
}

void FieldReader::any_map(const std::string& name, nlohmann::json& out) {
  const Node* node = take(name);
  if (node == nullptr) return;
  if (node->kind != NodeKind::kMap) return wrong(path_of(name), *node, "a map of fields");
  out = to_json(*node);
}

void FieldReader::ignore(const std::string& name) { take(name); }

bool FieldReader::has(const std::string& name) const {
  const Node* node = node_ == nullptr ? nullptr : node_->find(name);
  return node != nullptr && node->kind != NodeKind::kNull;
}

void FieldReader::problem(const std::string& name, std::string message) {
  const Node* node = node_ == nullptr ? nullptr : node_->find(name);
  problems_->push_back({path_of(name), node == nullptr ? 0 : node->line, std::move(message)});
}

void FieldReader::finish() {
  if (node_ == nullptr) return;
  for (const Field& field : node_->fields) {
    if (std::find(known_.begin(), known_.end(), field.name) != known_.end()) continue;
    const std::string meant = closest(field.name, known_);
    problems_->push_back(
        {path_of(field.name), field.line,
         meant.empty() ? "unknown field" : "unknown field; did you mean " + meant + "?"});
  }
}

const Node* FieldReader::take(const std::string& name) {
  known_.push_back(name);
  return has(name) ? node_->find(name) : nullptr;
}

std::string FieldReader::path_of(const std::string& name) const {
  return path_.empty() ? name : path_ + "." + name;
}

void FieldReader::wrong(const std::string& path, const Node& found, const std::string& expected) {
  problems_->push_back({path, found.line, "found " + describe(found) + "; expected " + expected});
}

bool FieldReader::read_text(const std::string& path, const Node& node, std::string& out) {
  const bool scalar =
      node.kind != NodeKind::kList && node.kind != NodeKind::kMap && node.kind != NodeKind::kNull;
  if (node.kind != NodeKind::kString && !(scalar && node.from_override)) {
    wrong(path, node, scalar ? "a string: \"" + node.text + "\", in quotes" : "a string");
    return false;
  }
  out = node.text;
  return true;
}

}  // namespace ballast::api
