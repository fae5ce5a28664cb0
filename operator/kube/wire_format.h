// Objects as API servers write them in protobuf, which costs them a fraction of what JSON does (and
// nothing at all where another watch has asked for the same event so). Built is the JSON that the
// same object would have been, as far as a mask wants it and a table here names it.
// Source: kubernetes.io/docs/reference/using-api/api-concepts, "Kubernetes Protobuf encoding", and
// generated.proto of k8s.io/api/core/v1 and k8s.io/apimachinery, whose numbers are part of the API.
// Pure functions; any thread.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include <nlohmann/json.hpp>

#include "common/error.h"
#include "operator/kube/field_mask.h"
#include "operator/kube/resource.h"

namespace ballast::kube {

// What to ask for, where JSON will do as well.
inline constexpr const char* kAcceptProtobuf =
    "application/vnd.kubernetes.protobuf,application/json";
// What a watch is told as then; its frames come with their length in front (4 bytes, big-endian).
inline constexpr std::string_view kProtobufStream = "application/vnd.kubernetes.protobuf";

enum class WireKind {
  kText,
  kNumber,
  // JSON: "2026-01-31T12:00:00Z". Go's zero time, an empty message, is left out; one before 1970 or
  // after 9999, which overflowing periods of grace make, is an empty text.
  kTime,
  kTexts,    // a map of texts
  kMessage,  // an object
  kMessages  // a list of them
};

struct WireField;
using WireShape = std::span<const WireField>;  // of a message: the fields that are known of it

struct WireField {
  uint32_t number = 0;
  std::string_view name;  // in JSON
  WireKind kind = WireKind::kText;
  const WireShape* inner = nullptr;  // of kMessage and kMessages
};

// Null: objects of that kind are asked for as JSON.
const WireShape* shape_of(const Resource& kind);
const WireShape& shape_of_status();
// Whether there is a place in the table for all that a mask wants by name: what there is none for
// would never be seen, though JSON has it.
bool covers(const WireShape& shape, const FieldMask& mask);

// Whether a body is protobuf; else it is JSON, or nothing that anybody could read.
bool is_wire(std::string_view body);
// An object. kCorrupt: cut, no protobuf, or a wanted field of another form than its number says.
// Empty texts are left out, as in JSON; what is no UTF-8 in a text is replaced.
Result<nlohmann::json> parse_wire(std::string_view body, const WireShape& shape,
                                  const FieldMask& mask);
// {"metadata":...,"items":[...]}; the mask and the shape are an item's.
Result<nlohmann::json> parse_wire_list(std::string_view body, const WireShape& shape,
                                       const FieldMask& mask);
// One frame of a watch: {"type":...,"object":{...}}; of an error all that it says.
Result<nlohmann::json> parse_wire_frame(std::string_view frame, const WireShape& shape,
                                        const FieldMask& mask);

}  // namespace ballast::kube
