// Documents: what a text means, and that hostile texts are refused with a line, never a crash.
#include "operator/api/document.h"

#include <gmock/gmock.h>

namespace ballast::api {
namespace {

using ::testing::HasSubstr;

std::string error_of(std::string_view text) {
  const auto parsed = parse_yaml(text);
  return parsed ? "accepted" : parsed.error().message;
}

TEST(Document, ResolvesPlainScalarsAsKubectlDoes) {
  const struct {
    const char* text;
    NodeKind kind;
    int64_t integer;
  } rows[] = {
      {"12", NodeKind::kInteger, 12},
      {"-7", NodeKind::kInteger, -7},
      {"0644", NodeKind::kInteger, 420},
      {"0o17", NodeKind::kInteger, 15},
      {"0x1F", NodeKind::kInteger, 31},
      {"9223372036854775807", NodeKind::kInteger, INT64_MAX},
      {"-9223372036854775808", NodeKind::kInteger, INT64_MIN},
      {"9223372036854775808", NodeKind::kDecimal, 0},
      {"1e-3", NodeKind::kDecimal, 0},
      {".5", NodeKind::kDecimal, 0},
      {".nan", NodeKind::kDecimal, 0},
      {"--5", NodeKind::kString, 0},
      {"-", NodeKind::kString, 0},
      {"1.2.3", NodeKind::kString, 0},
      {"true", NodeKind::kBoolean, 0},
      {"off", NodeKind::kBoolean, 0},
      {"~", NodeKind::kNull, 0},
      {"word", NodeKind::kString, 0},
  };
  for (const auto& row : rows) {
    const Node node = resolve_plain_scalar(row.text);
    EXPECT_EQ(node.kind, row.kind) << row.text;
    EXPECT_EQ(node.integer, row.integer) << row.text;
  }
}

TEST(Document, KeepsLinesAndQuotes) {
  const auto node = parse_yaml("a: 1\nb:\n  - \"2\"\n  - {c: yes}\n");
  ASSERT_TRUE(node) << node.error().message;
  EXPECT_EQ(node->find("a")->line, 1);
  const Node& list = *node->find("b");
  ASSERT_EQ(list.items.size(), 2U);
  EXPECT_EQ(list.items[0].kind, NodeKind::kString);
  EXPECT_EQ(list.items[0].line, 3);
  EXPECT_TRUE(list.items[1].find("c")->boolean);
}

TEST(Document, ExpandsAliases) {
  const auto node = parse_yaml("a: &x {n: 1}\nb: *x\n");
  ASSERT_TRUE(node) << node.error().message;
  EXPECT_EQ(node->find("b")->find("n")->integer, 1);
}

TEST(Document, RefusesWithTheLine) {
  EXPECT_THAT(error_of("a: 1\na: 2\n"), HasSubstr("line 2: the key \"a\" appears twice"));
  EXPECT_THAT(error_of("a: 1\n---\nb: 2\n"), HasSubstr("line 3: a second document"));
  EXPECT_THAT(error_of(""), HasSubstr("empty"));
  EXPECT_THAT(error_of("a: [1, 2\nb: 3\n"), HasSubstr("not YAML"));
  EXPECT_THAT(error_of("a: 1\nb: !!binary aGk=\n"), HasSubstr("line 2: the tag"));
  EXPECT_THAT(error_of("a: &x [*x]\n"), HasSubstr("line 1: "));
  EXPECT_THAT(error_of("b: *nothing\n"), HasSubstr("not YAML"));
  EXPECT_THAT(error_of("a: 1\nb: \xff\n"), HasSubstr("line 2: byte 8 is 0xff"));
  EXPECT_THAT(error_of(std::string_view("a: \0b", 5)), HasSubstr("byte 3 is 0x00"));
  EXPECT_THAT(error_of("a: \xe2\x82"), HasSubstr("byte 3"));
  EXPECT_THAT(error_of("a:\n  <<: {b: 1}\n"), HasSubstr("line 2: merge keys"));
  EXPECT_THAT(error_of("? [a]\n: 1\n"), HasSubstr("a key must be a word"));
}

TEST(Document, IsBounded) {
  EXPECT_THAT(error_of(std::string(kMaxDocumentBytes + 1, '#')), HasSubstr("at most"));
  EXPECT_THAT(error_of(std::string(100, '[')), HasSubstr("levels deep"));
  EXPECT_THAT(error_of(std::string(100'000, '{')), HasSubstr("levels deep"));
  std::string bomb = "a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n";
  for (int i = 1; i < 10; ++i) {
    const std::string below = "*a" + std::to_string(i - 1) + ", ";
    bomb += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [";
    for (int k = 0; k < 9; ++k) bomb += below;
    bomb += "*a" + std::to_string(i - 1) + "]\n";
  }
  EXPECT_THAT(error_of(bomb), HasSubstr("aliases expanded"));
}

TEST(Document, ReadsJsonWithTheSameBounds) {
  const auto node = parse_json(R"({"a": 1, "b": ["2", 1.5, null, true]})");
  ASSERT_TRUE(node) << node.error().message;
  EXPECT_EQ(node->find("a")->integer, 1);
  EXPECT_EQ(node->find("b")->items[1].kind, NodeKind::kDecimal);
  EXPECT_FALSE(parse_json(R"({"a": 1, "a": 2})"));
  EXPECT_FALSE(parse_json("{\"a\": "));
  EXPECT_FALSE(parse_json(std::string(100'000, '[')));
  EXPECT_FALSE(parse_json("\xff"));
}

}  // namespace
}  // namespace ballast::api
