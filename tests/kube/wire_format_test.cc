// Protobuf as an API server writes it becomes the JSON that it would have written; whatever else
// comes is refused.
#include "operator/kube/wire_format.h"

#include <gmock/gmock.h>

#include "operator/kube/answers.h"

namespace ballast::kube {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

std::string varint(uint64_t value) {
  std::string out;
  for (; value >= 0x80; value >>= 7) out.push_back(static_cast<char>(value | 0x80));
  out.push_back(static_cast<char>(value));
  return out;
}
std::string number(uint32_t field, uint64_t value) { return varint(field << 3) + varint(value); }
std::string bytes(uint32_t field, const std::string& value) {
  return varint(field << 3 | 2) + varint(value.size()) + value;
}
std::string at(uint32_t field, uint64_t seconds) { return bytes(field, number(1, seconds)); }
std::string entry(uint32_t field, const std::string& key, const std::string& value) {
  return bytes(field, bytes(1, key) + bytes(2, value));
}

std::string envelope(const std::string& kind, const std::string& object) {
  return std::string("k8s\0", 4) + bytes(1, bytes(1, "v1") + bytes(2, kind)) + bytes(2, object) +
         bytes(3, "") + bytes(4, "");
}

// With what nobody asked for between what is read, of every type on the wire.
std::string pod_bytes() {
  const std::string metadata =
      bytes(1, "a-ps-0") + bytes(2, "") + bytes(3, "n") + bytes(4, "") + bytes(5, "u") +
      bytes(6, "17") + number(7, 3) + at(8, 1'769'860'800) + number(10, 0) +
      entry(11, "ballast.dev/job", "a") + entry(11, "other", "x") + bytes(12, "") +
      bytes(13, bytes(1, "TrainingJob") + bytes(3, "a") + bytes(4, "owner") + number(6, 1)) +
      bytes(17, "managed");
  const std::string condition = bytes(1, "PodScheduled") + bytes(2, "False") + at(4, 5) +
                                bytes(5, "Unschedulable") + bytes(6, "no node");
  const std::string ended = number(1, 0) + number(2, 0) + bytes(3, "Completed") + bytes(4, "") +
                            bytes(5, "") + at(6, 1'769'860'860);
  const std::string container =
      bytes(1, "main") + bytes(2, bytes(3, ended)) + bytes(3, "") + number(4, 1);
  const std::string status =
      bytes(1, "Running") + bytes(2, condition) + bytes(2, bytes(1, "Ready")) + bytes(3, "") +
      bytes(4, "") + bytes(6, "10.0.0.1") + bytes(8, container) + bytes(10, bytes(1, "first"));
  const std::string spec = bytes(2, "container") + bytes(10, "node-1") + varint(50 << 3 | 1) +
                           "12345678" + varint(51 << 3 | 5) + "1234";
  return bytes(1, metadata) + bytes(2, spec) + bytes(3, status);
}

json pod_json() {
  return json::parse(R"({
    "metadata": {"name": "a-ps-0", "namespace": "n", "uid": "u", "resourceVersion": "17",
      "creationTimestamp": "2026-01-31T12:00:00Z", "deletionGracePeriodSeconds": 0,
      "labels": {"ballast.dev/job": "a", "other": "x"}, "annotations": {"": ""},
      "ownerReferences": [{"kind": "TrainingJob", "name": "a", "uid": "owner"}]},
    "spec": {"nodeName": "node-1"},
    "status": {"phase": "Running", "podIP": "10.0.0.1",
      "conditions": [
        {"type": "PodScheduled", "status": "False", "reason": "Unschedulable",
         "message": "no node"},
        {"type": "Ready"}],
      "containerStatuses": [{"name": "main", "state": {"terminated":
        {"exitCode": 0, "reason": "Completed", "finishedAt": "2026-01-31T12:01:00Z"}}}],
      "initContainerStatuses": [{"name": "first"}]}})");
}

const WireShape& pod_shape() { return *shape_of(kPods); }

TEST(WireFormat, APodIsTheJsonThatItWouldHaveBeen) {
  const std::string body = envelope("Pod", pod_bytes());
  ASSERT_TRUE(is_wire(body));
  const auto whole = parse_wire(body, pod_shape(), {});
  ASSERT_TRUE(whole) << whole.error().message;
  EXPECT_EQ(*whole, pod_json()) << whole->dump(1);
}

TEST(WireFormat, OnlyWhatIsWantedIsBuilt) {
  const FieldMask mask(std::string_view(
      "metadata(name,labels(other)),status(phase,conditions(type),containerStatuses(state))"));
  const auto some = parse_wire(envelope("Pod", pod_bytes()), pod_shape(), mask);
  ASSERT_TRUE(some) << some.error().message;
  EXPECT_EQ(*some, json::parse(R"({
    "metadata": {"name": "a-ps-0", "labels": {"other": "x"}},
    "status": {"phase": "Running", "conditions": [{"type": "PodScheduled"}, {"type": "Ready"}],
      "containerStatuses": [{"state": {"terminated":
        {"exitCode": 0, "reason": "Completed", "finishedAt": "2026-01-31T12:01:00Z"}}}]}})"));
}

TEST(WireFormat, AListHasItsVersionAndAPlaceToGoOn) {
  const std::string of = bytes(1, bytes(1, "") + bytes(2, "99") + bytes(3, "further"));
  const auto list =
      parse_list(envelope("PodList", of + bytes(2, pod_bytes())), {}, shape_of(kPods));
  ASSERT_TRUE(list) << list.error().message;
  EXPECT_EQ(list->version, "99");
  EXPECT_EQ(list->next, "further");
  ASSERT_EQ(list->objects.size(), 1U);
  EXPECT_EQ(list->objects[0].key(), "n/a-ps-0");
  EXPECT_EQ(list->objects[0].resource_version, "17");
  EXPECT_EQ(*list->objects[0].body, pod_json());
  const auto none = parse_list(envelope("PodList", of), {}, shape_of(kPods));
  ASSERT_TRUE(none) << none.error().message;
  EXPECT_TRUE(none->objects.empty());
}

std::string frame(const std::string& type, const std::string& object) {
  return bytes(1, type) + bytes(2, bytes(1, object));
}

TEST(WireFormat, FramesOfAllKinds) {
  const auto added = parse_frame(frame("ADDED", envelope("Pod", pod_bytes())), {}, shape_of(kPods));
  ASSERT_TRUE(added) << added.error().message;
  EXPECT_EQ(added->kind, FrameKind::kAdded);
  EXPECT_EQ(added->object.uid, "u");
  const auto bookmark =
      parse_frame(frame("BOOKMARK", envelope("Pod", bytes(1, bytes(1, "") + bytes(6, "40")))), {},
                  shape_of(kPods));
  ASSERT_TRUE(bookmark) << bookmark.error().message;
  EXPECT_EQ(bookmark->kind, FrameKind::kBookmark);
  EXPECT_EQ(bookmark->object.resource_version, "40");
  const std::string gone = bytes(2, "Failure") + bytes(3, "too old") + number(6, 410);
  const auto error =
      parse_frame(frame("ERROR", envelope("Status", gone)), FieldMask("metadata"), shape_of(kPods));
  ASSERT_TRUE(error) << error.error().message;
  EXPECT_EQ(error->code, 410);
  EXPECT_EQ(error->text, "too old");
  // Of a server, or something in between, that writes no protobuf.
  const auto plain =
      parse_frame(R"({"type":"DELETED","object":{"metadata":{"name":"a","resourceVersion":"5"}}})",
                  {}, shape_of(kPods));
  ASSERT_TRUE(plain) << plain.error().message;
  EXPECT_EQ(plain->kind, FrameKind::kDeleted);
}

TEST(WireFormat, AnErrorSaysWhatTheServerSays) {
  const std::string status = bytes(2, "Failure") + bytes(3, "pods \"a\" already exists") +
                             bytes(4, "AlreadyExists") + bytes(5, bytes(1, "a") + number(5, 3)) +
                             number(6, 409);
  const ApiError error = error_of({409, envelope("Status", status), {}});
  EXPECT_EQ(error.error.code, ErrorCode::kAlreadyExists);
  EXPECT_THAT(error.error.message, HasSubstr("pods \"a\" already exists"));
  EXPECT_EQ(error.retry_after_ms, 3'000);
  EXPECT_THAT(error_of({500, std::string("k8s\0\xff\xff", 6), {}}).error.message,
              HasSubstr("no reason was given"));
}

TEST(WireFormat, WhatIsCutIsRefused) {
  const std::string body = envelope("Pod", pod_bytes());
  // The envelope's last fields are empty texts of two bytes each.
  for (size_t size = 0; size < body.size() - 4; ++size) {
    const auto cut = parse_object(body.substr(0, size), {}, shape_of(kPods));
    ASSERT_FALSE(cut) << size;
    EXPECT_EQ(cut.error().code, ErrorCode::kCorrupt);
  }
  const std::string event = frame("ADDED", body);
  for (size_t size = 0; size < event.size(); ++size)
    EXPECT_FALSE(parse_frame(event.substr(0, size), {}, shape_of(kPods))) << size;
}

TEST(WireFormat, WhatIsOfAnotherFormIsRefused) {
  const std::string named = bytes(1, bytes(1, "a") + bytes(6, "1"));
  const std::vector<std::string> objects = {
      number(1, 7),                                            // a number for a message
      bytes(1, number(1, 7)),                                  // and for a text
      bytes(1, bytes(10, "7")),                                // a text for a number
      named + bytes(3, bytes(2, bytes(1, "x") + "\xff")),      // no field
      bytes(1, bytes(8, bytes(1, "7"))),                       // no time
      bytes(1, bytes(11, number(1, 1))),                       // no entry of a map
      named + std::string("\x03", 1) + "a",                    // a group: long out of use
      named + std::string("\0", 1),                            // a field of number 0
      bytes(1, varint(10 << 3 | 5) + "1234"),                  // another type of number
      named + varint(2 << 3 | 2) + varint(uint64_t{1} << 31),  // longer than anything
      bytes(1, varint(1 << 3 | 2) + varint((uint64_t{1} << 32) + 1) + "a" + bytes(6, "1"))};
  for (const std::string& object : objects) {
    const auto read = parse_object(envelope("Pod", object), {}, shape_of(kPods));
    ASSERT_FALSE(read) << json(object).dump(-1, ' ', true, json::error_handler_t::replace);
    EXPECT_EQ(read.error().code, ErrorCode::kCorrupt);
  }
  const auto read =
      parse_object(envelope("Pod", named + bytes(3, bytes(8, bytes(2, bytes(3, bytes(1, "x")))))),
                   {}, shape_of(kPods));
  ASSERT_FALSE(read);
  EXPECT_THAT(read.error().message,
              HasSubstr("status.containerStatuses.state.terminated.exitCode"));
}

// `kubectl delete --grace-period=9999999999` makes a time of the year 1759 of it.
TEST(WireFormat, ATimeOfNoCalendarIsATimeAllTheSame) {
  const std::string metadata = bytes(1, "a") + bytes(6, "1") + bytes(8, "");
  for (const int64_t seconds : {int64_t{-6'650'000'000}, int64_t{1} << 62}) {
    const auto read =
        parse_wire(envelope("Pod", bytes(1, metadata + at(9, static_cast<uint64_t>(seconds)))),
                   pod_shape(), {});
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_EQ(read->at("metadata").at("deletionTimestamp"), "");
    EXPECT_FALSE(read->at("metadata").contains("creationTimestamp"));
  }
}

TEST(WireFormat, ATextThatIsNoUtf8IsMadeOne) {
  const std::string metadata =
      bytes(1, bytes(1, "a") + bytes(3, "gr\xc3\xbc\xc3\x9f") + bytes(6, "1")) +
      bytes(3, bytes(3, "stopped: \xff"));
  const auto read = parse_wire(envelope("Pod", metadata), pod_shape(), {});
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->at("metadata").at("namespace"), "gr\u00fc\u00df");
  EXPECT_EQ(read->at("status").at("message"), "stopped: \ufffd");
  EXPECT_NO_THROW(static_cast<void>(read->dump()));
}

TEST(WireFormat, WhatIsWantedByNameHasToHaveAPlace) {
  for (const char* mask : {"metadata(name,labels(any,thing))", "*", "status(*,!phase)",
                           "status(containerStatuses(state(running)))"})
    EXPECT_TRUE(covers(pod_shape(), FieldMask(std::string_view(mask)))) << mask;
  for (const char* mask : {"metadata(generation)", "status(containerStatuses(lastState))", "other"})
    EXPECT_FALSE(covers(pod_shape(), FieldMask(std::string_view(mask)))) << mask;
}

TEST(WireFormat, OnlyKindsWithATableAreAskedForSo) {
  EXPECT_NE(shape_of(kPods), nullptr);
  EXPECT_NE(shape_of(kNodes), nullptr);
  EXPECT_EQ(shape_of(kTrainingJobs), nullptr);  // custom resources are JSON alone
  EXPECT_EQ(shape_of(kLeases), nullptr);
  EXPECT_FALSE(is_wire("{}"));
  EXPECT_FALSE(is_wire(""));
}

}  // namespace
}  // namespace ballast::kube
