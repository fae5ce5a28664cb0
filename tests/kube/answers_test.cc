// What answers mean: one row for each status, and each way in which an answer can be damaged.
#include "operator/kube/answers.h"

#include <gmock/gmock.h>

namespace ballast::kube {
namespace {

using ::testing::HasSubstr;

TEST(Answers, EachStatusHasACode) {
  const std::vector<std::pair<int, ErrorCode>> table = {
      {400, ErrorCode::kInvalid},     {401, ErrorCode::kDenied},
      {403, ErrorCode::kDenied},      {404, ErrorCode::kNotFound},
      {408, ErrorCode::kTimeout},     {409, ErrorCode::kConflict},
      {410, ErrorCode::kGone},        {422, ErrorCode::kInvalid},
      {429, ErrorCode::kUnavailable}, {500, ErrorCode::kUnavailable},
      {503, ErrorCode::kUnavailable}, {504, ErrorCode::kTimeout},
      {301, ErrorCode::kInternal}};
  for (const auto& [status, code] : table) {
    const ApiError error = error_of({status, "", {}});
    EXPECT_EQ(error.error.code, code) << status;
    EXPECT_EQ(error.status, status);
  }
}

TEST(Answers, AnErrorSaysWhatTheServerSays) {
  const ApiError error = error_of(
      {409,
       R"({"kind":"Status","message":"pods \"a\" already exists","reason":"AlreadyExists"})",
       {}});
  EXPECT_EQ(error.error.code, ErrorCode::kAlreadyExists);
  EXPECT_THAT(error.error.message, HasSubstr("pods \"a\" already exists"));
  EXPECT_THAT(error_of({502, "<html>", {}}).error.message, HasSubstr("<html>"));
}

TEST(Answers, TheWaitIsThatOfTheHeaderOrOfTheStatus) {
  const std::string body = R"({"kind":"Status","details":{"retryAfterSeconds":3}})";
  EXPECT_EQ(error_of({429, body, {}}).retry_after_ms, 3000);
  EXPECT_EQ(error_of({429, body, 1000}).retry_after_ms, 1000);
  EXPECT_EQ(error_of({429, "", {}}).retry_after_ms, std::nullopt);
  EXPECT_EQ(
      error_of({429, R"({"kind":"Status","details":{"retryAfterSeconds":-1}})", {}}).retry_after_ms,
      std::nullopt);
}

TEST(Answers, AListHasObjectsAndAPlaceToGoOn) {
  const auto list = parse_list(R"({"metadata":{"resourceVersion":"7","continue":"c"},"items":[
      {"metadata":{"name":"a","namespace":"n","uid":"u","resourceVersion":"5"},"spec":{"x":1}}]})");
  ASSERT_TRUE(list) << list.error().message;
  EXPECT_EQ(list->version, "7");
  EXPECT_EQ(list->next, "c");
  ASSERT_EQ(list->objects.size(), 1U);
  EXPECT_EQ(list->objects[0].key(), "n/a");
  EXPECT_EQ(list->objects[0].uid, "u");
  EXPECT_EQ(list->objects[0].body->at("spec").at("x"), 1);
  EXPECT_TRUE(parse_list(R"({"metadata":{"resourceVersion":"7"},"items":null})"));
}

TEST(Answers, FramesOfAllKinds) {
  const std::string object = R"({"metadata":{"name":"a","resourceVersion":"5"}})";
  const std::vector<std::pair<std::string, FrameKind>> kinds = {{"ADDED", FrameKind::kAdded},
                                                                {"MODIFIED", FrameKind::kModified},
                                                                {"DELETED", FrameKind::kDeleted}};
  for (const auto& [name, kind] : kinds) {
    const auto frame = parse_frame(R"({"type":")" + name + R"(","object":)" + object + "}");
    ASSERT_TRUE(frame) << name;
    EXPECT_EQ(frame->kind, kind);
    EXPECT_EQ(frame->object.resource_version, "5");
  }
  const auto bookmark =
      parse_frame(R"({"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"9"}}})");
  ASSERT_TRUE(bookmark);
  EXPECT_EQ(bookmark->object.resource_version, "9");
  const auto error =
      parse_frame(R"({"type":"ERROR","object":{"kind":"Status","code":410,"message":"too old"}})");
  ASSERT_TRUE(error);
  EXPECT_EQ(error->kind, FrameKind::kError);
  EXPECT_EQ(error->code, 410);
  EXPECT_EQ(error->text, "too old");
}

TEST(Answers, WhatIsNotWantedOfAnObjectIsNotThereAndWhatAnErrorSaysIs) {
  const FieldMask wanted("metadata(name,resourceVersion),spec(x)");
  const std::string object =
      R"({"metadata":{"name":"a","resourceVersion":"5","labels":{}},"spec":{"x":1,"y":2},)"
      R"("status":3})";
  const auto expected =
      nlohmann::json::parse(R"({"metadata":{"name":"a","resourceVersion":"5"},"spec":{"x":1}})");
  const auto one = parse_object(object, wanted);
  ASSERT_TRUE(one);
  EXPECT_EQ(*one->body, expected);
  const auto list = parse_list(
      R"({"kind":"L","metadata":{"resourceVersion":"7"},"items":[)" + object + "]}", wanted);
  ASSERT_TRUE(list);
  EXPECT_EQ(*list->objects.at(0).body, expected);
  const auto frame = parse_frame(R"({"type":"ADDED","object":)" + object + "}", wanted);
  ASSERT_TRUE(frame);
  EXPECT_EQ(*frame->object.body, expected);
  const auto error = parse_frame(
      R"({"type":"ERROR","object":{"kind":"Status","code":410,"message":"too old"}})", wanted);
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code, 410);
  EXPECT_EQ(error->text, "too old");
}

TEST(Answers, DamagedOnesAreErrorsAndNeverObjects) {
  const std::string deep = std::string(100'000, '[');
  for (const std::string& text :
       {std::string(), std::string("{"), std::string("null"), std::string("[]"), std::string("7"),
        std::string("{}"), std::string(R"({"type":7,"object":{}})"),
        std::string(R"({"type":"ADDED"})"), std::string(R"({"type":"ADDED","object":[]})"),
        std::string(R"({"type":"ADDED","object":{"metadata":{"name":"a"}}})"),
        std::string(R"({"type":"ADDED","object":{"metadata":{"resourceVersion":"1"}}})"),
        std::string(
            R"({"type":"DANCED","object":{"metadata":{"name":"a","resourceVersion":"1"}}})"),
        std::string(R"({"type":"BOOKMARK","object":{}})"),
        std::string(R"({"metadata":{"resourceVersion":"1"},"items":[7]})"),
        std::string(R"({"metadata":{"resourceVersion":"1"},"items":{}})"),
        std::string(R"({"metadata":[],"items":[]})"), std::string("{\"metadata\":\xff}"), deep}) {
    EXPECT_FALSE(parse_frame(text)) << text.substr(0, 80);
    EXPECT_FALSE(parse_list(text)) << text.substr(0, 80);
    EXPECT_FALSE(parse_object(text)) << text.substr(0, 80);
  }
}

TEST(Answers, AnErrorFrameWithoutACodeIsOneAllTheSame) {
  for (const char* code : {"\"410\"", "99", "1e30", "-1", "[]"}) {
    const auto frame =
        parse_frame(std::string(R"({"type":"ERROR","object":{"code":)") + code + "}}");
    ASSERT_TRUE(frame) << code;
    EXPECT_EQ(frame->code, 0) << code;
  }
}

}  // namespace
}  // namespace ballast::kube
