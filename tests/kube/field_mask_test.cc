// What is wanted of JSON is built as if all of it had been, and nothing else is.
#include "operator/kube/field_mask.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace ballast::kube {
namespace {

using nlohmann::json;

json read(const std::string& text, const std::string& mask) {
  auto value = parse_masked(text, FieldMask(std::string_view(mask)));
  return value ? *value : json("refused: " + value.error().message);
}

TEST(FieldMask, KeepsWhatItNamesAndLooksThroughLists) {
  const std::string text =
      R"({"a":1,"b":{"c":[1,{"d":2,"x":[{"y":[]}]}],"e":"s"},"f":[],"g":null})";
  EXPECT_EQ(read(text, "a"), json::parse(R"({"a":1})"));
  EXPECT_EQ(read(text, "b(c(d)),f"), json::parse(R"({"b":{"c":[1,{"d":2}]},"f":[]})"));
  EXPECT_EQ(read(text, "b(e),g,h"), json::parse(R"({"b":{"e":"s"},"g":null})"));
  EXPECT_EQ(read(text, "h"), json::object());
}

TEST(FieldMask, KeepsAllButWhatItExcepts) {
  const std::string text = R"({"m":{"a":1,"skip":{"deep":[1,2,{"a":3}]},"n":{"x":1,"y":2}},"s":2})";
  EXPECT_EQ(read(text, "m(*,!skip,n(*,!x))"), json::parse(R"({"m":{"a":1,"n":{"y":2}}})"));
  EXPECT_EQ(read(text, "*,!m"), json::parse(R"({"s":2})"));
}

TEST(FieldMask, AValueThatHasNoFieldsIsKeptAsItIs) {
  EXPECT_EQ(read(R"({"a":"text"})", "a(b)"), json::parse(R"({"a":"text"})"));
  EXPECT_EQ(read("7", "a"), json(7));
  EXPECT_EQ(read(R"([{"a":1,"b":2}])", "a"), json::parse(R"([{"a":1}])"));
}

TEST(FieldMask, OfFieldsIsAnObjectWithThem) {
  const FieldMask mask = FieldMask::of({{"items", FieldMask("a")}, {"n", {}}});
  const auto value = parse_masked(R"({"items":[{"a":1,"b":2}],"n":{"x":[1]},"z":0})", mask);
  ASSERT_TRUE(value);
  EXPECT_EQ(*value, json::parse(R"({"items":[{"a":1}],"n":{"x":[1]}})"));
}

TEST(FieldMask, WhatIsNotWantedHasToBeJsonAndNotTooDeep) {
  for (const char* text :
       {"", "{", R"({"x":})", R"({"x":[1,})", R"({"a":1} 2)", R"({"x":"\ud800"})"})
    EXPECT_EQ(read(text, "a"), json("refused: an answer that is no JSON")) << text;
  const auto nested = [](size_t depth) {
    return R"({"x":)" + std::string(depth - 1, '[') + std::string(depth - 1, ']') + "}";
  };
  for (const char* mask : {"a", "x", "*"}) {
    EXPECT_TRUE(read(nested(64), mask).is_object()) << mask;
    EXPECT_EQ(read(nested(65), mask), json("refused: an answer that is nested too deep")) << mask;
  }
}

TEST(FieldMaskDeathTest, AMaskThatIsNoneIsAnError) {
  for (const char* mask : {"", "a,", "a(", "a(b", "a)b", "(a)"}) {
    EXPECT_DEATH(FieldMask{std::string_view(mask)}, "") << mask;
  }
}

json any_json(int depth) {
  const int kind = *rc::gen::inRange(0, depth == 0 ? 4 : 6);
  if (kind == 0) return nullptr;
  if (kind == 1) return *rc::gen::arbitrary<int64_t>();
  if (kind == 2) return *rc::gen::element<std::string>("", "text", "\"\\\n");
  if (kind == 3) return *rc::gen::arbitrary<bool>();
  json out = kind == 4 ? json::array() : json::object();
  const int size = *rc::gen::inRange(0, 4);
  for (int i = 0; i < size; ++i) {
    if (kind == 4) {
      out.push_back(any_json(depth - 1));
    } else {
      out[*rc::gen::element<std::string>("a", "b", "c")] = any_json(depth - 1);
    }
  }
  return out;
}

// The same by taking away from what was built whole.
json without(json value, const std::string& dropped) {
  if (value.is_object()) value.erase(dropped);
  if (value.is_structured()) {
    for (json& inner : value) inner = without(inner, dropped);
  }
  return value;
}

std::string all_but_b(int depth) {
  if (depth == 0) return "*,!b";
  const std::string inner = all_but_b(depth - 1);
  return "*,!b,a(" + inner + "),c(" + inner + ")";
}

RC_GTEST_PROP(FieldMask, BuildsWhatIsLeftWhenTheRestIsTakenAway, ()) {
  const json value = any_json(4);
  const auto whole = parse_masked(value.dump(), {});
  RC_ASSERT(whole && *whole == value);
  const auto masked = parse_masked(value.dump(), FieldMask(std::string_view(all_but_b(4))));
  RC_ASSERT(masked.has_value());
  RC_ASSERT(*masked == without(value, "b"));
}

}  // namespace
}  // namespace ballast::kube
