// JSON from outside: what is refused, and that the message says where.
#include "services/checkpoint/strict_json.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace ballast {
namespace {

TEST(StrictJson, Table) {
  struct Row {
    std::string text;
    std::string error;  // empty: it parses
  };
  for (const Row& row : std::vector<Row>{
           {R"({"a": [1, {"b": 2}], "c": {"a": 3}})", ""},
           {R"([{"a": 1}, {"a": 2}])", ""},
           {R"({"a": 1, "b": 2, "a": 3})", "\"a\" is there twice"},
           {R"({"o": {"x": 1, "x": 1}})", "\"x\" is there twice"},
           {"[[[1]]]", ""},
           {"[[[[1]]]]", "nested deeper than 3 levels"},
           {R"({"a": {"b": {"c": {}}}})", "nested deeper than 3 levels"},
           {"", "no JSON at byte 1"},
           {"{\"a\": }", "no JSON at byte 7"},
           {"{} {}", "no JSON at byte 4"},
           {"{\"a\": 1", "no JSON at byte 8"},
           {"\"\xff\"", "no JSON at byte 2"},
           {std::string(100000, '['), "nested deeper than 3 levels"},
       }) {
    const auto parsed = parse_strict_json(row.text, 3);
    EXPECT_EQ(parsed ? "" : parsed.error().message, row.error) << row.text.substr(0, 50);
  }
  EXPECT_FALSE(parse_strict_json("{\"a\": 1e999}", 3));
}

}  // namespace
}  // namespace ballast
