#include "operator/kube/answers.h"

#include <utility>

#include <nlohmann/json.hpp>

namespace ballast::kube {
namespace {

using nlohmann::json;

std::string text_at(const json& map, const char* key) {
  if (!map.is_object()) return "";
  const auto found = map.find(key);
  return found != map.end() && found->is_string() ? found->get<std::string>() : "";
}

Result<Object> object_of(json value) {
  if (!value.is_object() || !value.contains("metadata") || !value["metadata"].is_object()) {
    return fail(ErrorCode::kCorrupt, "an object without metadata");
  }
  const json& metadata = value["metadata"];
  Object object{text_at(metadata, "namespace"), text_at(metadata, "name"), text_at(metadata, "uid"),
                text_at(metadata, "resourceVersion"), nullptr};
  if (object.name.empty() || object.resource_version.empty()) {
    return fail(ErrorCode::kCorrupt, "an object without a name or resourceVersion");
  }
  object.body = std::make_shared<const json>(std::move(value));
  return object;
}

// {"type":...,"object":...}
Result<json> frame_of(std::string_view text, const FieldMask& wanted, const WireShape* shape) {
  // A frame of protobuf begins with the tag of its first field, and never so.
  if (shape != nullptr && !text.starts_with('{')) return parse_wire_frame(text, *shape, wanted);
  auto value = parse_masked(text, FieldMask::of({{"type", {}}, {"object", wanted}}));
  // What an error says of itself is no field of an object.
  if (value && text_at(*value, "type") == "ERROR") return parse_masked(text, {});
  return value;
}

int code_of(const json& status) {
  const auto found = status.find("code");
  if (found == status.end() || !found->is_number_integer()) return 0;
  const auto code = found->get<int64_t>();
  return code >= 100 && code <= 599 ? static_cast<int>(code) : 0;
}

ErrorCode code_of(int status, const std::string& reason) {
  switch (status) {
    case 400:
    case 405:
    case 406:
    case 413:
    case 415:
    case 422:
      return ErrorCode::kInvalid;
    case 401:
    case 403:
      return ErrorCode::kDenied;
    case 404:
      return ErrorCode::kNotFound;
    case 409:
      return reason == "AlreadyExists" ? ErrorCode::kAlreadyExists : ErrorCode::kConflict;
    case 410:
      return ErrorCode::kGone;
    case 408:
    case 504:
      return ErrorCode::kTimeout;
    case 429:
    case 500:
    case 502:
    case 503:
      return ErrorCode::kUnavailable;
    default:
      return ErrorCode::kInternal;
  }
}

}  // namespace

ApiError error_of(const HttpAnswer& answer) {
  ApiError out{answer.status, {}, answer.retry_after_ms};
  const bool wire = is_wire(answer.body);
  const auto body =
      wire ? parse_wire(answer.body, shape_of_status(), {}) : parse_masked(answer.body, {});
  const bool told = body && (wire || text_at(*body, "kind") == "Status");
  std::string text = told ? text_at(*body, "message") : wire ? "" : answer.body.substr(0, 200);
  if (text.empty()) text = "no reason was given";
  out.error = {code_of(answer.status, told ? text_at(*body, "reason") : ""),
               "HTTP " + std::to_string(answer.status) + ": " + text};
  if (told && !out.retry_after_ms && body->contains("details") && (*body)["details"].is_object()) {
    const json& details = (*body)["details"];
    const auto seconds = details.find("retryAfterSeconds");
    if (seconds != details.end() && seconds->is_number_integer()) {
      const auto value = seconds->get<int64_t>();
      if (value > 0 && value < 3600) out.retry_after_ms = value * 1000;
    }
  }
  return out;
}

Result<Object> parse_object(std::string_view text, const FieldMask& wanted,
                            const WireShape* shape) {
  auto value = shape != nullptr && is_wire(text) ? parse_wire(text, *shape, wanted)
                                                 : parse_masked(text, wanted);
  if (!value) return tl::unexpected(value.error());
  return object_of(std::move(*value));
}

Result<ListAnswer> parse_list(std::string_view text, const FieldMask& wanted,
                              const WireShape* shape) {
  auto value = shape != nullptr && is_wire(text)
                   ? parse_wire_list(text, *shape, wanted)
                   : parse_masked(text, FieldMask::of({{"metadata", {}}, {"items", wanted}}));
  if (!value) return tl::unexpected(value.error());
  if (!value->is_object() || !value->contains("metadata") || !value->contains("items")) {
    return fail(ErrorCode::kCorrupt, "a list without metadata or items");
  }
  ListAnswer list;
  list.next = text_at((*value)["metadata"], "continue");
  list.version = text_at((*value)["metadata"], "resourceVersion");
  json& items = (*value)["items"];
  // Go writes an empty list as null.
  if (list.version.empty() || !(items.is_array() || items.is_null())) {
    return fail(ErrorCode::kCorrupt,
                "a list without a resourceVersion, or with items that are none");
  }
  for (json& item : items) {
    auto object = object_of(std::move(item));
    if (!object) return tl::unexpected(object.error());
    list.objects.push_back(std::move(*object));
  }
  return list;
}

Result<WatchFrame> parse_frame(std::string_view text, const FieldMask& wanted,
                               const WireShape* shape) {
  auto value = frame_of(text, wanted, shape);
  if (!value) return tl::unexpected(value.error());
  if (!value->is_object() || !value->contains("object") || !(*value)["object"].is_object()) {
    return fail(ErrorCode::kCorrupt, "a frame without an object");
  }
  const std::string type = text_at(*value, "type");
  json& inner = (*value)["object"];
  WatchFrame frame;
  if (type == "ERROR") {
    frame.kind = FrameKind::kError;
    frame.code = code_of(inner);
    frame.text = text_at(inner, "message");
    return frame;
  }
  if (type == "BOOKMARK") {
    if (inner.contains("metadata")) {
      frame.object.resource_version = text_at(inner["metadata"], "resourceVersion");
    }
    if (frame.object.resource_version.empty()) {
      return fail(ErrorCode::kCorrupt, "a bookmark without a resourceVersion");
    }
    return frame;
  }
  if (type == "ADDED") {
    frame.kind = FrameKind::kAdded;
  } else if (type == "MODIFIED") {
    frame.kind = FrameKind::kModified;
  } else if (type == "DELETED") {
    frame.kind = FrameKind::kDeleted;
  } else {
    return fail(ErrorCode::kCorrupt, "a frame of the unknown type \"" + type.substr(0, 40) + "\"");
  }
  auto object = object_of(std::move(inner));
  if (!object) return tl::unexpected(object.error());
  frame.object = std::move(*object);
  return frame;
}

}  // namespace ballast::kube
