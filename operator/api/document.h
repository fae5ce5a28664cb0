// A YAML or JSON text as one tree of values that remember their lines: what the typed readers take.
// Scalars are resolved as kubectl resolves them, so that one file means the same in both places.
// Reading is bounded (bytes, depth, values after aliases are expanded) and never throws. Plain
// values.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "common/error.h"

namespace ballast::api {

inline constexpr size_t kMaxDocumentBytes = 256 * 1024;
inline constexpr int kMaxDocumentDepth = 48;
inline constexpr size_t kMaxDocumentNodes = 20'000;

enum class NodeKind { kNull, kBoolean, kInteger, kDecimal, kString, kList, kMap };

struct Field;

struct Node {
  NodeKind kind = NodeKind::kNull;
  int line = 0;                // from 1; 0 = not from a file
  bool from_override = false;  // typed on a command line, where quotes are a nuisance
  std::string text;            // scalars: as written, without quotes
  int64_t integer = 0;         // kInteger
  bool boolean = false;        // kBoolean
  std::vector<Node> items;     // kList
  std::vector<Field> fields;   // kMap, in the order of the text, names unique

  const Node* find(std::string_view name) const;
  Node* find(std::string_view name);
};

struct Field {
  std::string name;
  int line = 0;
  Node value;
};

// Exactly one document; duplicate keys, unknown tags and non-text bytes are errors that name the
// line.
Result<Node> parse_yaml(std::string_view text);
Result<Node> parse_json(std::string_view text);

// What a plain (unquoted) YAML scalar means.
Node resolve_plain_scalar(std::string text);

nlohmann::json to_json(const Node& node);

// "a list", "the string \"abc\"", "the number 1.5": what was found, for messages.
std::string describe(const Node& node);

}  // namespace ballast::api
