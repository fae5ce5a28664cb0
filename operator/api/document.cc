#include "operator/api/document.h"

#include <charconv>
#include <cmath>
#include <cstdlib>

namespace ballast::api {
namespace {

// Digits in a base, with an optional sign in front of `prefix_bytes` of base marker.
bool parse_integer(std::string_view text, int64_t* out) {
  const bool negative = !text.empty() && text.front() == '-';
  if (negative || (!text.empty() && text.front() == '+')) text.remove_prefix(1);
  int base = 10;
  if (text.size() > 2 && text[0] == '0' && (text[1] == 'x' || text[1] == 'o' || text[1] == 'b')) {
    base = text[1] == 'x' ? 16 : text[1] == 'o' ? 8 : 2;
    text.remove_prefix(2);
  } else if (text.size() > 1 && text[0] == '0') {
    base = 8;  // YAML 1.1, which kubectl speaks: 0644 is a file mode
    text.remove_prefix(1);
  }
  if (text.empty() || text.front() == '-' || text.front() == '+') return false;
  uint64_t magnitude = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), magnitude, base);
  if (error != std::errc() || end != text.data() + text.size()) return false;
  const uint64_t limit = uint64_t{1} << 63;
  if (magnitude > limit || (magnitude == limit && !negative)) return false;
  *out = negative ? static_cast<int64_t>(0 - magnitude) : static_cast<int64_t>(magnitude);
  return true;
}

bool looks_like_decimal(std::string_view text) {
  if (!text.empty() && (text.front() == '-' || text.front() == '+')) text.remove_prefix(1);
  if (text == ".inf" || text == ".Inf" || text == ".INF") return true;
  if (text == ".nan" || text == ".NaN" || text == ".NAN") return true;
  if (text.empty() || !(text.front() == '.' || (text.front() >= '0' && text.front() <= '9')))
    return false;
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return end == text.data() + text.size() &&
         (error == std::errc() || error == std::errc::result_out_of_range);
}

nlohmann::json decimal_to_json(const std::string& text) {
  const double value = std::strtod(text.c_str(), nullptr);
  // JSON has no infinity; the text is the closest that it can carry.
  return std::isfinite(value) && text.find_first_of("nN") == std::string::npos
             ? nlohmann::json(value)
             : nlohmann::json(text);
}

}  // namespace

const Node* Node::find(std::string_view name) const {
  for (const Field& field : fields) {
    if (field.name == name) return &field.value;
  }
  return nullptr;
}

Node* Node::find(std::string_view name) {
  return const_cast<Node*>(static_cast<const Node*>(this)->find(name));
}

Node resolve_plain_scalar(std::string text) {
  Node node;
  node.text = std::move(text);
  const std::string& word = node.text;
  if (word.empty() || word == "~" || word == "null" || word == "Null" || word == "NULL") {
    node.kind = NodeKind::kNull;
    return node;
  }
  for (const char* yes : {"true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON"}) {
    if (word == yes) {
      node.kind = NodeKind::kBoolean;
      node.boolean = true;
      return node;
    }
  }
  for (const char* no : {"false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF"}) {
    if (word == no) {
      node.kind = NodeKind::kBoolean;
      return node;
    }
  }
  if (parse_integer(word, &node.integer)) {
    node.kind = NodeKind::kInteger;
  } else {
    node.kind = looks_like_decimal(word) ? NodeKind::kDecimal : NodeKind::kString;
  }
  return node;
}

nlohmann::json to_json(const Node& node) {
  switch (node.kind) {
    case NodeKind::kNull:
      return nullptr;
    case NodeKind::kBoolean:
      return node.boolean;
    case NodeKind::kInteger:
      return node.integer;
    case NodeKind::kDecimal:
      return decimal_to_json(node.text);
    case NodeKind::kString:
      return node.text;
    case NodeKind::kList: {
      nlohmann::json list = nlohmann::json::array();
      for (const Node& item : node.items) list.push_back(to_json(item));
      return list;
    }
    case NodeKind::kMap: {
      nlohmann::json map = nlohmann::json::object();
      for (const Field& field : node.fields) map[field.name] = to_json(field.value);
      return map;
    }
  }
  return nullptr;
}

std::string describe(const Node& node) {
  std::string text = node.text.substr(0, 60);
  if (text.size() < node.text.size()) text += "...";
  switch (node.kind) {
    case NodeKind::kNull:
      return "nothing";
    case NodeKind::kBoolean:
      return "the boolean " + text;
    case NodeKind::kInteger:
    case NodeKind::kDecimal:
      return "the number " + text;
    case NodeKind::kString:
      return "the string \"" + text + "\"";
    case NodeKind::kList:
      return "a list";
    case NodeKind::kMap:
      return "a map";
  }
  return "nothing";
}

}  // namespace ballast::api
