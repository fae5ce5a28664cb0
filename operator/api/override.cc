#include "operator/api/override.h"

#include <charconv>

namespace ballast::api {
namespace {

Result<std::vector<std::string>> split_path(std::string_view path) {
  std::vector<std::string> keys(1);
  for (size_t i = 0; i < path.size(); ++i) {
    if (path[i] == '\\' && i + 1 < path.size() && path[i + 1] == '.') {
      keys.back() += path[++i];
    } else if (path[i] == '.') {
      keys.emplace_back();
    } else {
      keys.back() += path[i];
    }
  }
  for (const std::string& key : keys) {
    if (key.empty())
      return fail(ErrorCode::kInvalid,
                  "the path has an empty part; expected e.g. spec.workers.replicas");
  }
  if (keys.size() > static_cast<size_t>(kMaxDocumentDepth) / 2)
    return fail(ErrorCode::kInvalid, "the path is too deep");
  return keys;
}

void mark_override(Node& node) {
  node.line = 0;
  node.from_override = true;
  for (Node& item : node.items) mark_override(item);
  for (Field& field : node.fields) {
    field.line = 0;
    mark_override(field.value);
  }
}

Result<Node> parse_value(std::string_view text) {
  Node value;
  if (!text.empty()) {
    // A list, a map or a quoted string is YAML; anything else is one plain scalar, whatever is in
    // it.
    const char first = text.front();
    if (first == '[' || first == '{' || first == '"' || first == '\'') {
      auto parsed = parse_yaml(text);
      if (!parsed) return fail(ErrorCode::kInvalid, "the value: " + parsed.error().message);
      value = std::move(*parsed);
    } else {
      value = resolve_plain_scalar(std::string(text));
    }
  }
  mark_override(value);
  return value;
}

Result<Node*> enter_list(Node& list, const std::string& key) {
  size_t index = 0;
  const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), index);
  if (error != std::errc() || end != key.data() + key.size()) {
    return fail(ErrorCode::kInvalid,
                "\"" + key + "\" names an item of a list; expected a number from 0");
  }
  if (index > list.items.size()) {
    return fail(ErrorCode::kInvalid, "item " + key + " is beyond the list, which has " +
                                         std::to_string(list.items.size()) + " items");
  }
  if (index == list.items.size()) list.items.emplace_back();
  return &list.items[index];
}

Result<Node*> enter(Node& parent, const std::string& key) {
  if (parent.kind == NodeKind::kNull) parent.kind = NodeKind::kMap;
  if (parent.kind == NodeKind::kList) return enter_list(parent, key);
  if (parent.kind != NodeKind::kMap) {
    return fail(ErrorCode::kInvalid,
                "\"" + key + "\" is looked for in " + describe(parent) + ", which has no fields");
  }
  if (Node* found = parent.find(key)) return found;
  parent.fields.push_back({key, 0, {}});
  return &parent.fields.back().value;
}

}  // namespace

Result<void> apply_override(Node& document, std::string_view assignment) {
  const size_t equals = assignment.find('=');
  if (equals == std::string_view::npos) {
    return fail(ErrorCode::kInvalid, "expected path=value, e.g. spec.workers.replicas=3");
  }
  auto keys = split_path(assignment.substr(0, equals));
  if (!keys) return tl::unexpected(keys.error());
  auto value = parse_value(assignment.substr(equals + 1));
  if (!value) return tl::unexpected(value.error());
  Node* node = &document;
  for (const std::string& key : *keys) {
    auto child = enter(*node, key);
    if (!child) return tl::unexpected(child.error());
    node = *child;
  }
  *node = std::move(*value);
  return {};
}

}  // namespace ballast::api
